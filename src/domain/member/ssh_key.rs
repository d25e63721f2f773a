//! SSH public keys, as OpenSSH writes them: `ssh-ed25519 AAAA… comment`.
//!
//! The stored form is serialized from the parsed key, so nothing but the key itself can get from a
//! given line into `authorized_keys`: no option, no quote, no second line.
use std::{fmt, str::FromStr};

use data_encoding::BASE64;
use ssh_key::{Algorithm, HashAlg, PublicKey};

use crate::domain::text::{self, Limits};

/// The limits of a key's comment.
const COMMENT_LIMITS: Limits = Limits {
    field: "Key's comment",
    characters: 200,
    bytes: 1024,
};
/// The shortest accepted RSA modulus, in bits: OpenSSH 9 and NIST SP 800-131A call shorter ones
/// broken.
const SHORTEST_RSA: usize = 2048;
/// The longest line that is parsed, in bytes: an RSA key of 16,384 bits takes about 2,800.
const LONGEST_LINE: usize = 8 * 1024;

/// The longest name of a key's type, in bytes: RFC 4251 allows 64, and a certificate's name is
/// longer by `-cert-v01`.
const LONGEST_KIND: usize = 64 + 9;
/// The number of base64 digits that hold the longest name of a type, after its length.
const KIND_DIGITS: usize = (4 + LONGEST_KIND).div_ceil(3) * 4;

/// OpenSSH's fingerprint of a key: `SHA256:` and 43 characters of base64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Returns the fingerprint as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = SshKeyError;

    fn from_str(text: &str) -> Result<Self, SshKeyError> {
        let parsed: Result<ssh_key::Fingerprint, _> = text.parse();
        match parsed {
            Ok(print) if print.is_sha256() => Ok(Self(print.to_string())),
            _ => Err(SshKeyError::BadFingerprint(text::visible(text))),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a key or a fingerprint was refused. No message repeats a given key, which may be a private
/// one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshKeyError {
    /// A private key was given.
    #[error(
        "that is a private key, which nobody else should ever see: give the public one, whose file ends in .pub"
    )]
    Private,
    /// The line is not a public key.
    #[error(
        "line {0} is no SSH public key: give lines such as `ssh-ed25519 AAAA… comment`, without options before them"
    )]
    NotAKey(usize),
    /// The line is a certificate.
    #[error("line {0} is a certificate: give the public key itself")]
    Certificate(usize),
    /// The key is of a type that sshd itself refuses, or too weak.
    #[error(
        "line {line} is a key of a kind that is not safe ({why}): make one with `ssh-keygen -t ed25519`"
    )]
    Weak {
        /// The line number, from 1.
        line: usize,
        /// The type of the key, or its size.
        why: String,
    },
    /// The key, or certificate, is of a type that is not implemented.
    #[error(
        "line {line} is a key of a kind that this version of claviger does not know ({kind}): give another key, such as one made with `ssh-keygen -t ed25519`"
    )]
    UnknownKind {
        /// The line number, from 1.
        line: usize,
        /// The type of the key.
        kind: String,
    },
    /// The text is not a SHA-256 fingerprint; it is repeated in the message.
    #[error(
        "{0} is no fingerprint: give SHA256: and the 43 characters that `claviger member list` or `ssh-keygen -lf FILE` shows"
    )]
    BadFingerprint(String),
}

/// A member's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey {
    line: String,
    fingerprint: Fingerprint,
    comment: String,
}

impl SshKey {
    /// Returns the key without its comment: `ssh-ed25519 AAAA…`, made of letters, digits and
    /// `+/=@.-`.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Returns the key's SHA-256 fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Returns the key's comment; empty if the given one was not fit to be displayed.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Returns the key's type, such as `ssh-ed25519`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// Returns fingerprint, type and comment, similar to the output of `ssh-keygen -l`.
    #[must_use]
    pub fn summary(&self) -> String {
        format!("{} {} {}", self.fingerprint, self.kind(), self.comment)
            .trim_end()
            .to_owned()
    }

