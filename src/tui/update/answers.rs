//! Handles the answers to effects (loads, changes, copies) and the passing seconds.
use crate::{
    domain::{
        attention::Attention,
        key::{Key, RotatedTokens},
        text::visible,
        token::{KeyId, TokenPrefix},
        usage::Activity,
    },
    tui::{
        confirmation::Confirmation,
        dialog::Leave,
        keymap::Intent,
        message::{ChangeError, Copied, Effect, Message, RevealedToken, Rotation},
        modal::{InModal as _, Modal},
        model::{DamageSearch, Model, Placement},
        read::{Answer, ListRow},
        texts::KeyDetails,
        token::{CLIPBOARD_SECONDS, NewToken, REVEAL_SECONDS, Revealed, TokenButton},
        update::{arrivals, confirmation, explain, hygiene, mark_stale},
        wizard::Wizard,
    },
};

pub(super) fn answered(model: &mut Model, message: Message) -> Option<Effect> {
    match message {
        // The one place that drops the answer to an older read.
        Message::Answered(ticket, answer) if model.tickets.take_back(ticket) => read(model, answer),
        Message::ListVersionRead(list_version) => {
            if model.list.awaited.is_some() {
                return None;
            }
            if list_version.is_other(&model.list.list_version) {
                return Some(model.refresh());
            }
            // Only uses were recorded: the activity of the key in view is read again.
            model.list.list_version = list_version;
            model.loading_details = None;
            None
        }
        Message::Ticked => tick(model),
        Message::Created(result) => Some(created(model, result)),
        Message::Edited(result) => Some(edited(model, result)),
        Message::Switched(disabled, result) => Some(switched(model, disabled, result)),
        Message::Revoked(result) => Some(revoked(model, result)),
        Message::Rotated(result) => Some(rotated(model, result)),
        Message::MemberSaved(done) => {
            super::members::saved(model, done);
            Some(model.refresh())
        }
        Message::Decided(done) => Some(super::approvals::decided(model, done)),
        Message::Waits(count) => {
            super::approvals::waits(model, count);
            None
        }
        Message::Withdrew(requests) => {
            super::approvals::withdrew(model, &requests);
            None
        }
        Message::Exported(exported) => {
            super::audit::exported(model, exported);
            None
        }
        Message::Warned(sentence) => {
            model.report_error(sentence);
            None
        }
        Message::Expelled(sentence) => {
            model.exit_reason = Some(sentence);
            Some(Effect::Quit)
        }
        Message::HygieneOutcome(tidied) => {
            drop_confirmation(model);
            model.remove(&tidied.revoked);
            Some(hygiene::tidied(model, &tidied))
        }
        Message::Copied(copied) => {
            note_copy(model, copied);
            None
        }
        Message::Revealed(Ok(shown)) => {
            reveal(model, shown, None);
            None
        }
        Message::Revealed(Err(trouble)) => {
            model.report_error(sentence(model, trouble));
            None
        }
        Message::Overwritten(Ok(())) => {
            model.copied = None;
            model.clipboard = None;
            model.notify("The clipboard was overwritten.");
            None
        }
        Message::Overwritten(Err(why)) => {
            model.report_error(format!("The clipboard could not be overwritten: {why}."));
            None
        }
        Message::Cleared(cleared) => {
            model.notify(if cleared {
                "The clipboard was cleared."
            } else {
                "The clipboard holds something else by now and was left alone."
            });
            None
        }
        Message::Saved(result) => {
            if let Some(revealed) = model.top_mut::<Revealed>() {
                revealed.note = Some(match result {
                    Ok(path) => format!("Saved in {path}, readable by you alone."),
                    Err(why) => format!("Not saved: {why}."),
                });
            }
            None
        }
        Message::Answered(..)
        | Message::Pressed(_)
        | Message::Pasted(_)
        | Message::Typed(_)
        | Message::Strayed
        | Message::Resized(..) => None,
    }
}

