//! Explains why a request was refused, whether it would be refused now, and what would allow it.
//!
//! A recorded refusal is decided again from its record, by the current rules and at the current
//! time. No token is needed: the digest of the token that was sent is stored with the refusal.
use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use super::{Keyring, KeyringError, StoreError, decide::quota_state};
use crate::{
    domain::{
        access::{Action, Area},
        agent::AgentScope,
        audit::{Change, Event},
        conditions::Condition,
        decision::{
            Credential, Decision, Detail, Exhausted, Reason, Request, Rules, Target, decide,
        },
        explain::{self, Changed, ExplainSubject, Explanation, Facts, History, Tombstone},
        forwarded::Client,
        key::{Key, Refused},
        member::{Denied, Permission},
        route::{AreaSelector, Routes},
        text::visible,
        token::KeyId,
        usage::{KEPT_REFUSALS, REFUSAL_NEWS_MILLIS, Refusal, RequestedAccess, RequestedTarget},
    },
    store::{self, KeyRecord},
};

/// The number of a key's events that are read at a time, to find who changed what.
const EVENTS: i64 = 200;

impl Keyring {
    /// Returns the subject to explain for a text that names a decision or a key: that decision; the
    /// key's newest refusal; or, if there is none, an ordinary request with the key. If no key has
    /// that name any more, the key that had it and was revoked last is used.
    ///
    /// # Errors
    /// Returns [`KeyringError::NoSuchDecision`] if no refusal with that id is stored, the errors of
    /// [`Keyring::resolve`], and [`KeyringError::Store`] if the database fails.
    pub async fn question_about(&self, text: &str) -> Result<ExplainSubject, KeyringError> {
        if let Ok(id) = text.parse() {
            let refusal = self.store.refusal(&id).await?;
            let unknown = || KeyringError::NoSuchDecision(visible(text));
            let refusal = refusal.ok_or_else(unknown)?;
            match self.demand_sight(refusal.key.as_ref()).await {
                Err(KeyringError::Denied(Denied::Agent(_))) => return Err(unknown()),
                other => other?,
            }
            return Ok(ExplainSubject::Refusal(Box::new(refusal)));
        }
        if text.starts_with("d_")
            && self
                .store
                .keys_named(text, &AgentScope::Everything, 1)
                .await?
                .is_empty()
        {
            return Err(KeyringError::NoSuchDecision(visible(text)));
        }
        let id = self.id_of(text).await?;
        self.newest_question(&id).await
    }

    /// Returns a key's newest refusal or, if there is none, an ordinary request with the key.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see the key, and
    /// [`KeyringError::Store`] if the database fails.
    pub async fn newest_question(&self, id: &KeyId) -> Result<ExplainSubject, KeyringError> {
        self.demand_sight(Some(id)).await?;
        match self.store.refusals(Some(id), 1).await?.pop() {
            Some(newest) => Ok(ExplainSubject::Refusal(Box::new(newest))),
            None => self.ordinary_question(id).await,
        }
    }

    /// Returns the newest refusal that matches no key.
    ///
    /// # Errors
    /// Returns [`KeyringError::NothingUnmatched`] if there is none, [`KeyringError::Denied`] if the
    /// actor may not see it, and [`KeyringError::Store`] if the database fails.
    pub async fn newest_unmatched(&self) -> Result<ExplainSubject, KeyringError> {
        self.demand_sight(None).await?;
        let newest = self.store.refusals(None, 1).await?.pop();
        let newest = newest.ok_or(KeyringError::NothingUnmatched)?;
        Ok(ExplainSubject::Refusal(Box::new(newest)))
    }

