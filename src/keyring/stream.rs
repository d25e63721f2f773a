//! Hands the events of the audit log over to the system's log, each at least once, by number.
//!
//! The store keeps the number of the last event that was handed over. So an event that could not be
//! sent, because the log daemon was away or this process ended, is sent later: with the next change,
//! or by an endpoint within a minute. Two processes may send the same event; its number tells.
use std::{io, sync::Arc, time::Duration};

use super::{Decider, Keyring, KeyringError};
use crate::{
    domain::{audit::Event, location::AuditTarget},
    journal::EventStream,
    machine::Machine,
    store::{Store, StoreError},
};

/// The number of events that are read at a time.
const EVENTS_PER_READ: i64 = 200;
/// How long one call sends at most; the rest is left to the next one.
const SENDING_TIME: Duration = Duration::from_secs(1);

impl Keyring {
    /// Makes [`Self::stream_events`] send events to this place from now on.
    pub fn stream_to(&mut self, target: &AuditTarget) {
        self.stream = EventStream::to(target).map(Arc::new);
    }

    /// Sends the events that were not sent yet, if there is a place for them, for a second at most.
    /// Returns a sentence if some are left because they cannot be sent; they are sent later.
    pub async fn stream_events(&self) -> Option<String> {
        send_new(&self.store, self.stream.as_ref()?, &self.machine).await
    }

    /// Returns where events are sent and how many are not sent yet, or `None` if they are sent
    /// nowhere.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn unsent_events(&self) -> Result<Option<(String, i64)>, KeyringError> {
        let Some(stream) = &self.stream else {
            return Ok(None);
        };
        let (sent, newest) = (first_unsent(&self.store).await?, self.store.epoch().await?);
        Ok(Some((stream.shown(), newest - sent)))
    }

    /// Makes the event with this number, and all after it, be sent again; those that are not sent
    /// yet stay so. Returns the number of the newest event; if it is lower, nothing is sent again.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn send_again(&self, from: i64) -> Result<i64, KeyringError> {
        self.demand_writable()?;
        self.store.rewind_events_sent(from - 1).await?;
        Ok(self.store.epoch().await?)
    }
}

impl Decider {
    /// Makes [`Self::stream_events`] send events to this place from now on.
    pub fn stream_to(&mut self, target: &AuditTarget) {
        self.stream = EventStream::to(target).map(Arc::new);
    }

    /// Does the same as [`Keyring::stream_events`].
    pub async fn stream_events(&self) -> Option<String> {
        send_new(&self.store, self.stream.as_ref()?, self.machine()).await
    }
}

/// Returns the number of the last event that was sent. If the log ends before it, a backup was
/// restored: other events have these numbers now, so that all are sent again.
async fn first_unsent(store: &Store) -> Result<i64, StoreError> {
    let (sent, newest) = (store.events_sent().await?, store.epoch().await?);
    Ok(if sent > newest { 0 } else { sent })
}

async fn send_new(store: &Store, stream: &Arc<EventStream>, machine: &Machine) -> Option<String> {
    if store.is_read_only() {
        return None;
    }
    let why = match send_all(store, stream, machine).await {
        Ok(None) => return None,
        Ok(Some(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Some(format!(
        "events of the audit log are not sent to {} yet ({why}): they are sent with the next change, or by `claviger serve`",
        stream.shown()
    ))
}

/// Sends events until there are none left, one is not taken, or the time is up; returns why one was
/// not taken.
async fn send_all(
    store: &Store,
    stream: &Arc<EventStream>,
    machine: &Machine,
) -> Result<Option<io::Error>, StoreError> {
    let began = machine.uptime();
    loop {
        let sent = first_unsent(store).await?;
        let events = store.events_one_by_one(sent, EVENTS_PER_READ).await?;
        let count = events.len();
        if count == 0 || machine.uptime().saturating_sub(began) > SENDING_TIME {
            return Ok(None);
        }
        // A socket can block, and an endpoint may have one thread.
        let stream = Arc::clone(stream);
        let events = events.into_iter().zip(sent + 1..);
        let events = events.map(|(event, sequence)| event.map_err(|error| (sequence, error)));
        let events = events.collect();
        let clock = machine.clone();
        let is_late = move || clock.uptime().saturating_sub(began) > SENDING_TIME;
        let sending = tokio::task::spawn_blocking(move || send(&stream, events, is_late));
        let (taken, refused) = sending.await.unwrap_or_else(|error| {
            let ended = io::Error::other(error.to_string());
            (0, Some(ended))
        });
        if taken > 0 {
            store.note_events_sent(sent, sent + taken).await?;
        }
        if refused.is_some() {
            return Ok(refused);
        }
    }
}

/// Sends events in their order until it is late; returns how many were taken, and why the next one
/// was not. The numbers of events have no gaps.
fn send(
    stream: &EventStream,
    events: Vec<Result<Event, (i64, StoreError)>>,
    is_late: impl Fn() -> bool,
) -> (i64, Option<io::Error>) {
    let connection = match stream.connect() {
        Ok(connection) => connection,
        Err(error) => return (0, Some(error)),
    };
    let mut taken = 0;
    for event in events {
        let sent = match &event {
            Ok(event) => connection.send(event),
            Err((sequence, error)) => connection.send_unreadable(*sequence, &error.to_string()),
        };
        if let Err(error) = sent {
            return (taken, Some(error));
        }
        taken += 1;
        if is_late() {
            break;
        }
    }
    (taken, None)
}
