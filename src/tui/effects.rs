//! Carries out effects on the keyring, the clipboard and the disk, and answers with messages.
//!
//! The shell runs these functions as tasks; tests call them directly, on the same real keyring.
//! Nothing here depends on the model or the screen.
mod approvals;
mod audit;
mod members;
mod usage;

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::{
    confirmation::Overlap,
    message::{
        ChangeError, Copied, CopyForm, Effect, HygieneOutcome, Message, RevealedToken, Rotation,
    },
    read::{Answer, ExplainQuery, HygieneFindings, ListRow, Load, Loaded, Read},
};
use crate::{
    clipboard::{Clipboard, Delivery},
    domain::{
        agent::AgentScope,
        audit::Change,
        explain::Explanation,
        hygiene::HygieneChange,
        key::{Draft, Key, KeyVersion, RevokeReason},
        member::Denied,
        moment::HOUR,
        text::visible,
        token::KeyId,
        usage::Activity,
    },
    keyring::{KeyPage, Keyring, KeyringError, Recorded, StoreError},
};

/// Carries out an effect that needs the keyring or the clipboard. Returns its answer, and after
/// that a warning where a checkpoint of the audit log could not be kept; nothing for an effect that
/// the shell carries out itself (the screen, the end).
pub async fn carry_out(
    effect: Effect,
    keyring: &Keyring,
    clipboard: &Mutex<Clipboard>,
    terminal: &mut (impl Write + Send),
) -> Vec<Message> {
    let mut warning = Warning::default();
    let answer = answer(effect, keyring, (clipboard, terminal), &mut warning).await;
    if warning.recorded
        && let Some(unsent) = keyring.stream_events().await
    {
        warning.sentence.get_or_insert(unsent);
    }
    answer
        .into_iter()
        .chain((warning.waiting > 0).then_some(Message::Waits(warning.waiting)))
        .chain((!warning.withdrawn.is_empty()).then(|| Message::Withdrew(warning.withdrawn)))
        .chain(warning.sentence.map(Message::Warned))
        .collect()
}

/// The messages that follow the answer.
#[derive(Default)]
struct Warning {
    /// Why a checkpoint could not be kept, if one could not.
    sentence: Option<String>,
    /// The number of changes that wait for approval instead of being made.
    waiting: usize,
    /// The requests for approval that were withdrawn, in words.
    withdrawn: Vec<String>,
    /// Whether any event was recorded.
    recorded: bool,
}

impl Warning {
    /// Takes what was recorded.
    fn take(&mut self, recorded: Recorded) {
        self.recorded |= recorded.events > 0;
        self.waiting += recorded.waiting;
        self.withdrawn.extend(recorded.withdrawn);
        if recorded.checkpoint_error.is_some() {
            self.sentence = recorded.checkpoint_error;
        }
    }
}