    /// Returns the newest refusals of these agents' keys, each with its key's name, also if the key
    /// was revoked; with `only_unmatched`, only those that match no key.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see them, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn recent_refusals(
        &self,
        only_unmatched: bool,
        scope: &AgentScope,
        limit: usize,
    ) -> Result<Vec<(Refusal, Option<String>)>, KeyringError> {
        let refusals = if only_unmatched {
            self.demand_sight(None).await?;
            self.store.refusals(None, limit).await?
        } else {
            let scope = scope.within(&self.demand(Permission::See).await?.scope);
            self.store.recent_refusals(&scope, limit).await?
        };
        let mut names: HashMap<KeyId, Option<String>> = HashMap::new();
        let mut told = Vec::with_capacity(refusals.len());
        for refusal in refusals {
            let name = match &refusal.key {
                None => None,
                Some(id) => {
                    if !names.contains_key(id) {
                        names.insert(id.clone(), self.name_of(id).await?);
                    }
                    names.get(id).cloned().flatten()
                }
            };
            told.push((refusal, name));
        }
        Ok(told)
    }

    /// Returns the name of a key, or the name that it had before it was revoked.
    async fn name_of(&self, id: &KeyId) -> Result<Option<String>, KeyringError> {
        if let Some(key) = self.store.key(id).await? {
            return Ok(Some(key.name().to_owned()));
        }
        Ok(self.store.tombstone(id).await?.map(|stone| stone.name))
    }

    /// Returns a request with a key's current token, from an unknown address: for the key's first
    /// grant or, without grants, to read from the first area.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn ordinary_question(&self, id: &KeyId) -> Result<ExplainSubject, KeyringError> {
        let granted = match self.store.key(id).await? {
            Some(key) => key
                .draft
                .conditions
                .grants
                .iter()
                .next()
                .and_then(|(area, actions)| Some((area.clone(), actions.iter().next()?))),
            None => None,
        };
        let areas = self.store.areas().await?;
        let first = areas.first().map(|area| (area.slug.clone(), Action::Read));
        let wanted = match granted.or(first) {
            Some((area, action)) => RequestedAccess::named(area, action),
            None => RequestedAccess {
                requested: RequestedTarget::Unroutable(Detail::NoMatch),
                method: String::new(),
                path: String::new(),
            },
        };
        Ok(ExplainSubject::Request {
            key: id.clone(),
            client: Client::given(None),
            wanted,
        })
    }

    /// Explains a request.
    ///
    /// # Errors
    /// Returns [`StoreError::Gone`] if the request names a key that does not exist,
    /// [`KeyringError::Denied`] if the actor may not test access with it, and
    /// [`KeyringError::Store`] if the database fails.
    pub async fn explain(&self, question: ExplainSubject) -> Result<Explanation, KeyringError> {
        self.demand(Permission::Explain).await?;
        self.demand_sight(question.key()).await?;
        let (areas, routes) = self.areas_and_routes().await?;
        let credential = self.credential_of(&question).await?;
        let client = question.client();
        let mut request = match &question {
            ExplainSubject::Refusal(refusal) => refusal.again(&routes, self.now()),
            ExplainSubject::Request { wanted, .. } => Request {
                target: wanted.target(&routes),
                address: client.address,
                agent: None,
                at: self.now(),
                exhausted: Exhausted::default(),
            },
        };
        let id = credential.key_id().cloned();
        let (key, tombstone) = match &id {
            Some(id) => (self.store.key(id).await?, self.store.tombstone(id).await?),
            None => (None, None),
        };
        let history = self.history(id.as_ref(), &question, &request).await?;
        let refusal = match &question {
            ExplainSubject::Refusal(refusal) => Some(refusal.as_ref()),
            ExplainSubject::Request { .. } => None,
        };
        // An endpoint resets a limit that is changed, so the record no longer applies.
        let changed = history.of(Condition::RateLimit);
        if changed.is_some_and(|changed| refusal.is_some_and(|refusal| refusal.at <= changed.at)) {
            request.exhausted.rate_limit_until = None;
        }
        let (quota_reserved, quota_until) =
            quota_state(&self.store, credential.rules(), request.at).await?;
        request.exhausted.quota_until = quota_until;
        let named = match &question {
            ExplainSubject::Refusal(refusal) => refusal.named.as_ref(),
            ExplainSubject::Request { .. } => None,
        };
        let named_name = match named {
            Some(id) => self.name_of(id).await?.unwrap_or_default(),
            None => String::new(),
        };
        let facts = Facts {
            areas: &areas,
            history: &history,
            tombstone: tombstone.as_ref(),
            named: named.map(|id| (id, named_name.as_str())),
            hop: client.hop,
            unreadable: client.unreadable.as_deref(),
            wanted: question.wanted(),
            path_area: question.wanted().area_of_path(&routes),
            policy: self.policy().await?,
            refusal,
            quota_reserved,
        };
        let (decision, checks) = if question.is_from_untrusted_peer() {
            let denied = Decision::Deny {
                reason: Reason::NoRoute,
                detail: Some(Detail::UntrustedPeer),
                key_id: None,
            };
            (denied, explain::checks_of_untrusted_peer(&request, &facts))
        } else {
            let checks = explain::checks(&credential, &request, &facts);
            (decide(&credential, &request), checks)
        };
        let refusals = self.refusals_beside(&question).await?;
        let buried = |stone: &Tombstone| stone.name.clone();
        let name = key.as_ref().map(|key| key.name().to_owned());
        Ok(Explanation {
            name: name.or_else(|| tombstone.as_ref().map(buried)),
            key,
            decision,
            request,
            checks,
            areas,
            refusals,
            question,
        })
    }

    async fn areas_and_routes(&self) -> Result<(Vec<Area>, Routes), KeyringError> {
        let defined = self.store.defined_areas().await?;
        let areas: Vec<Area> = defined.iter().map(|it| it.area.clone()).collect();
        Ok((areas, store::routes(&defined)))
    }

    /// Returns the recent refusals of a key that remain after a change of its rules. The stored
    /// refusals are decided again, and those that would now pass are dropped. Returns `None` if
    /// that cannot be determined: it must not prevent a key from being disabled.
    pub(super) async fn still_refused(
        &self,
        key: &Key,
        change: impl Fn(&mut Rules),
    ) -> Option<Refused> {
        let refused = key.refused?;
        let Ok(KeyRecord::Key(digest, rules)) = self.store.key_record(&key.id).await else {
            return None;
        };
        let mut changed = Rules::clone(&rules);
        change(&mut changed);
        let key_record = KeyRecord::Key(digest, Arc::new(changed));
        let (_, routes) = self.areas_and_routes().await.ok()?;
        let mut kept = self.refusals(Some(&key.id)).await.ok()?;
        let news = self.now().plus(-REFUSAL_NEWS_MILLIS);
        kept.retain(|refusal| refusal.at > news);
        let denied = |refusal: &&Refusal| {
            let credential = match refusal.token {
                Some(digest) => key_record.clone().with(&key.id, digest),
                None => Credential::Unknown,
            };
            let mut request = refusal.again(&routes, self.now());
            // An endpoint resets a rate limit that is changed. A changed quota is judged by the store.
            if let KeyRecord::Key(_, changed) = &key_record {
                let (was, is) = (&rules.conditions, &changed.conditions);
                if was.rate_limit != is.rate_limit {
                    request.exhausted.rate_limit_until = None;
                }
                if was.quota != is.quota {
                    request.exhausted.quota_until = None;
                }
            }
            !decide(&credential, &request).is_allow()
        };
        let left: Vec<&Refusal> = kept.iter().filter(denied).collect();
        let newest = left.first()?;
        if left.len() == kept.len() {
            // Older refusals, which are not stored any more, were most likely like these.
            return Some(refused);
        }
        let count = i64::try_from(left.len()).map_or(refused.count, |it| it.min(refused.count));
        Some(Refused {
            count,
            at: newest.at,
        })
    }

    /// Returns what the token that was sent is now.
    async fn credential_of(&self, question: &ExplainSubject) -> Result<Credential, KeyringError> {
        match question {
            ExplainSubject::Refusal(refusal) => match (&refusal.key, refusal.token) {
                (Some(id), Some(digest)) => Ok(self.store.key_record(id).await?.with(id, digest)),
                _ => Ok(match refusal.reason {
                    Reason::MissingToken => Credential::Missing(refusal.detail),
                    Reason::UnknownToken => Credential::Unknown,
                    _ => Credential::Malformed(refusal.detail.unwrap_or(Detail::BadShape)),
                }),
            },
            ExplainSubject::Request { key, .. } => match self.store.key_record(key).await? {
                KeyRecord::Key(_, rules) => Ok(Credential::Known(rules)),
                KeyRecord::Revoked(_) => Ok(Credential::Revoked(key.clone())),
                KeyRecord::Absent => Err(StoreError::Gone {
                    id: key.to_string(),
                }
                .into()),
            },
        }
    }

    async fn refusals_beside(
        &self,
        question: &ExplainSubject,
    ) -> Result<Vec<Refusal>, KeyringError> {
        let Some(id) = question.key() else {
            return Ok(self.store.refusals(None, KEPT_REFUSALS).await?);
        };
        let mut refusals = self.refusals(Some(id)).await?;
        refusals.extend(self.store.misnamed(id).await?);
        refusals.sort_by_key(|refusal| std::cmp::Reverse(refusal.at));
        Ok(refusals)
    }

    /// Returns who last changed each rule that this request was checked against.
    async fn history(
        &self,
        id: Option<&KeyId>,
        question: &ExplainSubject,
        request: &Request,
    ) -> Result<History, KeyringError> {
        let mut history = History::default();
        if let Some(id) = id {
            let mut before = i64::MAX;
            loop {
                let events = self.store.events_about(id.as_str(), before, EVENTS).await?;
                let Some(oldest) = events.last() else { break };
                before = oldest.sequence;
                for event in &events {
                    note(&mut history, event);
                }
                // All rules were set for the first time when the key was created.
                if oldest.draft.change == Change::Created {
                    break;
                }
            }
        }
        let area = match (&request.target, &question.wanted().requested) {
            (Target::Routed(area, _), _)
            | (_, RequestedTarget::Routed(AreaSelector::Area(area), _)) => Some(area),
            _ => None,
        };
        if let Some(area) = area {
            let subject = format!("area:{area}");
            let newest = self.store.newest_event_about(&subject).await?;
            history.area = newest.as_ref().map(changed);
        }
        Ok(history)
    }
}

fn changed(event: &Event) -> Changed {
    Changed {
        at: event.draft.at,
        by: event.draft.actor.name.clone(),
    }
}

/// Takes over what an event changed, unless a newer event changed it already.
fn note(history: &mut History, event: &Event) {
    let fill = |place: &mut Option<Changed>| {
        place.get_or_insert_with(|| changed(event));
    };
    match event.draft.change {
        Change::Created | Change::Edited => {
            let details: Option<Value> = serde_json::from_str(&event.draft.details).ok();
            let after = details.and_then(|mut details| details.get_mut("after").map(Value::take));
            for condition in Condition::ALL {
                if after
                    .as_ref()
                    .is_some_and(|after| after.get(condition.field()).is_some())
                {
                    fill(history.of_mut(condition));
                }
            }
        }
        Change::Disabled | Change::Enabled => fill(&mut history.state),
        Change::Rotated | Change::RotationFinished => fill(&mut history.rotation),
        _ => {}
    }
}
