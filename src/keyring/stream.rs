//! Hands the events of the audit log over to the system's log, each at least once, by number.
//!
//! The store keeps the number of the last event that was handed over. So an event that could not be
//! sent, because the log daemon was away or this process ended, is sent later: with the next change,
//! or by an endpoint within a minute. Two processes may send the same event; its number tells.
use super::{Decider, Keyring, KeyringError};
use crate::{
    domain::location::AuditTarget,
    journal::EventStream,
    store::{Store, StoreError},
};

/// The number of events that are read at a time.
const EVENTS_PER_READ: i64 = 200;

impl Keyring {
    /// Makes [`Self::stream_events`] send events to this place from now on.
    pub fn stream_to(&mut self, target: &AuditTarget) {
        self.stream = EventStream::to(target);
    }

    /// Sends all events that were not sent yet, if there is a place for them. Returns a sentence
    /// that says what is not sent, if something is not; it will be sent the next time.
    pub async fn stream_events(&self) -> Option<String> {
        let stream = self.stream.as_ref()?;
        if !self.is_writable() {
            return None;
        }
        send_new(&self.store, stream).await
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
        let (sent, newest) = (self.store.events_sent().await?, self.store.epoch().await?);
        Ok(Some((stream.shown(), (newest - sent).max(0))))
    }

    /// Makes the event with this number, and all after it, be sent again.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn send_again(&self, from: i64) -> Result<(), KeyringError> {
        self.demand_writable()?;
        let sent = self.store.events_sent().await?;
        self.store.note_events_sent(sent, from - 1).await?;
        Ok(())
    }
}

impl Decider {
    /// Makes [`Self::stream_events`] send events to this place from now on.
    pub fn stream_to(&mut self, target: &AuditTarget) {
        self.stream = EventStream::to(target);
    }

    /// Does the same as [`Keyring::stream_events`].
    pub async fn stream_events(&self) -> Option<String> {
        send_new(&self.store, self.stream.as_ref()?).await
    }
}

async fn send_new(store: &Store, stream: &EventStream) -> Option<String> {
    let failed = |why: &str| {
        format!(
            "events of the audit log are not sent to {} yet ({why}): they are sent with the next change, or by `claviger serve`",
            stream.shown()
        )
    };
    let refused = match send_all(store, stream).await {
        Ok(None) => return None,
        Ok(Some(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Some(failed(&refused))
}

/// Sends events until there are none left or one is not taken; returns why it was not.
async fn send_all(
    store: &Store,
    stream: &EventStream,
) -> Result<Option<std::io::Error>, StoreError> {
    // After a restored backup the log may end before the last number that was sent.
    let mut sent = store.events_sent().await?.min(store.epoch().await?);
    let mut connection = None;
    loop {
        let events = store.events_one_by_one(sent, EVENTS_PER_READ).await?;
        if events.is_empty() {
            return Ok(None);
        }
        let before = sent;
        let mut refused = None;
        for event in events {
            let connected = match connection.take() {
                Some(connected) => Ok(connected),
                None => stream.connect(),
            };
            let taken = connected.and_then(|connected| {
                match &event {
                    Ok(event) => connected.send(event)?,
                    Err(error) => connected.send_unreadable(sent + 1, &error.to_string())?,
                }
                Ok(connected)
            });
            match taken {
                Ok(connected) => connection = Some(connected),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
            sent = event.map_or(sent + 1, |event| event.sequence);
        }
        if sent > before {
            store.note_events_sent(before, sent).await?;
        }
        if refused.is_some() {
            return Ok(refused);
        }
    }
}
