//! Decides on a request, and returns the records of the decision.
//!
//! The endpoint, `POST /verify` and `check` all use this module: [`Presented::read`] parses the
//! credential, [`Authorization::decide`] decides, and [`Authorization::allowed_use`],
//! [`Authorization::key_use`] and [`Authorization::refusal`] return what to record. If a decision
//! must depend on a further fact, add it here, for all of them.
use std::sync::Arc;

use super::{
    agent::AgentName,
    decision::{
        Credential, Decision, DecisionId, Detail, Exhausted, PreviousToken, Reason, Request, Rules,
        Target, decide,
    },
    forwarded::{Client, ClientAddress},
    key::LastUse,
    moment::{HOUR, Moment},
    token::{KeyId, MalformedToken, Prefixes, Token},
    usage::{KeyUse, PreviousTokenUse, Refusal, RequestedAccess, Tally, UsageKind, Verdict, hour},
};

/// The credential that a client presented, as parsed from its text alone.
#[derive(Debug)]
pub enum Presented {
    /// No credential; the detail says what was there instead, if anything.
    Nothing(Option<Detail>),
    /// A credential that is not a token of this product, or more than one credential. The fields
    /// are the detail, and the key id that the text names, if any.
    Malformed(Detail, Option<KeyId>),
    /// A well-formed token. It may never have been issued.
    Token(Token),
}

impl Presented {
    /// Parses the text of a credential; an empty text is no credential. A token begins with one of
    /// the prefixes.
    #[must_use]
    pub fn read(text: &str, prefixes: &Prefixes) -> Self {
        if text.is_empty() {
            return Self::Nothing(None);
        }
        if !prefixes.can_be_ours(text.as_bytes()) {
            return Self::Malformed(Detail::BadShape, None);
        }
        let detail = match Token::parse(text) {
            Ok(token) => return Self::Token(token),
            Err(MalformedToken::Shape) => Detail::BadShape,
            Err(MalformedToken::CheckDigits) => Detail::BadCheckDigits,
        };
        Self::Malformed(detail, prefixes.key_named_by(text))
    }

    /// Chooses between several values in places that may hold a credential. An empty value is none,
    /// and equal values are one. If exactly one value can be this product's, because it begins with
    /// one of the prefixes, it decides, and the others are for somebody else.
    #[must_use]
    pub fn choose<'a>(values: impl Iterator<Item = &'a [u8]>, prefixes: &Prefixes) -> Self {
        let mut ours: Option<&[u8]> = None;
        let mut others = false;
        for value in values.filter(|value| !value.is_empty()) {
            if !prefixes.can_be_ours(value) {
                others = true;
            } else if ours.is_some_and(|ours| ours != value) {
                return Self::Malformed(Detail::TwoCredentials, None);
            } else {
                ours = Some(value);
            }
        }
        match ours.map(std::str::from_utf8) {
            Some(Ok(text)) => Self::read(text, prefixes),
            Some(Err(_)) => Self::Malformed(Detail::BadShape, None),
            None if others => Self::Malformed(Detail::BadShape, None),
            None => Self::Nothing(None),
        }
    }

    /// Returns the token to look up.
    ///
    /// # Errors
    /// Returns [`Credential::Missing`] if no credential was presented, and
    /// [`Credential::Malformed`] if it is not one well-formed token. Nothing needs to be looked up
    /// then.
    pub fn token(&self) -> Result<&Token, Credential> {
        match self {
            Self::Nothing(detail) => Err(Credential::Missing(*detail)),
            Self::Malformed(detail, _) => Err(Credential::Malformed(*detail)),
            Self::Token(token) => Ok(token),
        }
    }
}

/// A decided request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The decision.
    pub decision: Decision,
    /// The request that was decided.
    pub request: Request,
    credential: Credential,
    client: Client,
}

/// The facts of an allowed request that are counted.
#[derive(Debug, Clone, Copy)]
pub struct AllowedUse<'a> {
    /// The key that was used.
    pub key: &'a KeyId,
    /// The presented token, if a newer token has replaced it; otherwise `None`.
    pub previous: Option<&'a PreviousToken>,
    /// The area and action.
    pub target: &'a Target,
    /// The client's address.
    pub address: ClientAddress,
    /// The time of the decision.
    pub at: Moment,
}

impl AllowedUse<'_> {
    /// Returns the time and the address of this use.
    #[must_use]
    pub fn last(&self) -> LastUse {
        let from = match self.address {
            ClientAddress::Known(address) => Some(address),
            _ => None,
        };
        LastUse { at: self.at, from }
    }
}

