//! Tokens: how they are created, recognised and stored.
//!
//! A token is a prefix (`clv`, or the agent's own) + `_` + key id (12) + `_` + secret (43) + check
//! (6), in base62 digits in the order `0-9A-Za-z`; the check is the CRC-32/ISO-HDLC of everything
//! before it. A [`Token`] never prints its secret; the text is only available through
//! [`Token::expose`]. Only its [`Digest`] is ever compared or stored in the clear.
mod prefix;
mod redaction;

use std::{fmt, str::FromStr};

pub use prefix::{InvalidPrefix, Prefixes, TokenPrefix};
pub use redaction::{is_inside, remember, without_tokens};

use data_encoding::BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Digest as _;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 12;
const SECRET_LENGTH: usize = 43;
const CHECK_LENGTH: usize = 6;
/// The length of what follows a token's prefix: `_`, the id, `_`, the secret and the check.
const TAIL_LENGTH: usize = 1 + ID_LENGTH + 1 + SECRET_LENGTH + CHECK_LENGTH;
/// The length of the shortest token, in bytes.
pub const SHORTEST_TOKEN: usize = prefix::SHORTEST_PREFIX + TAIL_LENGTH;
/// The length of the longest token, in bytes.
pub const LONGEST_TOKEN: usize = prefix::LONGEST_PREFIX + TAIL_LENGTH;

/// A random source: fills the buffer with random bytes.
pub type RandomSource<'a> = &'a mut dyn FnMut(&mut [u8]);

/// A key's public id: 12 base62 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// Draws a new id with uniformly distributed characters.
    #[must_use]
    pub fn draw(chance: RandomSource<'_>) -> Self {
        let mut id = String::with_capacity(ID_LENGTH);
        draw_digits(chance, ID_LENGTH, &mut id);
        Self(id)
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first four characters, which a person types to confirm a revocation.
    #[must_use]
    pub fn start(&self) -> &str {
        &self.0[..4]
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        let fits = text.len() == ID_LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKeyId)
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error for a text that is not 12 base62 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key id has 12 characters of 0-9, A-Z and a-z")]
pub struct InvalidKeyId;

/// A token's text, which is secret. `Debug` shows only its public part. It is wiped from memory
/// when dropped.
pub struct Token {
    text: SecretString,
    prefix: TokenPrefix,
    id: KeyId,
}

impl Token {
    /// Creates a token for a key: the prefix, 43 random characters (256 bits) and the check.
    #[must_use]
    pub fn mint(prefix: &TokenPrefix, id: &KeyId, chance: RandomSource<'_>) -> Self {
        // With this capacity the text is never reallocated, so no copy of it is left in the heap.
        let mut text = String::with_capacity(LONGEST_TOKEN);
        for part in [prefix.as_str(), "_", id.as_str(), "_"] {
            text.push_str(part);
        }
        draw_digits(chance, SECRET_LENGTH, &mut text);
        let check = check_digits(text.as_bytes());
        text.extend(check.iter().map(|digit| char::from(*digit)));
        let token = Self {
            text: SecretString::from(text.as_str()),
            prefix: prefix.clone(),
            id: id.clone(),
        };
        text.zeroize();
        token
    }

    /// Recognises a token by its shape and its check, without a query to the store. Its prefix need
    /// not be one that is in use.
    ///
    /// # Errors
    /// Returns [`MalformedToken`] for a text that no claviger can have issued.
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        let at = text.len().checked_sub(TAIL_LENGTH);
        let parts = at.and_then(|at| text.split_at_checked(at));
        let (prefix, tail) = parts.ok_or(MalformedToken::Shape)?;
        let prefix: TokenPrefix = prefix.parse().map_err(|_| MalformedToken::Shape)?;
        let tail = tail.strip_prefix('_').and_then(|tail| tail.split_once('_'));
        let (id, secret) = tail.ok_or(MalformedToken::Shape)?;
        let id: KeyId = id.parse().map_err(|_| MalformedToken::Shape)?;
        if !secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(MalformedToken::Shape);
        }
        let (before, check) = text.as_bytes().split_at(text.len() - CHECK_LENGTH);
        if check_digits(before) != check {
            return Err(MalformedToken::CheckDigits);
        }
        Ok(Self {
            text: SecretString::from(text),
            prefix,
            id,
        })
    }

    /// Returns what the token begins with.
    #[must_use]
    pub fn prefix(&self) -> &TokenPrefix {
        &self.prefix
    }

    /// Returns the id of the key that the token claims to belong to. The digest decides, not this
    /// id.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.id
    }

    /// Returns the digest by which the token is looked up.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(sha2::Sha256::digest(self.text.expose_secret().as_bytes()).into())
    }

    /// Returns the text. This is the only access to it.
    #[must_use]
    pub fn expose(&self) -> &SecretString {
        &self.text
    }

    /// Returns the token in a form that may be displayed: the public part, and the rest as dots.
    #[must_use]
    pub fn masked(prefix: &TokenPrefix, id: &KeyId, dot: char) -> String {
        let hidden: String = std::iter::repeat_n(dot, SECRET_LENGTH + CHECK_LENGTH).collect();
        format!("{prefix}_{id}_{hidden}")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}_{}_…)", self.prefix, self.id)
    }
}

