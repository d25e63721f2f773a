//! README.md and CHANGELOG.md are correct: the tables of keys and roles are those of the code, the
//! real command line accepts the examples and ends with the status that they give, and the targets
//! of links exist.
//!
//! `UPDATE_README=1 cargo test --test readme` writes the tables again. An example with an exit
//! status, such as `claviger list  # 0`, is run after the ones before it, in a home of its own; an
//! example without one is only parsed.
use std::{env, fs, path::Path, process::Command};

use clap::Parser as _;
use claviger::{cli::Arguments, domain::member, tui::keymap};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the lines of the fenced blocks of a language; a line that ends in `\` continues on the
/// next.
fn fenced(text: &str, language: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = None;
    for line in text.lines() {
        match (inside, line.trim_start().strip_prefix("```")) {
            (None, Some(opened)) => inside = Some(opened),
            (Some(_), Some(_)) => inside = None,
            (Some(opened), None) if opened == language => lines.push(line),
            _ => {}
        }
    }
    let joined = lines.join("\n").replace("\\\n", " ");
    joined.lines().map(str::to_owned).collect()
}

#[test]
fn the_tables_are_those_of_the_bindings_and_of_the_roles() {
    let tables = [
        ("keys", keymap::markdown(), "src/tui/keymap.rs"),
        ("roles", member::markdown(), "src/domain/member.rs"),
    ];
    let mut readme = file("README.md");
    for (name, table, source) in tables {
        let (begin, end) = (
            format!("<!-- {name}:begin -->\n"),
            format!("<!-- {name}:end -->"),
        );
        let (before, rest) = readme.split_once(&begin).expect("the table begins");
        let (found, after) = rest.split_once(&end).expect("the table ends");
        let update = env::var_os("UPDATE_README").is_some();
        assert!(
            update || found == table,
            "the table of {name} in README.md is not that of {source}: \
             write it anew with `UPDATE_README=1 cargo test --test readme`"
        );
        readme = format!("{before}{begin}{table}{end}{after}");
    }
    if env::var_os("UPDATE_README").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        // Replaces the file in one step, since the other tests read it at the same time.
        let beside = path.with_extension("md.new");
        fs::write(&beside, readme).expect("README.md is written");
        fs::rename(beside, path).expect("README.md is replaced");
    }
}

#[test]
fn the_two_commands_stand_on_lines_of_their_own() {
    let lines = fenced(&file("README.md"), "sh");
    for command in ["cargo run --release", "tests/run"] {
        assert!(lines.iter().any(|line| line == command), "{command}");
    }
}

#[test]
fn every_example_is_understood() {
    let mut examples = 0;
    for line in fenced(&file("README.md"), "sh") {
        for command in commands(&line) {
            examples += 1;
            if let Err(error) = Arguments::try_parse_from(&command) {
                panic!("{line}\n{error}");
            }
        }
    }
    assert!(examples > 10, "only {examples} examples were found");
}

/// Returns the calls of claviger in a shell line, as words. It parses only the shell that a README
/// needs: quotes, and the separators between commands.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | '|' | ';' | '&' | '(' | ')' | '<' | '>') => {
                let command = commands.last_mut().expect("there is always one");
                command.extend(word.take());
                if c != ' ' {
                    commands.push(Vec::new());
                }
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    commands
        .last_mut()
        .expect("there is always one")
        .extend(word);
    commands.retain(|command| command.first().is_some_and(|program| program == "claviger"));
    commands
}

#[test]
fn the_examples_end_as_they_say() {
    let mut steps = Vec::new();
    for line in fenced(&file("README.md"), "sh") {
        let Some((command, status)) = line.rsplit_once("  # ") else {
            continue;
        };
        let status: u8 = status
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("no status: {line}"));
        steps.push(format!(
            "{command}\nended=$?\n[ $ended -eq {status} ] || {{ echo \"ended with $ended:\"; \
             cat <<'LINE'\n{line}\nLINE\nexit 1; }}\n"
        ));
    }
    assert!(
        steps.len() > 10,
        "only {} examples say how they end",
        steps.len()
    );
    let home = tempfile::tempdir().expect("a folder");
    let program = Path::new(env!("CARGO_BIN_EXE_claviger"));
    let folder = program.parent().expect("a folder").display();
    let ran = Command::new("sh")
        .args(["-c", &steps.concat()])
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", format!("{folder}:/usr/bin:/bin"))
        .output()
        .expect("sh runs");
    let (said, complained) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{said}\n{complained}");
    for promised in ["allow ", "deny action_not_permitted ", "deny revoked "] {
        assert!(said.contains(promised), "{promised}\n{said}");
    }
}

#[test]
fn what_is_linked_to_is_there() {
    for name in ["README.md", "CHANGELOG.md"] {
        let text = file(name);
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets.filter(|(target, _)| !target.starts_with("https://")) {
            let path = target.split('#').next().unwrap_or_default();
            let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists();
            assert!(there, "{name} links to {target}, which is not there");
        }
    }
}

#[test]
fn the_changelog_knows_this_version() {
    let changelog = file("CHANGELOG.md");
    let version = concat!("## [", env!("CARGO_PKG_VERSION"), "]");
    assert!(
        changelog
            .lines()
            .any(|line| line.starts_with(version) || line == "## [Unreleased]"),
        "CHANGELOG.md has neither {version} nor [Unreleased]"
    );
}