impl Authorization {
    /// Decides on a request.
    #[must_use]
    pub fn decide(
        credential: Credential,
        target: Target,
        client: Client,
        agent: Option<AgentName>,
        at: Moment,
    ) -> Self {
        let request = Request {
            target,
            address: client.address,
            agent,
            at,
            exhausted: Exhausted::default(),
        };
        Self {
            decision: decide(&credential, &request),
            request,
            credential,
            client,
        }
    }

    /// Decides again on a request that may pass, with these limits used up. A request that is
    /// refused for another reason stays as it is, so it charges nothing.
    #[must_use]
    pub fn limited(mut self, exhausted: Exhausted) -> Self {
        if self.decision.is_allow() && exhausted != Exhausted::default() {
            self.request.exhausted = exhausted;
            self.decision = decide(&self.credential, &self.request);
        }
        self
    }

    /// Returns the time from which such a request passes again, if only the time is to blame for
    /// the refusal.
    #[must_use]
    pub fn passes_at(&self) -> Option<Moment> {
        match self.reason()? {
            Reason::NotYetValid => self.rules()?.conditions.not_before,
            Reason::RateLimited => self.request.exhausted.rate_limit_until,
            Reason::QuotaExceeded => self.request.exhausted.quota_until,
            _ => None,
        }
    }

    /// Refuses a request with [`Reason::NoRoute`] without evaluating its credential, because the
    /// peer is not a trusted proxy.
    #[must_use]
    pub fn refuse_untrusted_peer(client: Client, at: Moment) -> Self {
        let detail = Detail::UntrustedPeer;
        Self {
            decision: Decision::Deny {
                reason: Reason::NoRoute,
                detail: Some(detail),
                key_id: None,
            },
            request: Request {
                target: Target::NoRoute(detail),
                address: client.address,
                agent: None,
                at,
                exhausted: Exhausted::default(),
            },
            credential: Credential::Missing(None),
            client,
        }
    }

    /// Returns the rules of the key to which the presented token belongs, or `None` if it belongs to
    /// no key (any more).
    #[must_use]
    pub fn rules(&self) -> Option<&Arc<Rules>> {
        self.credential.rules()
    }

