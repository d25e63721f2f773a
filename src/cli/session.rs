//! The session of a member who logged in over SSH, and the command or screen that they requested.
//!
//! sshd runs `claviger --member ID` for a client that has one of that member's keys, and passes the
//! requested command in `SSH_ORIGINAL_COMMAND`. That text is split as a shell would split it, but
//! is not passed to a shell; a request for any other program than claviger is refused. A person
//! with a shell as the same operating system user could run this with any id, but can also open the
//! database.
use clap::Parser as _;

use super::{Arguments, Command, Failure, LocalCommand};
use crate::{
    config::process_variable,
    domain::member::{Fingerprint, SshKey},
    startup::Session,
};

/// Returns the session, and the arguments that the member requested in place of those on sshd's own
/// command line.
///
/// # Errors
/// Returns [`Failure::Refused`] if `--member` is combined with a command or `--json`, if the id or
/// the reported SSH key is invalid, or if the request is not a claviger command that members may
/// run. Returns [`Failure::Usage`] if clap cannot parse the request, or for help and version.
pub fn open_session(arguments: &Arguments, id: &str) -> Result<(Session, Arguments), Failure> {
    if arguments.command.is_some() || arguments.json {
        return Err(Failure::Refused(
            "--member stands alone, in the line that `claviger authorized-keys` prints for sshd"
                .into(),
        ));
    }
    let session = Session {
        member: id.parse().map_err(super::refused)?,
        fingerprint: used_key()?,
    };
    // A request that is not UTF-8 must not count as an empty one, which opens the screen.
    let original = std::env::var_os("SSH_ORIGINAL_COMMAND").unwrap_or_default();
    let mut wanted = parse(&original.to_string_lossy())?;
    wanted.database.clone_from(&arguments.database);
    Ok((session, wanted))
}

fn parse(original: &str) -> Result<Arguments, Failure> {
    let words = shell_words::split(original)
        .map_err(|_| super::refused("a quote is left open: nothing was run"))?;
    let wanted = match words.split_first() {
        None => Arguments::try_parse_from(["claviger"]),
        Some((name, _)) if name == "claviger" => Arguments::try_parse_from(&words),
        Some(_) => return Err(no_command(original)),
    };
    let wanted = wanted.map_err(|error| Failure::Usage(Box::new(error)))?;
    if wanted.database.is_some() || wanted.member.is_some() {
        return Err(Failure::Refused(
            "over SSH the database and the member are given: leave --database and --member out"
                .into(),
        ));
    }
    match &wanted.command {
        None
        | Some(
            Command::Keyring(_)
            | Command::Local(LocalCommand::Completions { .. } | LocalCommand::Man),
        ) => Ok(wanted),
        Some(
            Command::Serve(_)
            | Command::Local(
                LocalCommand::Doctor(_)
                | LocalCommand::AuthorizedKeys { .. }
                | LocalCommand::KeepClipboard,
            ),
        ) => Err(Failure::Refused(
            "that command is for those who work on the machine itself: over SSH there are all others".into(),
        )),
    }
}

fn no_command(original: &str) -> Failure {
    let first = original.split_whitespace().next().unwrap_or_default();
    Failure::Refused(format!(
        "{} is no command of claviger, and nothing else can be run here: say `ssh … claviger list`, or nothing for the screen",
        super::output::brief(first)
    ))
}

/// Returns the SSH key with which sshd authenticated this session, from the file that
/// `SSH_USER_AUTH` names (`sshd_config(5)`, ExposeAuthInfo): a line `publickey ssh-ed25519 AAAA…`.
///
/// Returns `None` if the variable is not set, and [`Failure::Refused`] if it is set but the file
/// has no readable key.
fn used_key() -> Result<Option<Fingerprint>, Failure> {
    let Some(file) = process_variable("SSH_USER_AUTH") else {
        return Ok(None);
    };
    let told = std::fs::read_to_string(file).unwrap_or_default();
    let mut lines = told.lines();
    let key = lines.find_map(|line| line.strip_prefix("publickey "));
    let key = key.and_then(|key| SshKey::parse(key, 1).ok());
    let key = key.ok_or_else(|| {
        super::refused("sshd did not say with which SSH key you logged in, so you are refused: log in with one of your SSH keys alone, and with no certificate")
    })?;
    Ok(Some(key.fingerprint().clone()))
}

#[cfg(test)]
mod tests {
    use super::{super::KeyringCommand, *};

    #[test]
    fn what_is_no_command_of_claviger_is_refused() {
        for original in [
            "sh",
            "bash -c id",
            "/bin/sh",
            "scp -t /tmp",
            "internal-sftp",
            "/usr/lib/openssh/sftp-server",
            "rsync --server",
            "git-upload-pack x",
            "claviger; sh",
            "$(claviger) list",
            "`id`",
            "claviger\u{a0}list",
            "'claviger list'",
            "env claviger",
            "../claviger list",
            "claviger'",
        ] {
            let refused = parse(original).expect_err(original);
            assert_eq!(refused.status(), 2, "{original}");
        }
        for original in [
            "claviger serve",
            "claviger doctor",
            "claviger keep-clipboard",
            "claviger authorized-keys",
            "claviger --database sqlite:/tmp/x list",
            "claviger list --database sqlite:/tmp/x",
            "claviger --member m-0 list",
            "claviger list; rm -rf /",
            "claviger list && sh",
            "claviger list | sh",
            "claviger list > /tmp/x",
            "claviger show a\nsh",
        ] {
            assert_eq!(
                parse(original).expect_err(original).status(),
                2,
                "{original}"
            );
        }
    }

    #[test]
    fn a_command_is_split_and_nothing_in_it_means_more() {
        assert!(parse("").expect("the screen").command.is_none());
        assert!(parse("claviger").expect("the screen").command.is_none());
        let create = parse("claviger create 'a; $(id) `id` \"x\"' --json").expect("a command");
        let Some(Command::Keyring(KeyringCommand::Create(create))) = create.command else {
            panic!("create");
        };
        assert_eq!(create.name, "a; $(id) `id` \"x\"");
        assert!(parse("claviger list").is_ok() && parse("claviger member list").is_ok());
        assert!(parse("claviger create $HOME").is_ok_and(|wanted| {
            matches!(wanted.command, Some(Command::Keyring(KeyringCommand::Create(it))) if it.name == "$HOME")
        }));
    }
}