/// The error for a text that is not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedToken {
    /// It does not have the shape of a token.
    #[error("this is no token: it does not have the shape of one")]
    Shape,
    /// It has the shape of a token, and the check digits are wrong.
    #[error("this is no token: its check digits are wrong")]
    CheckDigits,
}

/// The SHA-256 of a complete token.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Returns the digest in the form that the store keeps: base64.
    #[must_use]
    pub fn encoded(&self) -> String {
        BASE64.encode(&self.0)
    }

    /// Decodes the store's form. Returns `None` if the text is not the base64 of 32 bytes.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).ok()?);
        <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Self)
    }
}

impl PartialEq for Digest {
    /// Compares in constant time, so that the duration does not reveal the position of the first
    /// wrong byte.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// Draws uniformly distributed base62 digits. Bytes of 248 and more are discarded because they
/// would favour the first digits.
pub(super) fn draw_digits(chance: RandomSource<'_>, count: usize, text: &mut String) {
    let mut bytes = Zeroizing::new([0_u8; 64]);
    let mut left = count;
    while left > 0 {
        chance(bytes.as_mut_slice());
        for byte in bytes.iter().filter(|byte| **byte < 248).take(left) {
            text.push(char::from(DIGITS[usize::from(byte % 62)]));
            left -= 1;
        }
    }
}

/// Appends the lowest `N` base62 digits of a number, padded with zeros.
pub(super) fn write_digits<const N: usize>(mut number: u64, text: &mut String) {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    text.extend(digits.map(char::from));
}

/// Returns the CRC-32 as a base62 number of six digits, padded with zeros.
fn check_digits(before: &[u8]) -> [u8; CHECK_LENGTH] {
    let mut number = crc32fast::hash(before);
    let mut digits = [b'0'; CHECK_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> impl FnMut(&mut [u8]) {
        let mut next = 0_u8;
        move |buffer| {
            for byte in buffer {
                *byte = next;
                next = next.wrapping_add(1);
            }
        }
    }

    #[test]
    fn a_fixed_vector() {
        let mut chance = counting();
        let id = KeyId::draw(&mut chance);
        assert_eq!(id.as_str(), "0123456789AB");
        let token = Token::mint(&TokenPrefix::default(), &id, &mut chance);
        let text = token.expose().expose_secret();
        assert_eq!(
            &text[..60],
            "clv_0123456789AB_23456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghi"
        );
        assert_eq!(text.len(), 66);
        // The expected check was computed with another CRC-32 implementation: Python's zlib.
        assert_eq!(&text[60..], "2Xczds");
        assert_eq!(format!("{token:?}"), "Token(clv_0123456789AB_…)");
    }

    #[test]
    fn minted_tokens_are_recognised_and_every_typo_is_refused() {
        let mut chance = counting();
        let id = KeyId::draw(&mut chance);
        let token = Token::mint(&TokenPrefix::default(), &id, &mut chance);
        let text = token.expose().expose_secret().to_owned();
        assert_eq!(Token::parse(&text).expect("ours").digest(), token.digest());
        for at in 0..text.len() {
            let mut typo = text.clone().into_bytes();
            typo[at] = if typo[at] == b'z' { b'y' } else { b'z' };
            assert!(
                Token::parse(&String::from_utf8(typo).expect("ascii")).is_err(),
                "at {at}"
            );
        }
        for bad in [
            "",
            "clv_",
            &text[1..],
            &format!("{text} "),
            &text.replace('_', "-"),
            "é",
        ] {
            assert!(Token::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_of_an_own_prefix_is_one_and_the_check_covers_the_prefix() {
        let id: KeyId = "0123456789AB".parse().expect("an id");
        for prefix in [
            "ab",
            "acme_live",
            "acme_0123456789ab",
            "abcdefghijklmnopqrst",
        ] {
            let prefix: TokenPrefix = prefix.parse().expect("a prefix");
            let token = Token::mint(&prefix, &id, &mut counting());
            let text = token.expose().expose_secret();
            assert!((SHORTEST_TOKEN..=LONGEST_TOKEN).contains(&text.len()));
            let read = Token::parse(text).expect("a token");
            assert_eq!((read.prefix(), read.key_id()), (&prefix, &id));
            assert_eq!(format!("{read:?}"), format!("Token({prefix}_{id}_…)"));
            for typo in [
                format!("x{text}"),
                format!("a{}", &text[1..].replacen('_', "x_", 1)),
            ] {
                assert!(Token::parse(&typo).is_err(), "{typo}");
            }
        }
    }

    #[test]
    fn digits_are_uniform() {
        let mut counts = [0_u32; 62];
        let mut text = String::new();
        draw_digits(&mut counting(), 62 * 400, &mut text);
        for byte in text.bytes() {
            counts[DIGITS.iter().position(|d| *d == byte).expect("a digit")] += 1;
        }
        assert!(counts.iter().all(|count| *count == 400), "{counts:?}");
    }
}