async fn answer(
    effect: Effect,
    keyring: &Keyring,
    (clipboard, terminal): (&Mutex<Clipboard>, &mut (impl Write + Send)),
    warning: &mut Warning,
) -> Option<Message> {
    Some(match effect {
        Effect::Create(agent, draft) => {
            Message::Created(match keyring.create(agent.as_ref(), draft).await {
                // Read the key back, because the store adds its position in the order.
                Ok(created) => {
                    warning.take(created.recorded);
                    let key = keyring.key(&created.key.id).await;
                    let prefix = created.token.prefix().clone();
                    Ok(Box::new((key.unwrap_or(created.key), prefix)))
                }
                Err(error) => Err(ChangeError::Other(error.to_string())),
            })
        }
        Effect::Edit(seen, draft) => {
            let edited = edit(&seen, &draft, keyring, warning).await;
            Message::Edited(or_change_error(edited.map(Box::new), keyring).await)
        }
        Effect::Switch(seen, disable) => {
            let switched = switch(&seen, disable, keyring, warning).await;
            Message::Switched(disable, or_change_error(switched, keyring).await)
        }
        Effect::RevokeDamaged(id, reason) => {
            let revoked = keyring.revoke_damaged(&id, reason).await;
            revoked_message(vec![id], revoked, keyring, warning).await
        }
        Effect::Revoke(seen, reason) => {
            let revoked = keyring.revoke(&seen, reason).await;
            let ids = seen.into_iter().map(|seen| seen.id).collect();
            revoked_message(ids, revoked, keyring, warning).await
        }
        Effect::Rotate(seen, overlap) => {
            let rotated = rotate(&seen, overlap, keyring, warning).await;
            Message::Rotated(or_change_error(rotated.map(Box::new), keyring).await)
        }
        Effect::Decide(request, approve) => {
            Message::Decided(approvals::decide(&request, approve, keyring, warning).await)
        }
        Effect::ApplyHygiene(changes) => tidy(changes, keyring, warning).await,
        Effect::Copy(id, form) => {
            Message::Copied(copy((&id, form), keyring, (clipboard, terminal), warning).await)
        }
        Effect::Reveal(id) => {
            let shown = open(&id, Change::Revealed, keyring, warning).await;
            Message::Revealed(or_change_error(shown, keyring).await)
        }
        Effect::AddMember(draft) => members::add(&draft, keyring, warning).await,
        Effect::EditMember(seen, draft) => members::edit(&seen, &draft, keyring, warning).await,
        Effect::RemoveMember(seen) => members::remove(&seen, keyring, warning).await,
        Effect::Overwrite => {
            let overwritten = clipboard.lock().await.overwrite(terminal).await;
            Message::Overwritten(
                overwritten
                    .map(|_| ())
                    .map_err(|unavailable| unavailable.reason),
            )
        }
        Effect::Clear => Message::Cleared(clipboard.lock().await.clear_if_ours().await),
        Effect::Export(filter, form) => {
            Message::Exported(audit::export(&filter, form, keyring).await)
        }
        Effect::Read(ticket, read) => Message::Answered(ticket, look(read, keyring).await),
        // The shell's own.
        Effect::Save(_) | Effect::Redraw | Effect::Suspend | Effect::Quit => return None,
    })
}

/// Carries out a read.
async fn look(read: Read, keyring: &Keyring) -> Answer {
    let sentence = |error: KeyringError| error.to_string();
    match read {
        Read::List(load) => Answer::List(boxed(page(load, keyring).await)),
        Read::KeyDetails(id) => {
            let known = key_details(&id, keyring).await;
            Answer::KeyDetails(id, boxed(known))
        }
        Read::Damage => Answer::Damage(keyring.look_for_damage().await.map_err(sentence)),
        // A warning that cannot be given keeps nobody from going on.
        Read::Namesakes(name, except) => {
            let found = keyring.namesakes(&name, except.as_ref()).await;
            Answer::Namesakes(name, found.unwrap_or_default())
        }
        Read::Hygiene(scope) => Answer::Hygiene(boxed(inspect(&scope, keyring).await)),
        Read::Approvals(scope) => {
            Answer::Approvals(keyring.pending_changes(&scope).await.map_err(sentence))
        }
        Read::Usage(query) => Answer::Usage(usage::read(&query, keyring).await.map_err(sentence)),
        Read::Explain(query) => Answer::Explain(boxed(explain(query, keyring).await)),
        Read::Events(filter, cursor) => {
            let read = keyring.events(&filter, cursor, super::audit::PAGE).await;
            Answer::Events(read.map_err(sentence))
        }
        Read::Members => Answer::Members(keyring.members().await.map_err(sentence)),
    }
}

/// What was read, or the sentence that says why it was not.
fn boxed<T>(read: Result<T, KeyringError>) -> Result<Box<T>, String> {
    read.map(Box::new).map_err(|error| error.to_string())
}

async fn edit(
    seen: &KeyVersion,
    draft: &Draft,
    keyring: &Keyring,
    warning: &mut Warning,
) -> Result<Key, KeyringError> {
    warning.take(keyring.edit(seen, draft).await?);
    keyring.key(&seen.id).await
}

async fn revoked_message(
    ids: Vec<KeyId>,
    revoked: Result<Recorded, KeyringError>,
    keyring: &Keyring,
    warning: &mut Warning,
) -> Message {
    let revoked = revoked.map(|recorded| {
        warning.take(recorded);
        ids
    });
    Message::Revoked(or_change_error(revoked, keyring).await)
}

