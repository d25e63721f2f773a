//! `man` and `completions`: made from the tree of commands itself, so that they cannot lie.
//!
//! The manual is one page: what clap would spread over a page for each command stands in a
//! section of its own here. What the tree does not know (files, variables, exit status) is the
//! text at the end.
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use super::{Arguments, Failure};

const MORE: &str = r".SH EXIT STATUS
.TP
0
done; \fBcheck\fR: allowed
.TP
1
failed; \fBcheck\fR: denied; \fBdoctor\fR: something was found
.TP
2
wrong usage or a value that is refused; \fBcheck\fR: could not decide
.SH ENVIRONMENT
.TP
CLAVIGER_DATABASE_URL
the database, unless \fB\-\-database\fR names one
.TP
CLAVIGER_MASTER_KEY_FILE
the master key's file; systemd's $CREDENTIALS_DIRECTORY/master\-key comes before it
.TP
CLAVIGER_OSC52
off: never copy through the terminal
.SH FILES
.TP
~/.local/share/claviger/claviger.db
the database, below $XDG_DATA_HOME where that is set
.TP
~/.config/claviger/master\-key
the key that the tokens are sealed with, below $XDG_CONFIG_HOME where that is set: keep a copy of it
.TP
~/.config/claviger/config.toml
settings
";

/// The tree without what is hidden, which is for claviger itself.
fn tree() -> Command {
    let whole = Arguments::command();
    let shown = whole.get_subcommands().filter(|it| !it.is_hide_set());
    let tree = Command::new("claviger")
        .version(env!("CARGO_PKG_VERSION"))
        .args(whole.get_arguments().cloned())
        .subcommands(shown.cloned());
    match (whole.get_about(), whole.get_long_about()) {
        (Some(short), Some(long)) => tree.about(short.clone()).long_about(long.clone()),
        _ => tree,
    }
}

/// A completion script.
pub(super) fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut tree(), "claviger", &mut script);
    script
}

/// The manual page, in roff.
pub(super) fn page() -> Result<Vec<u8>, Failure> {
    let mut tree = tree();
    tree.build();
    let mut page = Vec::new();
    let man = Man::new(tree.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for verb in tree.get_subcommands() {
        sections(verb, &mut page)?;
    }
    page.extend_from_slice(MORE.as_bytes());
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// The section of a command, and those of the commands below it.
fn sections(verb: &Command, page: &mut Vec<u8>) -> Result<(), Failure> {
    if verb.get_name() == "help" {
        return Ok(());
    }
    let name = verb.get_bin_name().unwrap_or(verb.get_name()).to_owned();
    // What goes with every command is told once, at the top.
    let own = verb.clone().mut_args(|argument| {
        let everywhere = argument.is_global_set() || argument.get_id() == "help";
        argument.hide(everywhere)
    });
    let man = Man::new(own);
    let mut section = Vec::new();
    man.render_synopsis_section(&mut section)?;
    man.render_description_section(&mut section)?;
    man.render_options_section(&mut section)?;
    let section = String::from_utf8_lossy(&section).replace(".SH ", ".SS ");
    page.extend_from_slice(format!(".SH \"{}\"\n{section}", name.to_uppercase()).as_bytes());
    for below in verb.get_subcommands() {
        sections(below, page)?;
    }
    Ok(())
}