    /// Parses one line of a public key file.
    ///
    /// # Errors
    /// Returns [`SshKeyError`] if the line is no public key, is a private key or a certificate, or
    /// the key is too weak or of an unknown type. The error names the line by the number `line`.
    pub fn parse(text: &str, line: usize) -> Result<Self, SshKeyError> {
        let not_a_key = |_| SshKeyError::NotAKey(line);
        if text.contains("PRIVATE KEY") {
            return Err(SshKeyError::Private);
        }
        if let Some(kind) = unknown_kind(text) {
            return Err(SshKeyError::UnknownKind { line, kind });
        }
        if text.len() > LONGEST_LINE {
            return Err(SshKeyError::NotAKey(line));
        }
        let kind = text.split(' ').next().unwrap_or_default();
        if kind.contains("-cert-v0") {
            return Err(SshKeyError::Certificate(line));
        }
        let mut key = PublicKey::from_openssh(text.trim()).map_err(not_a_key)?;
        if let Some(why) = weakness(&key) {
            return Err(SshKeyError::Weak { line, why });
        }
        let comment = key.comment().trim().to_owned();
        let comment = match text::check(&comment, COMMENT_LIMITS) {
            Ok(()) => comment,
            Err(_) => String::new(),
        };
        key.set_comment("");
        Ok(Self {
            line: key.to_openssh().map_err(not_a_key)?.trim_end().to_owned(),
            fingerprint: Fingerprint(key.fingerprint(HashAlg::Sha256).to_string()),
            comment,
        })
    }

    /// Rebuilds a key from its stored line and comment.
    ///
    /// # Errors
    /// The same as for [`SshKey::parse`].
    pub fn kept(line: &str, comment: &str) -> Result<Self, SshKeyError> {
        Ok(Self {
            comment: comment.to_owned(),
            ..Self::parse(line, 1)?
        })
    }
}

/// Returns the type of a key or a certificate whose type is not implemented; `None` if it is, or if
/// the line is none of both. The type is read here, because the parser cannot read every key of an
/// unknown type.
fn unknown_kind(text: &str) -> Option<String> {
    let mut words = text.split_ascii_whitespace();
    let (kind, blob) = (words.next()?, words.next()?);
    // The blob begins with the length of its type's name, then that name.
    let digits = blob.len().min(KIND_DIGITS) / 4 * 4;
    let blob = BASE64.decode(blob.get(..digits)?.as_bytes()).ok()?;
    let (length, rest) = blob.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if length > LONGEST_KIND || rest.get(..length)? != kind.as_bytes() {
        return None;
    }
    let is_known = |name: &str| !matches!(Algorithm::new(name), Ok(Algorithm::Other(_)) | Err(_));
    let known = match kind.split_once("-cert-v0") {
        Some((name, _)) => is_known(name) || is_known(&format!("{name}@openssh.com")),
        None => is_known(kind),
    };
    (!known).then(|| text::visible(kind))
}

fn weakness(key: &PublicKey) -> Option<String> {
    match (key.algorithm(), key.key_data().rsa()) {
        (Algorithm::Rsa { .. }, Some(rsa)) => {
            let bytes = rsa.n.as_positive_bytes().unwrap_or_default();
            let bits = bytes.len() * 8
                - bytes
                    .first()
                    .map_or(0, |byte| byte.leading_zeros() as usize);
            (bits < SHORTEST_RSA).then(|| format!("RSA of {bits} bits"))
        }
        (
            Algorithm::Ed25519
            | Algorithm::Ecdsa { .. }
            | Algorithm::SkEd25519
            | Algorithm::SkEcdsaSha2NistP256,
            _,
        ) => None,
        (other, _) => Some(text::visible(other.as_str())),
    }
}

