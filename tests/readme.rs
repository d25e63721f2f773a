//! The documents say what is so: README.md, `docs/`, `.github/` and CHANGELOG.md. The tables of
//! keys and roles are those of the code, the examples are understood by the real command line and
//! end as they say, and every link leads somewhere.
//!
//! `UPDATE_README=1 cargo test --test readme` rewrites the tables, in whichever document they are.
//! An example that says how it ends, as in `claviger list  # 0`, is run. All such examples of one
//! document run in their order, in one new home, so a document must hold the set-up that its
//! examples need. An example without a number is only parsed.
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Parser as _;
use claviger::{cli::Arguments, domain::member, tui::keymap};

/// The most lines of a document that is read from beginning to end.
const LONGEST: [(&str, usize); 2] = [("README.md", 250), ("docs/architecture.md", 250)];

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn file(name: &str) -> String {
    fs::read_to_string(path_of(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The Markdown files of a folder, by their path from the root.
fn markdown_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(path_of(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names
        .map(|name| format!("{folder}/{}", name.to_string_lossy()))
        .filter(|name| Path::new(name).extension().is_some_and(|it| it == "md"))
        .collect();
    names.sort();
    names
}

/// The documents with examples for users.
fn documents() -> Vec<String> {
    let mut names = vec!["README.md".to_owned()];
    names.extend(markdown_in("docs"));
    names
}

/// The blocks of a language, each as its lines.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let (mut blocks, mut inside) = (Vec::new(), None);
    for line in text.lines() {
        match (inside, line.trim_start().strip_prefix("```")) {
            (None, Some(opened)) => {
                inside = Some(opened);
                if opened == language {
                    blocks.push(String::new());
                }
            }
            (Some(_), Some(_)) => inside = None,
            (Some(opened), None) if opened == language => {
                let block = blocks.last_mut().expect("it was opened");
                *block += line;
                *block += "\n";
            }
            _ => {}
        }
    }
    blocks
}

/// The lines of shell in a text; a line that ends in `\` goes on in the next.
fn shell(text: &str) -> Vec<String> {
    let joined = blocks(text, "sh").concat().replace("\\\n", " ");
    joined.lines().map(str::to_owned).collect()
}

#[test]
fn the_tables_are_those_of_the_bindings_and_of_the_roles() {
    let tables = [
        ("keys", keymap::markdown(), "src/tui/keymap.rs"),
        ("roles", member::markdown(), "src/domain/member.rs"),
    ];
    for (name, table, source) in tables {
        let (begin, end) = (
            format!("<!-- {name}:begin -->\n"),
            format!("<!-- {name}:end -->"),
        );
        let holds = |document: &String| file(document).contains(&begin);
        let found: Vec<_> = documents().into_iter().filter(holds).collect();
        let [document] = found.as_slice() else {
            panic!("one document has the table of {name}, and not {found:?}");
        };
        let text = file(document);
        let (before, rest) = text.split_once(&begin).expect("the table begins");
        let (found, after) = rest.split_once(&end).expect("the table ends");
        if found == table {
            continue;
        }
        assert!(
            env::var_os("UPDATE_README").is_some(),
            "the table of {name} in {document} is not that of {source}: \
             `UPDATE_README=1 cargo test --test readme` rewrites it"
        );
        // In one step: the other tests read it meanwhile.
        let beside = path_of(document).with_extension("md.new");
        fs::write(&beside, format!("{before}{begin}{table}{end}{after}")).expect("written");
        fs::rename(beside, path_of(document)).expect("replaced");
    }
}

#[test]
fn the_two_commands_are_on_lines_of_their_own() {
    let lines = shell(&file("README.md"));
    for command in ["cargo run --release", "tests/run"] {
        assert!(lines.iter().any(|line| line == command), "{command}");
    }
}

#[test]
fn what_is_read_from_beginning_to_end_is_short() {
    for (name, longest) in LONGEST {
        let lines = file(name).lines().count();
        assert!(lines <= longest, "{name} has {lines} lines, over {longest}");
    }
}

/// The gateway's suite runs the lines of README.md behind a real nginx.
#[test]
fn the_lines_for_nginx_are_the_same_everywhere() {
    let all: Vec<_> = documents()
        .iter()
        .flat_map(|name| blocks(&file(name), "nginx"))
        .collect();
    assert!(!all.is_empty(), "no lines for nginx were found");
    assert!(all.iter().all(|lines| *lines == all[0]), "{all:#?}");
    assert_eq!(blocks(&file("README.md"), "nginx").len(), 1, "README.md");
}

#[test]
fn every_example_is_understood() {
    let mut examples = 0;
    for name in documents() {
        for line in shell(&file(&name)) {
            for command in commands(&line) {
                examples += 1;
                if let Err(error) = Arguments::try_parse_from(&command) {
                    panic!("{name}: {line}\n{error}");
                }
            }
        }
    }
    assert!(examples > 50, "only {examples} examples were found");
}

/// The calls of claviger in a line of shell, as words, also those that ssh makes. Enough shell for
/// a document: quotes, and what separates commands.
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
    for command in &mut commands {
        let claviger = command.iter().position(|word| word == "claviger");
        if command.first().is_some_and(|program| program == "ssh") {
            command.drain(..claviger.unwrap_or(0));
        }
    }
    commands.retain(|command| command.first().is_some_and(|program| program == "claviger"));
    commands
}

#[test]
fn the_commands_of_a_line_are_found() {
    for (line, expected) in [
        ("claviger list  # 0", vec![vec!["claviger", "list"]]),
        (
            "token=$(claviger create 'A B')",
            vec![vec!["claviger", "create", "A B"]],
        ),
        (
            "ssh -t keys@host claviger copy acme",
            vec![vec!["claviger", "copy", "acme"]],
        ),
        ("claviger list | jq .", vec![vec!["claviger", "list"]]),
        ("tests/run", vec![]),
    ] {
        assert_eq!(commands(line), expected, "{line}");
    }
}

#[test]
fn the_examples_end_as_they_say() {
    let mut said = BTreeMap::new();
    let mut steps = 0;
    for name in documents() {
        let examples = shell(&file(&name));
        let examples = examples.iter().filter_map(|line| example(&name, line));
        let examples: Vec<_> = examples.collect();
        steps += examples.len();
        said.insert(name.clone(), run(&name, &examples.concat()));
    }
    assert!(steps > 40, "only {steps} examples say how they end");
    for promised in ["allow ", "deny action_not_permitted ", "deny revoked "] {
        let said = &said["docs/commands.md"];
        assert!(said.contains(promised), "{promised}\n{said}");
    }
    for promised in ["allow ", "deny action_not_permitted "] {
        let said = &said["README.md"];
        assert!(said.contains(promised), "{promised}\n{said}");
    }
}

/// The shell that runs an example and compares its status; none for an example without a number.
fn example(name: &str, line: &str) -> Option<String> {
    let (command, status) = line.rsplit_once("  # ")?;
    let status: u8 = status
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{name}: no status: {line}"));
    Some(format!(
        "{command}\nended=$?\n[ $ended -eq {status} ] || {{ echo \"ended with $ended:\"; \
         cat <<'LINE'\n{line}\nLINE\nexit 1; }}\n"
    ))
}

/// Runs the examples of a document in a home of their own; returns what they print.
fn run(name: &str, steps: &str) -> String {
    let home = tempfile::tempdir().expect("a folder");
    let program = Path::new(env!("CARGO_BIN_EXE_claviger"));
    let folder = program.parent().expect("a folder").display();
    let ran = Command::new("sh")
        .args(["-c", steps])
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", format!("{folder}:/usr/bin:/bin"))
        .current_dir(home.path())
        .output()
        .expect("sh runs");
    let (said, complained) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{name}\n{said}\n{complained}");
    said.into_owned()
}

#[test]
fn every_link_leads_somewhere() {
    let mut names = documents();
    names.push("CHANGELOG.md".to_owned());
    names.extend(markdown_in(".github"));
    let mut broken = Vec::new();
    for name in names {
        for target in links(&file(&name)) {
            if !target.starts_with("https://") && !is_there(&name, &target) {
                broken.push(format!("{name} links to {target}, which is not there"));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// Whether a relative link of a document leads to a file, and to a heading in it.
fn is_there(document: &str, target: &str) -> bool {
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    let here = path_of(document);
    let there = match path {
        "" => here,
        path => here.parent().expect("a folder").join(path),
    };
    let reads = |anchor: &str| {
        let text = fs::read_to_string(&there).unwrap_or_default();
        anchors(&text).iter().any(|known| known == anchor)
    };
    there.exists() && anchor.is_none_or(reads)
}

/// The text without its blocks of code and without code in a line.
fn prose(text: &str) -> String {
    let (mut prose, mut is_code) = (String::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            let outside = line.split('`').step_by(2).collect::<Vec<_>>();
            prose += &outside.join("`");
            prose += "\n";
        }
    }
    prose
}

/// The targets of the links in a text.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

/// The anchors that GitHub makes of the headings in a text.
fn anchors(text: &str) -> Vec<String> {
    let (mut anchors, mut seen, mut is_code) = (Vec::new(), BTreeMap::new(), false);
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if is_code || title == line || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().to_lowercase();
        let kept = kept.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c => c.is_alphanumeric().then_some(c),
        });
        let anchor: String = kept.collect();
        let before: &mut usize = seen.entry(anchor.clone()).or_default();
        anchors.push(match *before {
            0 => anchor,
            before => format!("{anchor}-{before}"),
        });
        *before += 1;
    }
    anchors
}

#[test]
fn links_and_anchors_are_read_as_github_reads_them() {
    let text = "# A b: `c.d`\n[x](y.md#z) `[no](code)` ![i](p.svg)\n```sh\n# no\n[no](q)\n```\n## E\n## E\n#no";
    assert_eq!(links(text), ["y.md#z", "p.svg"]);
    assert_eq!(anchors(text), ["a-b-cd", "e", "e-1"]);
}

#[test]
fn a_link_to_a_missing_file_or_heading_is_found() {
    let from = "docs/people.md";
    assert!(is_there(from, "../README.md"));
    assert!(is_there(from, "../README.md#the-two-commands"));
    assert!(is_there(from, "#agents"));
    assert!(!is_there(from, "../README.md#the-three-commands"));
    assert!(!is_there(from, "README.md"));
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
