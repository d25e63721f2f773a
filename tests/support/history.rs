//! A checker of histories: clients that ask without a pause while keys are changed under them,
//! and one rule. What was acknowledged before a request began holds for its answer.
//!
//! A change is announced before it begins (from then on both answers are right) and its outcome
//! after it was acknowledged (from then on one is). A client reads what is announced before it
//! asks and after it has heard: if nothing was announced in between, its answer must agree (or be
//! that nothing can be decided, which a busy machine may bring about, and which is no answer). The
//! changes are made by this process, the answers come from others.
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

/// How many ask at a time.
const CLIENTS: usize = 32;
/// How many answers each client hears before the next change begins.
const ANSWERS: u64 = 3;
/// The address that every client says it has.
const FROM: &str = "10.0.0.9";

/// What holds now: whichever of the two, or both.
const EITHER: u64 = 0;
const ALLOWED: u64 = 1;
const REFUSED: u64 = 2;

/// What everybody sees of a round.
struct Stage {
    /// The announcement: its number, and what holds, in the lowest two bits.
    announced: AtomicU64,
    request: RwLock<Vec<u8>>,
    /// How many answers each client has heard since the last announcement.
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

    /// Waits until every client has heard some answers to what holds now.
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
                    // Said, for nobody waits for an answer in vain.
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

/// Something that is done to a key, and whether it may still be used afterwards.
#[derive(Debug, Clone, Copy)]
enum Change {
    Revoke,
    Narrow,
    Relist,
    Disable,
    Enable,
    Widen,
    /// Another token, the old one good for an hour.
    Rotate,
    /// The old one ended before that.
    Finish,
    /// Another token, the old one ended at once.
    Replace,
}

/// What a round does to its key: it ends with a key that may nothing.
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

/// Makes the change; again where another writer held the lock for too long and nothing was changed.
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

/// Plays so many rounds against these endpoints; answers how many answers were checked.
///
/// # Errors
/// The answers that were older than a change.
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
        // What the clients ask first is refused: there is no token in it.
        *stage.request.write().expect("a request") = request("GET", "/authorize", &[]);
        for number in 0..CLIENTS {
            let address = endpoints[number % endpoints.len()];
            scope.spawn(move || stage.client(number, address));
        }
        // A change that fails must not leave the clients asking for ever.
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
        // A client may hold the old request still; its next one is the new one.
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
