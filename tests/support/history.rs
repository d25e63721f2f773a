//! A checker of histories: clients that send requests without a pause while keys are changed, and
//! one rule. A change that was acknowledged before a request began holds for its answer.
//!
//! A change is announced before it begins (from then on both answers are right), and its outcome
//! after it was acknowledged (from then on only one is). A client reads the announcement before it
//! sends a request and again after the answer: if nothing was announced in between, the answer must
//! match. A 503 (nothing can be decided, as may happen on a busy machine) is neither right nor
//! wrong. The changes are made by this process, the answers come from other processes.
use std::{
    net::SocketAddr,
    sync::{
        Mutex, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use claviger::{
    domain::{
        key::{Draft, Key, KeyVersion, RevokeReason},
        moment::HOUR,
    },
    keyring::{Keyring, KeyringError, StoreError},
};
use secrecy::ExposeSecret as _;

use crate::http::{Client, request};

/// The number of clients that send requests at the same time.
const CLIENTS: usize = 32;
/// The number of answers each client reads before the next change begins.
const ANSWERS: u64 = 3;
/// The address that every client reports as its own.
const FROM: &str = "10.0.0.9";

/// The announced state: the answer may be either, must be an allow, or must be a refusal.
const EITHER: u64 = 0;
const ALLOWED: u64 = 1;
const REFUSED: u64 = 2;

/// The state of a round, shared by all threads.
struct Stage {
    /// The announcement: its number, and the announced state in the lowest two bits.
    announced: AtomicU64,
    request: RwLock<Vec<u8>>,
    /// The number of answers each client has read since the last announcement.
    heard: Vec<AtomicU64>,
    over: AtomicBool,
    violations: Mutex<Vec<String>>,
    checked: AtomicU64,
}

impl Stage {
    fn announce(&self, what: u64) {
        let number = self.announced.load(Ordering::SeqCst) >> 2;
        self.announced
            .store((number + 1) << 2 | what, Ordering::SeqCst);
        for heard in &self.heard {
            heard.store(0, Ordering::SeqCst);
        }
    }

    /// Waits until every client has read `ANSWERS` answers in the announced state.
    fn let_them_ask(&self) {
        while self
            .heard
            .iter()
            .any(|heard| heard.load(Ordering::SeqCst) < ANSWERS)
            && self.violations.lock().expect("a list").is_empty()
        {
            std::thread::yield_now();
        }
    }

    fn client(&self, number: usize, address: SocketAddr) {
        let mut client = Client::connect(address).expect("connected");
        while !self.over.load(Ordering::SeqCst) {
            let asked = self.request.read().expect("a request").clone();
            let before = self.announced.load(Ordering::SeqCst);
            let answer = match client.ask(&asked) {
                Ok(answer) => answer,
                Err(error) => {
                    // A missing answer is a violation too, since a client may not wait in vain.
                    let violation = format!("{address} gave no answer: {error}");
                    self.violations.lock().expect("a list").push(violation);
                    return;
                }
            };
            if self.announced.load(Ordering::SeqCst) != before {
                continue;
            }
            let right = matches!(
                (before & 3, answer.status),
                (EITHER, 200 | 401 | 403) | (ALLOWED, 200) | (REFUSED, 401 | 403)
            );
            if right {
                self.checked
                    .fetch_add(u64::from(before & 3 != EITHER), Ordering::SeqCst);
                self.heard[number].fetch_add(1, Ordering::SeqCst);
            } else if answer.status != 503 {
                let what = ["either", "allowed", "refused"][(before & 3) as usize];
                let violation = format!(
                    "announcement {} ({what}): {} said {}",
                    before >> 2,
                    address,
                    answer.status
                );
                self.violations.lock().expect("a list").push(violation);
                return;
            }
        }
    }
}

/// A change of a key.
#[derive(Debug, Clone, Copy)]
enum Change {
    Revoke,
    Narrow,
    Relist,
    Disable,
    Enable,
    Widen,
    /// A new token; the old one stays valid for an hour.
    Rotate,
    /// Ends the old token before that.
    Finish,
    /// A new token; the old one ends at once.
    Replace,
}

/// The changes of each round; after the last one the token of the round is refused.
const ROUNDS: [&[Change]; 6] = [
    &[Change::Revoke],
    &[Change::Narrow, Change::Widen, Change::Revoke],
    &[Change::Relist, Change::Widen, Change::Relist],
    &[Change::Disable, Change::Enable, Change::Disable],
    &[Change::Rotate, Change::Finish],
    &[Change::Rotate, Change::Replace],
];

fn draft(name: &str, allow: &str, read: bool) -> Draft {
    let grants: &[&str] = if read { &["contacts=read"] } else { &[] };
    crate::draft::draft(name, allow, grants)
}

/// Makes the change, and repeats it while another writer holds the lock for too long.
async fn change(keyring: &Keyring, key: &Key, what: Change) {
    loop {
        match try_change(keyring, key, what).await {
            Err(KeyringError::Store(StoreError::Busy(_))) => {}
            done => return done.expect("changed"),
        }
    }
}

async fn try_change(keyring: &Keyring, key: &Key, what: Change) -> Result<(), KeyringError> {
    let key = keyring.key(&key.id).await.expect("the key");
    let seen = KeyVersion {
        id: key.id.clone(),
        revision: key.revision,
    };
    let edited = |allow, read| draft(key.name(), allow, read);
    match what {
        Change::Revoke => keyring
            .revoke(&[seen], RevokeReason::Compromised)
            .await
            .map(drop),
        Change::Narrow => keyring
            .edit(&seen, &edited("10.0.0.0/24", false))
            .await
            .map(drop),
        Change::Relist => keyring
            .edit(&seen, &edited("10.0.1.0/24", true))
            .await
            .map(drop),
        Change::Widen => keyring
            .edit(&seen, &edited("10.0.0.0/24", true))
            .await
            .map(drop),
        Change::Disable => keyring.switch(&[seen], true).await.map(drop),
        Change::Enable => keyring.switch(&[seen], false).await.map(drop),
        Change::Rotate => keyring.rotate(&seen, HOUR).await.map(drop),
        Change::Finish => keyring.finish_rotation(&seen).await.map(drop),
        Change::Replace => keyring.rotate(&seen, 0).await.map(drop),
    }
}

/// Ends the clients when it is dropped, after a panic too.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs a number of rounds against these endpoints; returns how many answers were checked.
///
/// # Errors
/// Returns the violations: answers that were older than a change, and missing answers.
pub fn play(
    runtime: &tokio::runtime::Runtime,
    keyring: &Keyring,
    endpoints: &[SocketAddr],
    rounds: usize,
) -> Result<u64, Vec<String>> {
    let stage = Stage {
        announced: AtomicU64::new(EITHER),
        request: RwLock::default(),
        heard: (0..CLIENTS).map(|_| AtomicU64::new(0)).collect(),
        over: AtomicBool::new(false),
        violations: Mutex::default(),
        checked: AtomicU64::new(0),
    };
    std::thread::scope(|scope| {
        let stage = &stage;
        // The first requests carry no token, so they are refused.
        *stage.request.write().expect("a request") = request("GET", "/authorize", &[]);
        for number in 0..CLIENTS {
            let address = endpoints[number % endpoints.len()];
            scope.spawn(move || stage.client(number, address));
        }
        // A change that fails must not leave the clients running for ever.
        let _over = Over(&stage.over);
        runtime.block_on(rounds_of(keyring, stage, rounds));
    });
    let violations = stage.violations.into_inner().expect("a list");
    if violations.is_empty() {
        Ok(stage.checked.into_inner())
    } else {
        Err(violations)
    }
}

async fn rounds_of(keyring: &Keyring, stage: &Stage, rounds: usize) {
    for round in 0..rounds {
        let made = draft(&format!("round {round}"), "10.0.0.0/24", true);
        let created = keyring.create(None, made).await.expect("created");
        let headers = [
            ("X-API-Key", created.token.expose().expose_secret()),
            ("X-Forwarded-For", FROM),
            ("X-Original-Method", "GET"),
            ("X-Original-URI", "/contacts/7"),
        ];
        stage.announce(EITHER);
        *stage.request.write().expect("a request") = request("GET", "/authorize", &headers);
        // A client may still be sending the old request; its next one is the new one.
        stage.let_them_ask();
        stage.announce(ALLOWED);
        stage.let_them_ask();
        for what in ROUNDS[round % ROUNDS.len()] {
            stage.announce(EITHER);
            change(keyring, &created.key, *what).await;
            stage.announce(match what {
                Change::Enable | Change::Widen | Change::Rotate => ALLOWED,
                _ => REFUSED,
            });
            stage.let_them_ask();
        }
        if !stage.violations.lock().expect("a list").is_empty() {
            return;
        }
    }
}
