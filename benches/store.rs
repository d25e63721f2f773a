//! Benchmark of the store with 100 and with 10,000 keys: a page, a filter keystroke, a sort, and a
//! cold open.
//!
//! Run it with `cargo bench --bench store`. It uses the program's own keyring on SQLite, in
//! memory-backed files where the machine has them (else on the disk), one operation after the
//! other, with nothing else running. A filter keystroke is the work that the screen requests for
//! it: a page and both counts. Figures are milliseconds; the machine's own speed drifts, so the
//! last column is the ratio to one `SELECT epoch`, measured in the same run.
//!
//! Variants tried during development, with 10,000 keys and a search text that no key contains:
//! `LIKE` over the rows, for the page and again for the count, 23 ms;
//! `replace(text, needle, '') <> text` and no second search where the page already holds all
//! matches, 4.2 ms; `instr` instead, 3.6 ms; and the keys stored in the order of their creation, so
//! that the search walks one tree and not two, 1.9 ms. A million keys will need the trigram index;
//! the explicit sequence, which is SQLite's rowid, and the keyset pages are prepared for it. Of a
//! page's 0.6 ms SQLite takes 0.16 ms; most of the rest is the transfer of rows from its thread to
//! the caller one by one (a longer row buffer changes nothing).
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#[path = "../tests/support/draft.rs"]
mod draft;

use claviger::domain::agent::AgentScope;
use std::{future::Future, time::Instant};

use claviger::{
    domain::{
        key::Draft,
        listing::{Direction, Filter, PageRequest, Sort, SortField},
        location::{DatabaseLocation, MasterKeyLocation},
    },
    keyring::Keyring,
    machine::Machine,
};

const ROUNDS: usize = 400;
const FIELDS: [SortField; 7] = [
    SortField::Created,
    SortField::Name,
    SortField::Access,
    SortField::Attention,
    SortField::LastUsed,
    SortField::Expires,
    SortField::Addresses,
];

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        println!("| keys | what | p50 ms | p99 ms | of one epoch read |\n|---|---|---|---|---|");
        for keys in [100, 10_000] {
            measure(keys).await;
        }
    });
}

async fn open(folder: &std::path::Path) -> Keyring {
    let location = DatabaseLocation::File(folder.join("bench.db"));
    let master_key = MasterKeyLocation::File(folder.join("master-key"));
    Keyring::open(&location, master_key, Machine::real())
        .await
        .expect("opened")
}

async fn measure(keys: usize) {
    let folder = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a folder");
    let keyring = open(folder.path()).await;
    for number in 0..keys {
        keyring
            .create(None, partner(number))
            .await
            .expect("created");
    }
    let unit = time(async || drop(keyring.epoch().await)).await;
    let report = |what: &str, times: (f64, f64)| {
        println!(
            "| {keys} | {what} | {:.3} | {:.3} | {:.1} |",
            times.0,
            times.1,
            times.0 / unit.0
        );
    };
    report("epoch read", unit);
    let middle = Direction::After(middle(&keyring, keys).await);
    for (what, direction) in [
        ("page of 50, first", Direction::First),
        ("page of 50, middle", middle),
    ] {
        let request = request(&keyring, "", SortField::Created, direction);
        report(
            what,
            time(async || drop(keyring.page(&request).await.expect("a page"))).await,
        );
    }
    for (what, needle) in [
        ("keystroke, common: `e`", "e"),
        ("keystroke, common: `partner`", "partner"),
        ("keystroke, rare: `00042`", "00042"),
        ("keystroke, absent: `zzzz`", "zzzz"),
    ] {
        let request = request(&keyring, needle, SortField::Created, Direction::First);
        let keystroke = async || {
            let page = keyring.page(&request).await.expect("a page");
            keyring
                .count_beside(&request, &page)
                .await
                .expect("a count");
        };
        report(what, time(keystroke).await);
    }
    for field in FIELDS {
        let request = request(&keyring, "", field, Direction::First);
        let what = format!("sort by {field:?}");
        report(
            &what,
            time(async || drop(keyring.page(&request).await.expect("a page"))).await,
        );
    }
    keyring.close().await;
    let cold = async || {
        let keyring = open(folder.path()).await;
        let request = request(&keyring, "", SortField::Created, Direction::First);
        keyring.page(&request).await.expect("a page");
        keyring
            .count(&request.filter, &AgentScope::Everything)
            .await
            .expect("a count");
        keyring.close().await;
    };
    report("open, first page, count, close", time(cold).await);
}

async fn middle(keyring: &Keyring, keys: usize) -> claviger::domain::listing::Cursor {
    let limit = u32::try_from(keys / 2).expect("few");
    let request = PageRequest {
        scope: AgentScope::Everything,
        limit,
        ..request(keyring, "", SortField::Created, Direction::First)
    };
    keyring
        .page(&request)
        .await
        .expect("a page")
        .rows
        .pop()
        .expect("a row")
        .cursor
}

fn request(keyring: &Keyring, search: &str, field: SortField, direction: Direction) -> PageRequest {
    PageRequest {
        scope: AgentScope::Everything,
        filter: Filter {
            search: search.to_owned(),
            attention: false,
            facets: Vec::new(),
        },
        sort: Sort {
            field,
            descending: field == SortField::Created,
        },
        direction,
        limit: 50,
        now: keyring.now(),
        damaged: Vec::new(),
    }
}

/// Runs a future `ROUNDS` times; returns the median and the 99th percentile in milliseconds.
async fn time<F: Future<Output = ()>>(run: impl Fn() -> F) -> (f64, f64) {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        run().await;
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    (times[ROUNDS / 2], times[ROUNDS * 99 / 100])
}

fn partner(number: usize) -> Draft {
    let mut grants = Vec::new();
    if !number.is_multiple_of(5) {
        grants.push("contacts=read");
    }
    if number.is_multiple_of(3) {
        grants.push("documents=all");
    }
    let list = if number.is_multiple_of(2) {
        format!("10.0.{}.0/24, 192.168.1.1", number % 256)
    } else {
        String::new()
    };
    let owner = ["Acme", "Globex", "Initech", "Umbrella"][number % 4];
    let mut draft = draft::draft(&format!("Partner {number:05}: {owner}"), &list, &grants);
    let region = number % 17;
    draft.description = format!("Reads contacts for the weekly export of region {region}")
        .parse()
        .expect("a text");
    draft
}