async fn page(load: Load, keyring: &Keyring) -> Result<Loaded, KeyringError> {
    // Read the list version first, so that a change made while the rows are read is noticed by the
    // next poll.
    let list_version = keyring.list_version().await?;
    let role = keyring.authority().await?.role;
    let agents = keyring.agents().await?;
    let areas = keyring.areas().await?;
    let policy = keyring.policy().await?;
    let page = keyring.page(&load.request).await?;
    let count = keyring.count_beside(&load.request, &page).await?;
    let mut watched = Vec::with_capacity(load.watch.len());
    for id in load.watch {
        let key = match page.rows.iter().find(|row| row.key.id == id) {
            Some(row) => Some(row.key.clone()),
            None => match keyring.key(&id).await {
                // The key exists but cannot be read.
                Err(KeyringError::Store(StoreError::Corrupt { .. })) => continue,
                // The key is gone or no longer in the user's scope; both are treated alike.
                Err(
                    KeyringError::Store(StoreError::Gone { .. })
                    | KeyringError::Denied(Denied::Agent(_)),
                ) => None,
                other => Some(other?),
            },
        };
        watched.push((id, key));
    }
    let unreadable = page.unreadable.len() - page.damaged.len();
    Ok(Loaded {
        more: page.more,
        rows: merged(page),
        unreadable,
        count,
        role,
        agents,
        areas,
        policy,
        list_version,
        watched,
    })
}

/// Returns the rows of a page with the damaged keys in their places.
fn merged(page: KeyPage) -> Vec<ListRow> {
    let mut rows: Vec<ListRow> = page
        .rows
        .into_iter()
        .map(|row| ListRow::Key(Box::new(row)))
        .collect();
    // Insert from the end, so that the earlier indexes stay valid.
    for (at, damaged, cursor) in page.damaged.into_iter().rev() {
        rows.insert(at, ListRow::Damaged(damaged, cursor));
    }
    rows
}

async fn key_details(id: &KeyId, keyring: &Keyring) -> Result<(Key, Activity), KeyringError> {
    Ok((keyring.key(id).await?, keyring.activity(id).await?))
}

async fn switch(
    seen: &[KeyVersion],
    disable: bool,
    keyring: &Keyring,
    warning: &mut Warning,
) -> Result<Vec<Key>, KeyringError> {
    warning.take(keyring.switch(seen, disable).await?);
    let mut keys = Vec::with_capacity(seen.len());
    for KeyVersion { id, .. } in seen {
        keys.push(keyring.key(id).await?);
    }
    Ok(keys)
}

async fn rotate(
    seen: &KeyVersion,
    overlap: Overlap,
    keyring: &Keyring,
    warning: &mut Warning,
) -> Result<(Key, Rotation), KeyringError> {
    let hours = match overlap {
        Overlap::Finish => {
            warning.take(keyring.finish_rotation(seen).await?);
            return Ok((keyring.key(&seen.id).await?, Rotation::Finished));
        }
        Overlap::None => 0,
        Overlap::Hours(hours) => hours,
    };
    // The new token is opened only when the user asks for it, as for a new key.
    let rotated = keyring.rotate(seen, hours * HOUR).await?;
    warning.take(rotated.recorded);
    let prefix = rotated.token.prefix().clone();
    Ok((rotated.key, Rotation::Renewed(rotated.until, prefix)))
}

/// The number of findings after which no further keys are inspected.
const MOST_FINDINGS: usize = 2000;

async fn inspect(scope: &AgentScope, keyring: &Keyring) -> Result<HygieneFindings, KeyringError> {
    let mut findings = HygieneFindings {
        since: keyring.counted_since().await?,
        rows: Vec::new(),
        more: false,
    };
    let mut after = None;
    loop {
        let inspected = keyring.inspect(scope, after).await?;
        findings.rows.extend(inspected.rows);
        after = inspected.next;
        if after.is_none() || findings.rows.len() >= MOST_FINDINGS {
            findings.more = after.is_some();
            return Ok(findings);
        }
    }
}

/// Makes the changes one by one, each as an ordinary change: a failed change does not prevent the
/// others.
async fn tidy(
    changes: Vec<(KeyVersion, HygieneChange)>,
    keyring: &Keyring,
    warning: &mut Warning,
) -> Message {
    let mut tidied = HygieneOutcome::default();
    for (seen, hygiene_change) in changes {
        let made = match &hygiene_change {
            HygieneChange::Revoke => {
                let seen = std::slice::from_ref(&seen);
                keyring.revoke(seen, RevokeReason::Unused).await
            }
            HygieneChange::Edit(draft) => keyring.edit(&seen, draft).await,
        };
        let made = made.map(|recorded| warning.take(recorded));
        match (made, hygiene_change) {
            (Ok(()), HygieneChange::Revoke) => tidied.revoked.push(seen.id),
            (Ok(()), HygieneChange::Edit(_)) => tidied.edited += 1,
            (Err(error), _) => tidied
                .failed
                .push(match change_error(error, keyring).await {
                    ChangeError::Conflict(key, by) => {
                        format!(
                            "{} was changed meanwhile by {}",
                            visible(key.name()),
                            visible(&by)
                        )
                    }
                    ChangeError::Gone(by) => {
                        format!("a key was revoked meanwhile by {}", visible(&by))
                    }
                    ChangeError::Other(sentence) => sentence,
                }),
        }
    }
    Message::HygieneOutcome(tidied)
}

