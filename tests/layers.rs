//! Who may import whom: reads `src` and fails on a path against the arrows.
//!
//! Every path in the code counts, in a `use` or not; comments and strings do not. The checker
//! reads words, not types: it sees what is written, so a name is written out where it is used.
//! To add a module, give it a row in [`LAYERS`]; a new file in `src/tui` needs none, it is pure
//! unless [`layer_of`] says otherwise.
use std::{fs, path::Path};

/// A layer: which of our modules it may use beside itself, and which other paths it may not.
struct Layer {
    name: &'static str,
    may: &'static [&'static str],
    never: &'static [&'static str],
}

const NO_IO: &[&str] = &[
    "tokio",
    "nix",
    "getrandom",
    "std::env",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os::unix::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];
const PURE: &[&str] =
    &["tokio", "std::env", "std::fs", "crate::tui::clipboard", "crate::tui::terminal"];

#[rustfmt::skip]
const LAYERS: &[Layer] = &[
    Layer { name: "main",    may: &["config", "cli", "tui", "gateway", "keyring", "machine"], never: &[] },
    // `copy` and `doctor` need a clipboard too, and nothing else of the TUI.
    Layer { name: "cli",     may: &["keyring", "domain", "config", "machine", "tui::clipboard"], never: &[] },
    Layer { name: "tui",     may: &["keyring", "domain", "config", "machine"], never: &[] },
    Layer { name: "tui/*",   may: &["tui", "domain", "config"], never: PURE },
    Layer { name: "gateway", may: &["keyring", "domain", "config", "machine"], never: &[] },
    Layer { name: "keyring", may: &["store", "vault", "domain", "machine"], never: &[] },
    Layer { name: "store",   may: &["domain"], never: &[] },
    Layer { name: "vault",   may: &["domain", "machine"], never: &[] },
    Layer { name: "machine", may: &["domain"], never: &[] },
    Layer { name: "config",  may: &["domain"], never: &[] },
    Layer { name: "domain",  may: &[], never: NO_IO },
];

/// `src/tui/view.rs` → `crate::tui::view`.
fn module_of(file: &str) -> String {
    let name = file.trim_start_matches("src/").trim_end_matches(".rs");
    format!("crate::{}", name.replace('/', "::"))
}

fn layer_of(module: &str) -> Option<&'static Layer> {
    let name = match module.trim_start_matches("crate::") {
        "tui" | "tui::clipboard" | "tui::terminal" => "tui",
        inner if inner.starts_with("tui::") => "tui/*",
        other => other.split("::").next()?,
    };
    LAYERS.iter().find(|layer| layer.name == name)
}

/// What is wrong in one file, each with its line.
fn check(file: &str, source: &str) -> Vec<String> {
    let module = module_of(file);
    let mut found = Vec::new();
    let mut report = |line: usize, what: String| found.push(format!("{file}:{line}: {what}"));
    if file.ends_with("/mod.rs") {
        report(1, "write foo.rs beside foo/, never mod.rs".into());
    }
    if !source.starts_with("//! ") {
        report(1, "open the file with a `//!` paragraph: what it is, what it must not do".into());
    }
    let words = words(source);
    for (at, (line, word)) in words.iter().enumerate() {
        let type_name = words[at + 1..].iter().take_while(|(_, w)| *w == "::" || is_name(w)).last();
        if *word == "AssertSqlSafe" {
            report(*line, "SQL is static text, never AssertSqlSafe".into());
        } else if *word == "mut"
            && within(&module, "crate::tui::view")
            && type_name.is_some_and(|(_, name)| *name == "Model")
        {
            report(*line, "a view reads the model and never changes it".into());
        }
    }
    if module == "crate::lib" {
        for (line, text) in source.lines().map(str::trim).enumerate() {
            let is_mod = text.starts_with("pub mod ") || text.starts_with("mod ");
            let allowed = text.is_empty() || text.starts_with("//") || text.starts_with('#');
            if !(allowed || (is_mod && text.ends_with(';'))) {
                report(line + 1, "lib.rs holds its head comment and `mod` lines only".into());
            }
        }
        return found;
    }
    let Some(layer) = layer_of(&module) else {
        report(1, format!("{module} has no row in the table of arrows"));
        return found;
    };
    for (line, path) in paths(&module, &words) {
        let ours = path.strip_prefix("crate::");
        let own = within(&path, &format!("crate::{}", layer.name));
        let against_arrow = ours.is_some_and(|it| !own && !layer.may.iter().any(|m| within(it, m)));
        let sql_outside = within(&path, "sqlx") && layer.name != "store";
        if against_arrow || sql_outside || layer.never.iter().any(|it| reaches(&path, it)) {
            report(line, format!("{} may not use {path}", layer.name));
        }
    }
    found
}

/// Whether `path` is `root` or something in it.
fn within(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether `path` is `forbidden`, in it, or brings it in under a glob or an outer module.
fn reaches(path: &str, forbidden: &str) -> bool {
    let outer = path.trim_end_matches("::*");
    within(path, forbidden) || (path.contains("::") && within(forbidden, outer))
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Every path in the code with its line, `use` trees spread out, our own ones from `crate::` on.
fn paths(module: &str, words: &[(usize, &str)]) -> Vec<(usize, String)> {
    let mut written = Vec::new();
    let (mut at, mut depth, mut inline) = (0, 0_usize, Vec::new());
    while let Some((line, word)) = words.get(at) {
        let here = written.len();
        match *word {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            // `mod tests {`: there `super` is this file.
            "mod" if words.get(at + 2).is_some_and(|(_, word)| *word == "{") => {
                inline.push((depth, words[at + 1].1));
            }
            name if is_name(name) && (at == 0 || words[at - 1].1 != ".") => {
                at = spread(words, at, "", &mut written) - 1;
            }
            _ => {}
        }
        if *word == "}" {
            inline.retain(|(outside, _)| *outside < depth);
        }
        let names = inline.iter().map(|(_, name)| *name);
        let place = [module].into_iter().chain(names).collect::<Vec<_>>().join("::");
        for (_, path) in &mut written[here..] {
            *path = resolve(&place, path);
        }
        debug_assert!(*line > 0);
        at += 1;
    }
    written
}
