//! Who may import whom, and which type names are taken: reads `src` and fails on a path against the
//! arrows, and on a type name that is defined twice.
//!
//! Every path in the code counts, in a `use` or not; comments and strings do not. The checker
//! reads words, not types, so it sees a name only where it is written out. To add a module, give
//! it a row in [`ARROWS`]; a new file in `src/tui` needs none: it is pure unless [`layer_of`]
//! says otherwise.
use std::{collections::BTreeMap, fs, path::Path};

/// A layer: its name, the claviger modules that it may use beside itself, and the paths that it
/// must never use.
#[rustfmt::skip]
type Layer = (&'static str, &'static [&'static str], &'static [&'static str]);

#[rustfmt::skip]
const ARROWS: &[Layer] = &[
    ("main",      &["config", "cli", "tui", "gateway", "keyring", "machine", "startup"], &["sqlx"]),
    ("cli",       &["startup", "keyring", "domain", "config", "machine", "clipboard", "journal"], &["sqlx"]),
    ("startup",   &["keyring", "domain", "config", "machine"], &["sqlx"]),
    ("tui",       &["keyring", "domain", "config", "machine", "clipboard"], &["sqlx"]),
    ("tui/*",     &["tui", "domain", "config"], &[
        "sqlx", "tokio", "std::env", "std::fs", "crate::tui::effects", "crate::tui::terminal",
    ]),
    ("gateway",   &["keyring", "domain", "config", "machine"], &["sqlx"]),
    ("clipboard", &["domain"], &["sqlx"]),
    ("keyring",   &["store", "vault", "domain", "journal", "machine"], &["sqlx"]),
    ("store",     &["domain"], &[]),
    ("vault",     &["domain", "machine"], &["sqlx"]),
    ("machine",   &["domain"], &["sqlx"]),
    ("config",    &["domain"], &["sqlx"]),
    ("journal",   &["domain"], &["sqlx"]),
    ("domain",    &[], &[
        "sqlx", "tokio", "nix", "getrandom", "std::env", "std::fs", "std::process", "std::thread",
        "std::net::TcpListener", "std::net::TcpStream", "std::net::UdpSocket",
        "std::os::unix::net", "std::time::Instant", "std::time::SystemTime",
    ]),
];

fn layer_of(module: &str) -> Option<&'static Layer> {
    let name = match module.trim_start_matches("crate::") {
        "tui" | "tui::effects" | "tui::terminal" => "tui",
        inner if inner.starts_with("tui::terminal::") => "tui",
        inner if inner.starts_with("tui::effects::") => "tui",
        inner if inner.starts_with("tui::") => "tui/*",
        other => other.split("::").next()?,
    };
    ARROWS.iter().find(|layer| layer.0 == name)
}

/// Every file of `src`, as its path from the root and its text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut found) = (vec![root.join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let file = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.push((file.to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 1, "no source was read");
    found.sort();
    found
}

#[test]
fn the_source_keeps_to_the_arrows() {
    let sources = sources();
    let found = sources
        .iter()
        .flat_map(|(file, source)| check(file, source));
    let found: Vec<_> = found.collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_type_name_means_one_thing() {
    let twice = names_defined_twice(&sources());
    assert!(twice.is_empty(), "\n{}\n", twice.join("\n"));
}

/// Each name of a struct, an enum, a union or a trait that is defined more than once, with its
/// places. Type aliases of traits such as `type Err` are no names of their own and do not count.
fn names_defined_twice(sources: &[(String, String)]) -> Vec<String> {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (file, source) in sources {
        for pair in words(source).windows(2) {
            let [(_, keyword), (line, name)] = pair else {
                continue;
            };
            if matches!(*keyword, "struct" | "enum" | "union" | "trait") && is_name(name) {
                places
                    .entry(name)
                    .or_default()
                    .push(format!("{file}:{line}"));
            }
        }
    }
    places.retain(|_, places| places.len() > 1);
    let shown = places.iter();
    shown
        .map(|(name, places)| format!("{name} is defined in {}", places.join(" and in ")))
        .collect()
}

#[test]
fn a_type_name_that_is_defined_twice_is_reported_with_its_places() {
    let file = |name: &str, source: &str| (name.to_owned(), source.to_owned());
    let sources = [
        file("src/a.rs", "//! enum B\npub(super) struct A;\nenum B {}"),
        file(
            "src/b.rs",
            "trait A {}\n/// struct B\nimpl A for B { type Err = (); }",
        ),
        file("src/c.rs", "type Err = ();\nconst C: &str = \"struct B\";"),
    ];
    let expected = ["A is defined in src/a.rs:2 and in src/b.rs:1"];
    assert_eq!(names_defined_twice(&sources), expected);
}

/// Returns the violations in one file, each with its line.
fn check(file: &str, source: &str) -> Vec<String> {
    let name = file.trim_start_matches("src/").trim_end_matches(".rs");
    let module = format!("crate::{}", name.replace('/', "::"));
    let words = words(source);
    let mut found = Vec::new();
    if file.ends_with("/mod.rs") {
        found.push((1, "write foo.rs beside foo/, never mod.rs".to_owned()));
    }
    if !source.starts_with("//! ") {
        found.push((1, "open with a `//!` paragraph".to_owned()));
    }
    if module == "crate::lib" {
        found.extend(beside_the_map(source));
    } else if let Some(layer) = layer_of(&module) {
        found.extend(against_the_arrows(layer, paths(&module, &words)));
    } else {
        found.push((1, format!("{module} has no row in the table of arrows")));
    }
    for (at, (line, word)) in words.iter().enumerate() {
        if *word == "AssertSqlSafe" {
            found.push((*line, "SQL is static, never AssertSqlSafe".to_owned()));
        }
        let behind = words[at + 1..]
            .iter()
            .take_while(|(_, it)| *it == "::" || is_name(it));
        let is_model = || behind.last().is_some_and(|(_, it)| *it == "Model");
        if within(&module, "crate::tui::view") && *word == "mut" && is_model() {
            found.push((*line, "a view takes &Model and changes nothing".to_owned()));
        }
    }
    found
        .into_iter()
        .map(|(line, what)| format!("{file}:{line}: {what}"))
        .collect()
}

/// Returns the lines of lib.rs that are neither comments, attributes nor modules.
fn beside_the_map(source: &str) -> impl Iterator<Item = (usize, String)> {
    let fits = |text: &str| {
        let is_mod = text.starts_with("pub mod ") || text.starts_with("mod ");
        text.is_empty() || text.starts_with(['/', '#']) || (is_mod && text.ends_with(';'))
    };
    let lines = source
        .lines()
        .enumerate()
        .filter(move |(_, text)| !fits(text.trim()));
    lines.map(|(at, _)| (at + 1, "lib.rs is docs and `mod` lines only".to_owned()))
}

fn against_the_arrows(layer: &Layer, mut paths: Vec<(usize, String)>) -> Vec<(usize, String)> {
    let (name, may, never) = layer;
    paths.retain(|(_, path)| {
        let foreign = path.strip_prefix("crate::").is_some_and(|ours| {
            !within(ours, name) && !may.iter().any(|module| within(ours, module))
        });
        foreign || never.iter().any(|it| reaches(path, it))
    });
    paths
        .into_iter()
        .map(|(line, path)| (line, format!("{name} may not use {path}")))
        .collect()
}

/// Returns whether `path` is `root` or an item inside it.
fn within(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Returns whether `path` is in `never`, or includes it through a glob or an outer module.
fn reaches(path: &str, never: &str) -> bool {
    within(path, never) || (path.contains("::") && within(never, path.trim_end_matches("::*")))
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Returns every path in the code with its line: `use` trees are expanded, and claviger's own paths
/// start with `crate::`.
fn paths(module: &str, words: &[(usize, &str)]) -> Vec<(usize, String)> {
    let (mut found, mut place) = (Vec::new(), vec![(0, module)]);
    let (mut at, mut depth) = (0, 0_usize);
    while let Some((_, word)) = words.get(at) {
        let (mut next, old) = (at + 1, found.len());
        match *word {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                place.retain(|(level, _)| *level <= depth);
            }
            // Inside `mod tests {`, `super` is this file.
            "mod" if words.get(at + 2).is_some_and(|(_, it)| *it == "{") => {
                place.push((depth + 1, words[at + 1].1));
            }
            name if is_name(name) => next = spread(words, at, "", &mut found),
            _ => {}
        }
        for (_, path) in &mut found[old..] {
            let place: Vec<_> = place.iter().map(|(_, name)| *name).collect();
            *path = resolve(&place.join("::"), path);
        }
        at = next;
    }
    found
}

/// Collects the paths of the tree that begins at a word; returns the index of the word after it.
fn spread(
    words: &[(usize, &str)],
    at: usize,
    outer: &str,
    found: &mut Vec<(usize, String)>,
) -> usize {
    let is = |at: usize, fits: fn(&str) -> bool| words.get(at).is_some_and(|(_, it)| fits(it));
    let begins = |at| is(at, |it| is_name(it) || it == "{" || it == "*");
    let (line, word) = words[at];
    if word == "{" {
        let mut at = at + 1;
        while is(at, |it| it != "}") {
            at = if begins(at) {
                spread(words, at, outer, found)
            } else {
                at + 1
            };
        }
        return at + 1;
    }
    if is(at + 1, |it| it == "::") && begins(at + 2) {
        return spread(words, at + 2, &format!("{outer}{word}::"), found);
    }
    found.push((line, format!("{outer}{word}")));
    at + 1
}

/// Resolves a path: `super::key`, written in `crate::domain::token`, is `crate::domain::key`.
fn resolve(place: &str, path: &str) -> String {
    let path = path.trim_end_matches("::self");
    match path.split_once("::") {
        Some(("claviger", rest)) => format!("crate::{rest}"),
        Some(("self", rest)) => resolve(place, &format!("{place}::{rest}")),
        Some(("super", rest)) => {
            let outside = place.rsplit_once("::").map_or("", |(outside, _)| outside);
            if rest.starts_with("super::") {
                resolve(outside, rest)
            } else {
                format!("{outside}::{rest}")
            }
        }
        _ => path.to_owned(),
    }
}

/// Returns the words of the code with their lines, without comments, strings, characters and
/// lifetimes.
fn words(source: &str) -> Vec<(usize, &str)> {
    let (mut found, mut line, mut rest) = (Vec::new(), 1, source);
    while !rest.is_empty() {
        let (length, is_word) = first(rest);
        if is_word {
            found.push((line, &rest[..length]));
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// Returns the length of the first element of a text, and whether it is a word.
fn first(text: &str) -> (usize, bool) {
    if let Some(length) = string(text) {
        return (length, false);
    }
    let behind = |from: usize, end: &str| {
        let at = text[from..].find(end);
        at.map_or(text.len(), |at| from + at + end.len())
    };
    let is_inside = |c: char| c.is_alphanumeric() || c == '_';
    let name = |from: usize| {
        let at = text[from..].find(|c| !is_inside(c));
        at.map_or(text.len(), |at| from + at)
    };
    let mut chars = text.chars();
    match (chars.next().unwrap_or_default(), chars.next(), chars.next()) {
        ('/', Some('/'), _) => (behind(0, "\n"), false),
        ('/', Some('*'), _) => (behind(2, "*/"), false),
        ('\'', Some('\\'), _) => (behind(3, "'"), false),
        ('\'', Some(inner), Some('\'')) => (2 + inner.len_utf8(), false),
        ('\'', ..) => (name(1), false),
        (':', Some(':'), _) => (2, true),
        (c, ..) if is_inside(c) => (name(0), true),
        (c, ..) => (c.len_utf8(), !c.is_whitespace()),
    }
}

/// Returns the length of the string literal, raw or not, that a text begins with.
fn string(text: &str) -> Option<usize> {
    let quote = text.find(|c| !"bcr#".contains(c))?;
    let (mark, body) = (&text[..quote], text[quote..].strip_prefix('"')?);
    let mut escaped = false;
    let inside = if mark.contains('r') {
        body.find(&format!("\"{}", mark.trim_start_matches(['b', 'c', 'r'])))
    } else {
        body.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })
    };
    let hashes = mark.matches('#').count();
    Some(inside.map_or(text.len(), |inside| quote + 1 + inside + 1 + hashes))
}

/// Bad sources: the file, its text, and the expected findings, each as `line: what`.
#[rustfmt::skip]
const BAD: &[(&str, &str, &[&str])] = &[
    ("src/store.rs", "//! x\nuse crate::{domain::key, vault};", &["2: store may not use crate::vault"]),
    ("src/store/keys.rs", "//! x\nuse super::super::keyring::Keyring;", &["2: store may not use crate::keyring::Keyring"]),
    ("src/store/keys.rs", "//! x\nfn f() { sqlx::AssertSqlSafe(1) }", &["2: SQL is static, never AssertSqlSafe"]),
    ("src/keyring.rs", "//! x\n/* y\n*/ fn f() -> sqlx::Result<crate::cli::A> {}", &[
        "3: keyring may not use sqlx::Result", "3: keyring may not use crate::cli::A",
    ]),
    ("src/main.rs", "//! x\nuse claviger::{config, store::*};", &["2: main may not use crate::store::*"]),
    ("src/cli.rs", "//! x\nuse crate::{clipboard::Way, tui};", &["2: cli may not use crate::tui"]),
    ("src/domain/key.rs", "//! x\nuse std::{fmt, net::{IpAddr, TcpStream}, time};\n#[cfg(test)]\nmod tests {\n  use super::super::super::machine::Machine;\n}\nuse super::text;", &[
        "2: domain may not use std::net::TcpStream", "2: domain may not use std::time",
        "5: domain may not use crate::machine::Machine",
    ]),
    ("src/tui/update.rs", "//! x\nuse super::{model, effects as e};\n#[tokio::main] async fn f() { std::env::var(\"A\") }\nuse super::*;", &[
        "2: tui/* may not use crate::tui::effects", "3: tui/* may not use tokio::main",
        "3: tui/* may not use std::env::var", "4: tui/* may not use crate::tui::*",
    ]),
    ("src/tui/view.rs", "//! x\nuse crate::{clipboard, keyring::Keyring};", &[
        "2: tui/* may not use crate::clipboard", "2: tui/* may not use crate::keyring::Keyring",
    ]),
    ("src/tui/view/list.rs", "//! x\nfn f(model: &'a mut super::super::model::Model) {}", &["2: a view takes &Model and changes nothing"]),
    ("src/lib.rs", "//! x\n#![deny(a)]\n/// y\npub mod domain;\n\npub use domain::key;", &["6: lib.rs is docs and `mod` lines only"]),
    ("src/helpers.rs", "//! x", &["1: crate::helpers has no row in the table of arrows"]),
    ("src/tui/mod.rs", "//! x", &["1: write foo.rs beside foo/, never mod.rs"]),
    ("src/vault.rs", "use crate::domain;", &["1: open with a `//!` paragraph"]),
];

#[test]
fn a_bad_source_is_reported_with_its_line() {
    for (file, source, expected) in BAD {
        let expected: Vec<_> = expected.iter().map(|it| format!("{file}:{it}")).collect();
        assert_eq!(check(file, source), expected);
    }
}

#[test]
fn a_good_source_is_not_reported() {
    let source = r##"//! Uses crate::store in a comment only.
pub(super) fn f<'a>(it: &'a str) -> char { '"' } // sqlx::query
/// tokio::spawn
const A: &[&str] = &["\"crate::store::Store", r#"a" sqlx::x"#, b"crate::cli", "'"];
mod tests { use super::*; use crate::domain::{self, key::*}; use std::net::IpAddr; }
pub(crate) use std::time::Duration; const C: char = '\''; const D: u8 = b'\\';
"##;
    for file in ["src/vault.rs", "src/domain/key.rs", "src/tui/wizard.rs"] {
        assert_eq!(check(file, source), [""; 0]);
    }
}