async fn explain(query: ExplainQuery, keyring: &Keyring) -> Result<Explanation, KeyringError> {
    let question = match query {
        ExplainQuery::Newest(id) => keyring.newest_question(&id).await?,
        ExplainQuery::Ordinary(id) => keyring.ordinary_question(&id).await?,
        ExplainQuery::Of(question) => question,
        ExplainQuery::Unmatched => keyring.newest_unmatched().await?,
        ExplainQuery::Decision(id) => keyring.question_about(id.as_str()).await?,
    };
    keyring.explain(question).await
}

async fn or_change_error<T>(
    done: Result<T, KeyringError>,
    keyring: &Keyring,
) -> Result<T, ChangeError> {
    match done {
        Ok(value) => Ok(value),
        Err(error) => Err(change_error(error, keyring).await),
    }
}

/// Returns why a change was not made; for a conflict or a missing key, including who made the
/// earlier change.
async fn change_error(error: KeyringError, keyring: &Keyring) -> ChangeError {
    let KeyringError::Store(StoreError::Conflict { id } | StoreError::Gone { id }) = &error else {
        return ChangeError::Other(error.to_string());
    };
    let Ok(id) = id.parse::<KeyId>() else {
        return ChangeError::Other(error.to_string());
    };
    let by = match keyring.last_change(&id).await {
        Ok(Some(event)) => event.draft.actor.name,
        _ => "someone else".to_owned(),
    };
    match keyring.key(&id).await {
        Ok(key) => ChangeError::Conflict(Box::new(key), by),
        Err(KeyringError::Store(StoreError::Gone { .. })) => ChangeError::Gone(by),
        Err(_) => ChangeError::Other(error.to_string()),
    }
}

async fn open(
    id: &KeyId,
    purpose: Change,
    keyring: &Keyring,
    warning: &mut Warning,
) -> Result<RevealedToken, KeyringError> {
    let name = keyring.key(id).await?.name().to_owned();
    let opened = keyring.token(id, purpose).await?;
    warning.take(opened.recorded);
    Ok(RevealedToken {
        id: id.clone(),
        name,
        text: opened.token.expose().clone(),
    })
}

async fn copy(
    (id, form): (&KeyId, CopyForm),
    keyring: &Keyring,
    (clipboard, terminal): (&Mutex<Clipboard>, &mut (impl Write + Send)),
    warning: &mut Warning,
) -> Copied {
    let shown = match open(id, Change::Copied, keyring, warning).await {
        Ok(shown) => shown,
        Err(error) => return Copied::Failed(change_error(error, keyring).await),
    };
    let text = Zeroizing::new(form.filled(shown.text.expose_secret()));
    let text = SecretString::from(text.as_str());
    match clipboard.lock().await.copy(&text, terminal).await {
        Ok(Delivery::Copied) => Copied::Native(shown.id, shown.name),
        Ok(Delivery::Sent) => Copied::Sent(shown.id, shown.name, None),
        Ok(Delivery::Doubtful(doubt)) => {
            Copied::Sent(shown.id, shown.name, Some(doubt.to_string()))
        }
        Err(unavailable) => Copied::Nowhere(shown, unavailable.reason),
    }
}

/// Saves a shown token to a new file in the home directory, with mode 0600. Returns the path.
///
/// # Errors
/// Returns a sentence if `HOME` is not set, if the file exists (it is never overwritten), or if it
/// cannot be written.
pub fn save(shown: &RevealedToken) -> Result<String, String> {
    let home = crate::config::process_variable("HOME").ok_or("HOME is not set")?;
    let path = PathBuf::from(home).join(format!("claviger-{}.token", shown.id));
    let told = visible(&path.to_string_lossy());
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| {
            file.write_all(shown.text.expose_secret().as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        });
    match written {
        Ok(()) => Ok(told),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(format!("{told} is there already"))
        }
        Err(error) => Err(format!("{told}: {error}")),
    }
}