    /// Returns why the request was refused, or `None` if it was allowed.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self.decision {
            Decision::Allow { .. } => None,
            Decision::Deny { reason, .. } => Some(reason),
        }
    }

    /// Returns what the reason alone does not say, if there is more.
    #[must_use]
    pub fn detail(&self) -> Option<Detail> {
        match self.decision {
            Decision::Allow { .. } => None,
            Decision::Deny { detail, .. } => detail,
        }
    }

    /// Returns the use to count, or `None` if the request was refused.
    #[must_use]
    pub fn allowed_use(&self) -> Option<AllowedUse<'_>> {
        let Decision::Allow { key_id } = &self.decision else {
            return None;
        };
        Some(AllowedUse {
            key: key_id,
            previous: match &self.credential {
                Credential::Previous(_, previous) => Some(previous),
                _ => None,
            },
            target: &self.request.target,
            address: self.request.address,
            at: self.request.at,
        })
    }

    /// Returns the counts to add for the key to which the presented token belongs or belonged,
    /// allowed or refused; `None` if there never was such a key.
    #[must_use]
    pub fn key_use(&self) -> Option<KeyUse> {
        let Request {
            target,
            address,
            at,
            ..
        } = &self.request;
        let verdict = self.reason().map_or(Verdict::Allowed, Verdict::Refused);
        let allowed = self.allowed_use();
        let previous = allowed.and_then(|used| {
            Some(PreviousTokenUse {
                digest: used.previous?.digest,
                count: 1,
                last: used.last(),
            })
        });
        Some(KeyUse {
            refused: self.reason().map(|_| (1, *at)),
            tallies: vec![Tally {
                began_at: hour(*at),
                span: HOUR,
                kind: UsageKind::of(target, *address, verdict),
                count: 1,
            }],
            previous_tokens: previous.into_iter().collect(),
            ..KeyUse::last(
                self.credential.key_id()?.clone(),
                allowed.map(|used| used.last()),
            )
        })
    }

    /// Returns the refusal to record, or `None` if the request was allowed.
    ///
    /// `presented` is the credential on which the decision was made. For a token of a known key,
    /// the token's digest is recorded; for any other credential, only the key id that it names.
    #[must_use]
    pub fn refusal(
        &self,
        id: &DecisionId,
        presented: &Presented,
        wanted: RequestedAccess,
    ) -> Option<Refusal> {
        let key = self.credential.key_id();
        let (named, token) = match presented {
            Presented::Token(token) if key.is_some() => (None, Some(token.digest())),
            Presented::Token(token) => (Some(token.key_id().clone()), None),
            Presented::Malformed(_, named) => (named.clone(), None),
            Presented::Nothing(_) => (None, None),
        };
        Some(Refusal {
            id: id.clone(),
            at: self.request.at,
            reason: self.reason()?,
            detail: self.detail(),
            passes_at: self.passes_at(),
            key: key.cloned(),
            named,
            token,
            address: self.request.address,
            hop: self.client.hop,
            unreadable: self.client.unreadable.clone(),
            agent: self.request.agent.clone(),
            wanted,
            target: self.request.target.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::domain::{
        access::{Action, Actions, AreaSlug, Grants},
        conditions::Conditions,
        decision::DecisionIds,
        label::Labels,
        token::TokenPrefix,
    };

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn now() -> Moment {
        Moment::from_millis(1_000)
    }

    fn token() -> Token {
        let id = "0123456789AB".parse().expect("an id");
        Token::mint(&TokenPrefix::default(), &id, &mut |buffer| buffer.fill(7))
    }

    fn area() -> AreaSlug {
        "contacts".parse().expect("a slug")
    }

    fn rules() -> Arc<Rules> {
        let mut grants = Grants::none();
        grants.set(area(), Actions::READ);
        Arc::new(Rules {
            id: token().key_id().clone(),
            name: "nightly".into(),
            agent: "default".parse().expect("an agent"),
            owner: None,
            labels: Labels::default(),
            conditions: Conditions {
                grants,
                ..Conditions::none()
            },
            disabled_at: None,
            pending_at: None,
            previous_tokens: Vec::new(),
        })
    }

    fn decided(credential: Credential, action: Action) -> Authorization {
        let target = Target::Routed(area(), action);
        Authorization::decide(
            credential,
            target,
            Client::given(Some(ADDRESS)),
            None,
            now(),
        )
    }

    fn refusal(decided: &Authorization, presented: &Presented) -> Option<Refusal> {
        let id = DecisionIds::draw(&mut |buffer| buffer.fill(1)).next();
        let wanted = RequestedAccess::named(area(), Action::Read);
        decided.refusal(&id, presented, wanted)
    }

    #[test]
    fn an_allowed_request_is_a_use_and_no_refusal() {
        let decided = decided(Credential::Known(rules()), Action::Read);
        let used = decided.allowed_use().expect("a use");
        assert_eq!((used.key, used.at), (token().key_id(), now()));
        let usage = decided.key_use().expect("counts");
        assert_eq!((usage.last, usage.refused), (Some(used.last()), None));
        assert_eq!(usage.last.and_then(|last| last.from), Some(ADDRESS));
        assert!(usage.previous_tokens.is_empty());
        assert_eq!(refusal(&decided, &Presented::Token(token())), None);
    }

    #[test]
    fn a_use_of_a_previous_token_is_counted_by_its_digest_too() {
        let digest = token().digest();
        let until = now().plus(1);
        let previous = PreviousToken { digest, until };
        let usage = decided(Credential::Previous(rules(), previous), Action::Read)
            .key_use()
            .expect("counts");
        let digests: Vec<_> = usage.previous_tokens.iter().map(|one| one.digest).collect();
        assert_eq!(digests, [digest]);
    }

    #[test]
    fn a_refused_request_is_a_refusal_and_no_use() {
        let decided = decided(Credential::Known(rules()), Action::Delete);
        assert!(decided.allowed_use().is_none());
        let usage = decided.key_use().expect("counts");
        assert_eq!((usage.last, usage.refused), (None, Some((1, now()))));
        let refusal = refusal(&decided, &Presented::Token(token())).expect("a refusal");
        assert_eq!(refusal.reason, Reason::ActionNotPermitted);
        assert_eq!(refusal.key.as_ref(), Some(token().key_id()));
        assert_eq!(refusal.token, Some(token().digest()));
        assert_eq!(refusal.named, None);
    }

    #[test]
    fn a_credential_of_no_key_is_recorded_by_the_id_that_it_names_and_counted_for_nobody() {
        let id = token().key_id().clone();
        for (credential, presented, named) in [
            (
                Credential::Unknown,
                Presented::Token(token()),
                Some(id.clone()),
            ),
            (
                Credential::Malformed(Detail::BadShape),
                Presented::Malformed(Detail::BadShape, Some(id.clone())),
                Some(id),
            ),
            (
                Credential::Malformed(Detail::TwoCredentials),
                Presented::Malformed(Detail::TwoCredentials, None),
                None,
            ),
            (Credential::Missing(None), Presented::Nothing(None), None),
        ] {
            let decided = decided(credential, Action::Read);
            assert_eq!(decided.key_use(), None);
            let refusal = refusal(&decided, &presented).expect("a refusal");
            assert_eq!(
                (refusal.key, refusal.named, refusal.token),
                (None, named, None)
            );
        }
    }

    #[test]
    fn what_has_no_token_needs_no_look_up() {
        let clv = Prefixes::default();
        let read = |text: &str| Presented::read(text, &clv).token().err();
        let malformed = |detail| Some(Credential::Malformed(detail));
        assert_eq!(read(""), Some(Credential::Missing(None)));
        assert_eq!(read("x"), malformed(Detail::BadShape));
        let mut typo = token().expose().expose_secret().to_owned();
        typo.pop();
        assert_eq!(read(&typo), malformed(Detail::BadShape));
        assert_eq!(read(&(typo + "!")), malformed(Detail::BadShape));
        let mut typo = token().expose().expose_secret().to_owned();
        typo.replace_range(20..21, "z");
        assert_eq!(read(&typo), malformed(Detail::BadCheckDigits));
    }

    #[test]
    fn one_value_that_can_be_ours_decides() {
        let token = token();
        let token: &str = token.expose().expose_secret();
        let mistyped = format!("{}x", &token[..65]);
        let clv = Prefixes::default();
        let choose = |values: &[&str]| {
            let values = values.iter().map(|value| value.as_bytes());
            let chosen = Presented::choose(values, &clv);
            match chosen {
                Presented::Nothing(_) => "nothing",
                Presented::Token(_) => "token",
                Presented::Malformed(detail, _) => detail.word(),
            }
        };
        for (values, expected) in [
            (&[][..], "nothing"),
            (&["", ""], "nothing"),
            (&[token], "token"),
            (&["", token], "token"),
            (&[token, token], "token"),
            (&["eyJ.x.y", token], "token"),
            (&[token, "x", "y"], "token"),
            (&["eyJ.x.y"], "bad_shape"),
            (&["x", "y"], "bad_shape"),
            (&[token, &mistyped], "two_credentials"),
            (&[&mistyped, token], "two_credentials"),
            (&[&mistyped, "clv_"], "two_credentials"),
            (&[&mistyped, &mistyped], "bad_check_digits"),
            (&["clv_"], "bad_shape"),
        ] {
            assert_eq!(choose(values), expected, "{} values", values.len());
        }
        let not_utf8 = Presented::choose(std::iter::once(&b"clv_\xff"[..]), &clv);
        assert!(matches!(
            not_utf8,
            Presented::Malformed(Detail::BadShape, None)
        ));
    }

    #[test]
    fn a_token_of_an_own_prefix_decides_as_soon_as_the_prefix_is_known() {
        let prefix = "acme_live".parse::<TokenPrefix>().expect("a prefix");
        let own = Token::mint(&prefix, token().key_id(), &mut |buffer| buffer.fill(7));
        let own = own.expose().expose_secret().as_bytes();
        let token = token();
        let clv = token.expose().expose_secret().as_bytes();
        let known: Prefixes = [prefix].into_iter().collect();
        for (values, before, now) in [
            (&[own][..], "bad_shape", "acme_live"),
            (&[own, clv], "clv", "two_credentials"),
            (&[clv, b"acme_live_x"], "clv", "two_credentials"),
            (&[clv, b"acme_x"], "clv", "clv"),
            (&[b"acme_live_x"], "bad_shape", "bad_shape"),
        ] {
            for (prefixes, expected) in [(&Prefixes::default(), before), (&known, now)] {
                let chosen = Presented::choose(values.iter().copied(), prefixes);
                let found = match &chosen {
                    Presented::Nothing(_) => "nothing",
                    Presented::Token(token) => token.prefix().as_str(),
                    Presented::Malformed(detail, _) => detail.word(),
                };
                assert_eq!(found, expected, "{} values", values.len());
            }
        }
    }
}