/// Adds a key to a list, unless the list has a key with the same fingerprint.
pub fn add_key(keys: &mut Vec<SshKey>, key: SshKey) {
    if !keys
        .iter()
        .any(|known| known.fingerprint == key.fingerprint)
    {
        keys.push(key);
    }
}

/// Parses all keys of a file, ignoring empty lines and lines that begin with `#`.
///
/// # Errors
/// Returns [`SshKeyError::Private`] if the text contains a private key, else the error of the first
/// line that is refused, or [`SshKeyError::NotAKey`] for line 1 if there is no key at all.
pub fn parse_keys(text: &str) -> Result<Vec<SshKey>, SshKeyError> {
    if text.contains("PRIVATE KEY") {
        return Err(SshKeyError::Private);
    }
    let mut keys: Vec<SshKey> = Vec::new();
    for (at, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        add_key(&mut keys, SshKey::parse(line, at)?);
    }
    if keys.is_empty() {
        return Err(SshKeyError::NotAKey(1));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn a_key_is_written_anew_and_its_comment_is_kept_apart() {
        let key = SshKey::parse(&format!("{ED25519} alice@laptop \"$(id)\""), 1).expect("a key");
        assert_eq!(key.line(), ED25519);
        assert_eq!(key.comment(), "alice@laptop \"$(id)\"");
        assert_eq!(key.kind(), "ssh-ed25519");
        // `ssh-keygen -lf` prints the same fingerprint.
        assert_eq!(
            key.fingerprint().as_str(),
            "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ"
        );
        assert_eq!(SshKey::kept(key.line(), key.comment()), Ok(key));
    }

    #[test]
    fn what_is_no_public_key_is_refused_and_never_repeated() {
        let cases = [
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret", "private key"),
            ("", "no SSH public key"),
            ("hello", "no SSH public key"),
            ("ssh-ed25519 AAAA", "no SSH public key"),
            ("command=\"sh\" ssh-ed25519 AAAA", "no SSH public key"),
            (
                "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti",
                "no SSH public key",
            ),
            ("ssh-ed25519-cert-v01@openssh.com AAAA", "a certificate"),
        ];
        for (text, words) in cases {
            let error = parse_keys(text).expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
            assert!(
                !error.contains("secret") && !error.contains("AAAAC3"),
                "{error}"
            );
        }
        let option = format!("command=\"sh\" {ED25519}");
        assert_eq!(parse_keys(&option), Err(SshKeyError::NotAKey(1)));
    }

    /// A line with a key of this type, whose fields are as given.
    fn line_of(kind: &str, fields: &[&[u8]]) -> String {
        let mut blob = Vec::new();
        for field in [&[kind.as_bytes()], fields].concat() {
            blob.extend(u32::try_from(field.len()).expect("short").to_be_bytes());
            blob.extend(field);
        }
        format!("{kind} {} me@here", BASE64.encode(&blob))
    }

    #[test]
    fn a_key_of_an_unknown_kind_is_refused_as_such() {
        let composite = [7; 1312 + 32];
        let certificate: [&[u8]; 3] = [&[1; 32], &composite, &[2; 9000]];
        for (kind, fields) in [
            ("ssh-mldsa44-ed25519@openssh.com", &[&composite[..]][..]),
            ("ssh-mldsa44-ed25519-cert-v01@openssh.com", &certificate),
            (
                "ssh-xmss@openssh.com",
                &[b"XMSS_SHA2_256_W16_H10", &[3; 68]],
            ),
            ("ssh-ed448", &[&[4; 57]]),
            ("x@example.org", &[]),
        ] {
            let error = parse_keys(&line_of(kind, fields)).expect_err(kind);
            let kind = kind.to_owned();
            assert_eq!(error, SshKeyError::UnknownKind { line: 1, kind });
            assert!(error.to_string().contains("ssh-keygen -t ed25519"));
        }
        // A line of another form is none of these, and nothing of it is repeated.
        let blob = line_of("ssh-ed448", &[&[4; 57]]);
        let long = line_of(&"x".repeat(LONGEST_KIND + 1), &[]);
        for text in [
            blob.replacen("448", "25519", 1),
            long,
            "ssh-ed448 AAAA".into(),
        ] {
            assert_eq!(parse_keys(&text), Err(SshKeyError::NotAKey(1)), "{text}");
        }
    }

    #[test]
    fn a_key_that_is_not_safe_is_refused_as_such() {
        let number = |bytes: usize| [&[0][..], &vec![0xff; bytes]].concat();
        let dsa = [number(128), number(20), number(128), number(128)];
        let dsa: Vec<&[u8]> = dsa.iter().map(Vec::as_slice).collect();
        let (modulus, short) = (number(256), number(128));
        let exponent: &[u8] = &[1, 0, 1];
        for (line, why) in [
            (line_of("ssh-dss", &dsa), "ssh-dss"),
            (line_of("ssh-rsa", &[exponent, &short]), "RSA of 1024 bits"),
        ] {
            let (line, why) = (parse_keys(&line), why.to_owned());
            assert_eq!(line, Err(SshKeyError::Weak { line: 1, why }));
        }
        assert!(parse_keys(&line_of("ssh-rsa", &[exponent, &modulus])).is_ok());
        for kind in ["ssh-ed25519", "sk-ssh-ed25519", "ssh-rsa", "ssh-dss"] {
            let line = line_of(&format!("{kind}-cert-v01@openssh.com"), &[&[1; 32]]);
            assert_eq!(parse_keys(&line), Err(SshKeyError::Certificate(1)));
        }
    }

    #[test]
    fn a_file_of_several_keys_is_read_line_by_line() {
        let text = format!("# alice\n\n{ED25519} one\n{ED25519} the same again\nnonsense\n");
        assert_eq!(parse_keys(&text), Err(SshKeyError::NotAKey(5)));
        let text = format!("# alice\n\n{ED25519} one\r\n{ED25519} the same again\n");
        let keys = parse_keys(&text).expect("keys");
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].comment(), "one");
    }

    #[test]
    fn a_comment_that_could_act_on_a_terminal_is_dropped() {
        let key = SshKey::parse(&format!("{ED25519} a\u{202e}b"), 1).expect("a key");
        assert_eq!(key.comment(), "");
        assert!(
            SshKey::parse(&format!("{ED25519} a\nssh-rsa"), 1)
                .is_ok_and(|key| key.comment().is_empty())
                || SshKey::parse(&format!("{ED25519} a\nssh-rsa"), 1).is_err()
        );
    }

    proptest::proptest! {
        /// For any input, the stored line is two words of safe characters, and the comment is fit
        /// to be displayed.
        #[test]
        fn what_is_kept_of_a_key_can_break_no_line(
            before in ".{0,40}", between in "[ \\t]{1,3}", after in ".{0,80}",
        ) {
            let given = format!("{before}{ED25519}{between}{after}");
            for text in [given, format!("{ED25519}{between}{after}"), format!("{before} {after}")] {
                if let Ok(keys) = parse_keys(&text) {
                    for key in keys {
                        let plain = |b: u8| b.is_ascii_alphanumeric() || b"+/=@.- ".contains(&b);
                        proptest::prop_assert!(key.line().bytes().all(plain));
                        proptest::prop_assert_eq!(key.line().split(' ').count(), 2);
                        proptest::prop_assert!(text::check(key.comment(), COMMENT_LIMITS).is_ok());
                    }
                }
            }
        }
    }

    #[test]
    fn fingerprints_are_those_of_openssh() {
        assert!(
            "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ"
                .parse::<Fingerprint>()
                .is_ok()
        );
        for text in ["", "SHA256:", "SHA256:x y", "MD5:00:11", "SHA512:abc"] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }
}
