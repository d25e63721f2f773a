//! Finds tokens in texts from people and clients, and cuts them.
use std::sync::{PoisonError, RwLock};

use super::{
    CHECK_LENGTH, ID_LENGTH, Prefixes, SECRET_LENGTH, TAIL_LENGTH, Token,
    prefix::{LONGEST_PREFIX, SHORTEST_PREFIX},
};

/// The length from which the secret of a token with an unknown prefix is cut. A word in a name or a
/// path is shorter, and a shorter piece of a secret is of no use.
const CERTAIN_SECRET: usize = 16;

/// The prefixes that this process has read from a store. Messages are written in many places, also
/// before and after a store is open, so the prefixes are known to the whole process. The set only
/// grows.
static KNOWN: RwLock<Option<Prefixes>> = RwLock::new(None);

/// Makes [`without_tokens`] cut tokens with these prefixes from now on, in the whole process.
pub fn remember(prefixes: &Prefixes) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.get_or_insert_default().extend(prefixes);
}

/// Returns `true` if the text contains a complete token, whatever its prefix.
#[must_use]
pub fn is_inside(text: &str) -> bool {
    let bytes = text.as_bytes();
    let tails = bytes.windows(TAIL_LENGTH).enumerate();
    let mut tails = tails.filter(|(_, tail)| is_tail(tail, SECRET_LENGTH + CHECK_LENGTH));
    tails.any(|(at, _)| {
        let starts = at.saturating_sub(LONGEST_PREFIX)..=at.saturating_sub(SHORTEST_PREFIX);
        let mut tokens = starts.filter_map(|start| text.get(start..at + TAIL_LENGTH));
        tokens.any(|token| Token::parse(token).is_ok())
    })
}

/// Returns `true` if the bytes begin with `_`, a key id, `_` and this many characters of a secret.
fn is_tail(bytes: &[u8], secret: usize) -> bool {
    let base62 = |part: &[u8]| part.iter().all(u8::is_ascii_alphanumeric);
    let start = ID_LENGTH + 2;
    bytes.len() >= start + secret
        && bytes[0] == b'_'
        && base62(&bytes[1..=ID_LENGTH])
        && bytes[ID_LENGTH + 1] == b'_'
        && base62(&bytes[start..start + secret])
}

/// Returns the text with every token in it cut to its public part: with a known prefix, complete or
/// not; with another one, if most of a secret could be there. Text from people and clients may
/// contain a token in place of a name or a path, and messages are written to logs.
#[must_use]
pub fn without_tokens(text: &str) -> String {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let known = known.as_ref();
    let clv = Prefixes::default();
    without_tokens_of(known.unwrap_or(&clv), text)
}

fn without_tokens_of(known: &Prefixes, text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let rest = &text[at..];
        let public = known.public_length(rest).or_else(|| {
            // The prefix before it is copied already.
            is_tail(rest.as_bytes(), CERTAIN_SECRET).then_some(ID_LENGTH + 2)
        });
        let Some(public) = public else {
            clean.push(next);
            at += next.len_utf8();
            continue;
        };
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        clean.push_str(&rest[..end.min(public)]);
        if end > public {
            clean.push('…');
        }
        at += end;
    }
    clean
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::domain::token::{KeyId, TokenPrefix};

    const SECRET: &str = "5alvd3kjhAMdTj1AOJWA9uJSbWNvw45HpApoGqOfaHl2OWTMk";

    #[test]
    fn a_token_in_a_sentence_loses_its_secret_half() {
        let sentence = format!("no key is called clv_Cr5JI7uXSE4O_{SECRET}, or xclv_clv_");
        assert_eq!(
            without_tokens(&sentence),
            "no key is called clv_Cr5JI7uXSE4O_…, or xclv_clv_"
        );
        for kept in ["", "clv_", "clv_Cr5JI7uXSE4O_", "é clv_a é"] {
            assert_eq!(without_tokens(kept), kept);
        }
    }

    #[test]
    fn a_token_of_any_prefix_is_cut_and_a_piece_of_one_if_the_prefix_is_known() {
        let known: Prefixes = ["acme", "acme_live"]
            .into_iter()
            .map(|it| it.parse::<TokenPrefix>().expect("a prefix"))
            .collect();
        let none = Prefixes::default();
        for (prefixes, text, shown) in [
            (
                &known,
                "acme_live_0123456789AB_abc",
                "acme_live_0123456789AB_…",
            ),
            (&known, "x=acme_0123456789AB_a&é", "x=acme_0123456789AB_…&é"),
            (
                &none,
                "acme_live_0123456789AB_abc",
                "acme_live_0123456789AB_abc",
            ),
            (&none, "my_organization_name", "my_organization_name"),
        ] {
            assert_eq!(without_tokens_of(prefixes, text), shown);
        }
        let whole = format!("/x/acme_live_0123456789AB_{SECRET}/é");
        for prefixes in [&known, &none] {
            assert_eq!(
                without_tokens_of(prefixes, &whole),
                "/x/acme_live_0123456789AB_…/é"
            );
        }
    }

    #[test]
    fn a_complete_token_is_found_whatever_its_prefix() {
        for prefix in ["clv", "acme_live", "ab", "abcdefghijklmnopqrst"] {
            let prefix = prefix.parse::<TokenPrefix>().expect("a prefix");
            let id: KeyId = "0123456789AB".parse().expect("an id");
            let token = Token::mint(&prefix, &id, &mut |buffer| buffer.fill(7));
            let token = token.expose().expose_secret();
            for text in [token, &format!("é {token}"), &format!("x_{token}x_")] {
                assert!(is_inside(text), "{prefix}");
            }
            let (head, last) = token.split_at(token.len() - 1);
            let other = if last == "0" { "1" } else { "0" };
            for text in [
                head,
                &format!("{head}{other}"),
                &token[prefix.as_str().len()..],
            ] {
                assert!(!is_inside(text), "{prefix}");
            }
        }
    }
}