/// Takes in what was read.
fn read(model: &mut Model, answer: Answer) -> Option<Effect> {
    match answer {
        Answer::List(Ok(loaded)) => {
            let placement = model.list.awaited.take()?;
            return arrivals::take_in(model, *loaded, placement);
        }
        Answer::List(Err(sentence)) => {
            model.list.awaited = None;
            model.report_error(sentence);
        }
        Answer::KeyDetails(id, known) => return key_details(model, id, known),
        Answer::Hygiene(found) => hygiene::inspected(model, found),
        Answer::Approvals(found) => super::approvals::read(model, found),
        Answer::Usage(found) => super::usage::read(model, found),
        Answer::Explain(explained) => explain::explained(model, explained),
        Answer::Events(events) => super::audit::read(model, events),
        Answer::Members(members) => super::members::read(model, members),
        Answer::Damage(Ok(found)) => return (found > 0).then(|| model.refresh()),
        Answer::Damage(Err(sentence)) => {
            model.list.damage = DamageSearch::Failed;
            model.report_error(sentence);
        }
        Answer::Namesakes(name, namesakes) => {
            if let Some(wizard) = model.find_mut::<Wizard>() {
                wizard.compared(name, namesakes);
            }
        }
    }
    None
}

/// Takes in a key's current state and activity. An open confirmation about the key gets the state
/// as well, because the last use decides what must be typed.
fn key_details(
    model: &mut Model,
    id: KeyId,
    result: Result<Box<(Key, Activity)>, String>,
) -> Option<Effect> {
    let now = model.now;
    let mut asked = model
        .modals
        .iter_mut()
        .rev()
        .filter_map(Confirmation::of_mut);
    let asked = asked.find(|asked| asked.is_about(&id));
    match result {
        Ok(known) => {
            let (key, activity) = *known;
            let go_on = asked.is_some_and(|asked| asked.learn(&key, now));
            let row = model.list.rows.iter_mut().find(|row| *row.id() == id);
            let listed = row.and_then(ListRow::key_mut);
            if let Some(listed) = listed.filter(|listed| listed.revision == key.revision) {
                *listed = key;
            }
            model.key_details = Some((id, activity));
            go_on.then(|| confirmation::on_confirmation(model, Intent::Accept))?
        }
        // Without a confirmation, the list reports problems with the store.
        Err(sentence) => {
            if let Some(asked) = asked {
                asked.pressed = false;
                asked.problem = Some(sentence);
            }
            None
        }
    }
}

fn tick(model: &mut Model) -> Option<Effect> {
    let before = model.modals.len();
    let stays = |modal: &mut Modal| modal.dialog_mut().tick() == Leave::Stay;
    model.modals.retain_mut(stays);
    if model.modals.len() < before {
        model.notify("The token is hidden again.");
    }
    let left = model.clipboard.as_mut()?;
    *left = left.saturating_sub(1);
    if *left > 0 {
        return None;
    }
    model.clipboard = None;
    Some(Effect::Clear)
}

fn created(model: &mut Model, result: Result<Box<(Key, TokenPrefix)>, ChangeError>) -> Effect {
    let (key, prefix) = match result {
        Ok(made) => *made,
        Err(trouble) => return not_saved(model, sentence(model, trouble)),
    };
    model.close_if::<Wizard>(|_| true);
    let name = key.name().to_owned();
    let waits = key.pending_at.map(|_| {
        "It waits for approval: it is refused until another manager or owner approves it."
            .to_owned()
    });
    model.open(NewToken {
        prefix,
        id: key.id.clone(),
        name,
        title: "API key created successfully.",
        old: waits,
        focus: TokenButton::Copy,
    });
    model.notify("API key created successfully.");
    model.list.selected = Some(key.id.clone());
    model.refresh_to(&key)
}

