//! `man` and `completions`: generated from the command tree, so that they always match it.
//!
//! The manual is one page. clap would write a page for each command; here each command has a
//! section. Facts that the tree does not contain (exit status, environment variables, files) follow
//! as fixed text.
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

/// Returns the command tree without the hidden commands, which only claviger itself runs.
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

/// Returns the completion script for a shell.
pub(super) fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut tree(), "claviger", &mut script);
    script
}

/// Returns the manual page, in roff.
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

/// Appends the section of a command and those of its subcommands to the page.
fn sections(verb: &Command, page: &mut Vec<u8>) -> Result<(), Failure> {
    if verb.get_name() == "help" {
        return Ok(());
    }
    let name = verb.get_bin_name().unwrap_or(verb.get_name()).to_owned();
    // Options of every command are described only once, at the top of the page.
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