fn edited(model: &mut Model, result: Result<Box<Key>, ChangeError>) -> Effect {
    match result {
        Ok(key) => {
            model.close_if::<Wizard>(|_| true);
            model.list.selected = Some(key.id.clone());
            model.renew(*key);
            mark_stale(model);
            model.notify("API key updated successfully.");
            model.refresh()
        }
        Err(ChangeError::Conflict(theirs, by)) => {
            let (now, areas) = (model.now, model.areas.clone());
            if let Some(wizard) = model.find_mut::<Wizard>() {
                wizard.saving = false;
                wizard.rebase(&theirs, &by, &areas);
                wizard.revalidate(now);
            }
            model.refresh()
        }
        Err(ChangeError::Gone(by)) => {
            let by = visible(&by);
            not_saved(
                model,
                format!(
                    "{by} revoked this key meanwhile: it cannot be saved any more. What you typed stays here until you close it with Esc"
                ),
            )
        }
        Err(ChangeError::Other(sentence)) => not_saved(model, sentence),
    }
}

fn rotated(model: &mut Model, result: Result<Box<(Key, Rotation)>, ChangeError>) -> Effect {
    drop_confirmation(model);
    let (key, rotation) = match result {
        Ok(done) => *done,
        Err(trouble) => {
            model.report_error(sentence(model, trouble));
            return model.refresh();
        }
    };
    let Rotation::Renewed(until, prefix) = rotation else {
        model.notify("The old token is refused from the next request on.");
        model.renew(key);
        return model.refresh();
    };
    model.open(NewToken {
        prefix,
        id: key.id.clone(),
        name: key.name().to_owned(),
        title: "API key rotated.",
        old: Some(match key.rotated_tokens(until, model.now) {
            RotatedTokens::OldGoodUntil(until) => format!(
                "The old token stays good until {} UTC; R ends it before.",
                until.date_and_clock()
            ),
            RotatedTokens::OldEnded => {
                "The old token is refused from the next request on.".to_owned()
            }
            RotatedTokens::Disabled => {
                "The key is disabled: both tokens are refused until it is enabled.".to_owned()
            }
            RotatedTokens::NotYet(start) => format!(
                "The key begins {}: its tokens are refused until then.",
                start.as_start()
            ),
            RotatedTokens::Expired { disabled } => format!(
                "The key has ended: the old token has ended with it, and the new one is refused until the key gets a new end{}.",
                if disabled { " and is enabled" } else { "" }
            ),
        }),
        focus: TokenButton::Copy,
    });
    model.renew(key);
    model.refresh()
}

fn not_saved(model: &mut Model, sentence: String) -> Effect {
    if let Some(wizard) = model.find_mut::<Wizard>() {
        wizard.saving = false;
        wizard.trouble = Some(sentence);
    }
    model.refresh()
}

fn switched(model: &mut Model, disabled: bool, result: Result<Vec<Key>, ChangeError>) -> Effect {
    drop_confirmation(model);
    match result {
        Ok(keys) => {
            let word = if disabled { "disabled" } else { "enabled" };
            let named: Vec<_> = keys.iter().map(|key| (&key.id, key.name())).collect();
            model.notify(format!("{} {word}.", api_keys(model, &named)));
            mark_stale(model);
            for key in keys {
                // The keys were marked for this action, and it is done.
                model.list.marks.remove(&key.id);
                model.renew(key);
            }
        }
        Err(trouble) => model.report_error(sentence(model, trouble)),
    }
    model.refresh()
}

fn revoked(model: &mut Model, result: Result<Vec<KeyId>, ChangeError>) -> Effect {
    drop_confirmation(model);
    match result {
        Ok(ids) => {
            model.close_if::<KeyDetails>(|_| true);
            let name = |id| model.known_key(id).map_or("", Key::name);
            let named: Vec<_> = ids.iter().map(|id| (id, name(id))).collect();
            model.notify(format!("{} revoked.", api_keys(model, &named)));
            model.remove(&ids);
        }
        Err(trouble) => model.report_error(sentence(model, trouble)),
    }
    model.refresh()
}

/// Returns "API key", "3 API keys", or the key's label if its name alone is ambiguous.
fn api_keys(model: &Model, keys: &[(&KeyId, &str)]) -> String {
    match keys {
        // The name of a damaged key is unknown.
        [(id, "")] => format!("API key {id}"),
        [(id, name)] if !model.tag(id).is_empty() => format!("API key {}", model.label(id, name)),
        [_] => "API key".to_owned(),
        several => format!("{} API keys", several.len()),
    }
}

fn drop_confirmation(model: &mut Model) {
    model.close_if::<Confirmation>(|confirmation| confirmation.working);
}

fn note_copy(model: &mut Model, copied: Copied) {
    match copied {
        Copied::Native(id, name) => {
            model.copied = Some((id, name));
            model.clipboard = Some(CLIPBOARD_SECONDS);
            model.notify("copied");
        }
        Copied::Sent(id, name, doubt) => {
            model.clipboard = None;
            let told = model.label(&id, &name);
            model.copied = Some((id, name));
            match doubt {
                None => model.notify(format!(
                    "sent to your terminal · v shows it · z overwrites the clipboard · {told}"
                )),
                Some(doubt) => {
                    model.report_error(format!("{told}: sent to your terminal, but it may not arrive: {doubt}. v shows the token."));
                }
            }
        }
        Copied::Nowhere(shown, why) => {
            reveal(model, shown, Some(format!("No clipboard: {why}.")));
        }
        Copied::Failed(trouble) => model.report_error(sentence(model, trouble)),
    }
}

fn reveal(model: &mut Model, shown: RevealedToken, note: Option<String>) {
    model.close_if::<Revealed>(|_| true);
    model.open(Revealed {
        shown,
        left: REVEAL_SECONDS,
        note,
    });
}

fn sentence(model: &Model, trouble: ChangeError) -> String {
    match trouble {
        ChangeError::Other(sentence) => sentence,
        ChangeError::Conflict(key, by) => format!(
            "{} was changed meanwhile by {}: nothing was done. Look at it and try again.",
            model.label(&key.id, key.name()),
            visible(&by)
        ),
        ChangeError::Gone(by) => format!("The key was revoked meanwhile by {}.", visible(&by)),
    }
}

impl Model {
    /// Returns the effect that reads the list again, so that a new key is in it and selected.
    fn refresh_to(&mut self, key: &Key) -> Effect {
        use crate::domain::listing::{Direction, Filter, Sort};
        if !self.list.filter.matches(key, self.now) {
            // Otherwise the next key press would act on another key than the new one.
            self.list.filter = Filter::default();
            self.list.typing = None;
        }
        if self.list.sort == Sort::NEWEST {
            self.list.at_start = true;
            self.list.top = 0;
            return self.load(Direction::First, Placement::Refresh);
        }
        self.follow(key)
    }

    /// Takes over a key as the user's own change left it, before the list is read again, so that
    /// the next question about it is about its current state.
    fn renew(&mut self, key: Key) {
        if let Some(mark) = self.list.marks.get_mut(&key.id) {
            mark.clone_from(&key);
        }
        let row = self.list.rows.iter_mut().find(|row| *row.id() == key.id);
        if let Some(listed) = row.and_then(ListRow::key_mut) {
            *listed = key;
        }
    }

    /// Removes keys that the user revoked from the list; the cursor goes to a neighbour.
    pub(super) fn remove(&mut self, ids: &[KeyId]) {
        let at = self.selected_index().unwrap_or(0);
        let above = self.list.rows[..at]
            .iter()
            .filter(|row| ids.contains(row.id()))
            .count();
        self.list.rows.retain(|row| !ids.contains(row.id()));
        self.list.marks.retain(|id, _| !ids.contains(id));
        if self.selected_index().is_none() {
            let neighbour = (at - above).min(self.list.rows.len().saturating_sub(1));
            self.list.selected = self.list.rows.get(neighbour).map(|row| row.id().clone());
        }
    }

    /// Returns why a key needs attention now, if it does.
    #[must_use]
    pub fn attention(&self, key: &Key) -> Option<Attention> {
        Attention::of(key, self.now)
    }
}
