//! Keeps checkpoints of the audit log in the system's log or in a file, and sends whole events to the
//! system's log.
//!
//! Users who can write to the database should be able to change neither: the system's log belongs
//! to journald or syslog, and the file should be protected (`chattr +a`, or another owner). This
//! module writes lines, and reads none back.
mod stream;

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::{
        fs::{FileTypeExt as _, OpenOptionsExt as _},
        net::UnixDatagram,
    },
    path::{Path, PathBuf},
};

pub(crate) use stream::EventStream;

use crate::domain::{audit::Checkpoint, location::CheckpointTarget, moment::Moment, text::visible};

/// The socket at which syslog and journald listen.
const SYSLOG: &str = "/dev/log";
/// Facility 10 (security), severity 6 (informational): RFC 3164, 4.1.1.
const PRIORITY: u8 = 10 * 8 + 6;

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Log(UnixDatagram),
    File(File),
}

impl Journal {
    /// Opens the journal; returns `None` if no checkpoints are kept. A file that does not exist is
    /// created with mode 0600.
    ///
    /// # Errors
    /// Returns a sentence if the socket or the file cannot be opened.
    pub(crate) fn open(target: &CheckpointTarget) -> Result<Option<Self>, String> {
        let system = Path::new(SYSLOG);
        let (path, opened) = match target {
            CheckpointTarget::Off => return Ok(None),
            CheckpointTarget::Default if !system.exists() => return Ok(None),
            CheckpointTarget::Default | CheckpointTarget::Syslog(None) => {
                (system, connect(system).map(Sink::Log))
            }
            CheckpointTarget::Syslog(Some(path)) => (path.as_path(), connect(path).map(Sink::Log)),
            CheckpointTarget::File(path) => (path.as_path(), open(path).map(Sink::File)),
        };
        let shown = visible(&path.to_string_lossy());
        let failed = |error: io::Error| {
            format!(
                "checkpoints of the audit log cannot be kept in {shown} ({error}): until they are, nobody would notice if its newest events were deleted. Make that place writable, or change `checkpoints` in config.toml"
            )
        };
        Ok(Some(Self {
            path: path.to_owned(),
            sink: opened.map_err(failed)?,
        }))
    }

    /// Returns the path of the log socket or file, with hazardous characters made visible.
    #[must_use]
    pub(crate) fn shown(&self) -> String {
        visible(&self.path.to_string_lossy())
    }

    /// Writes a checkpoint.
    ///
    /// # Errors
    /// Returns a sentence if the checkpoint cannot be written; its change was made nevertheless.
    pub(crate) fn keep(&self, checkpoint: &Checkpoint, now: Moment) -> Result<(), String> {
        let kept = match &self.sink {
            Sink::Log(socket) => {
                let line = format!("<{PRIORITY}>claviger[{}]: {checkpoint}", std::process::id());
                // A log daemon that was restarted listens at a new socket with the same path.
                let again = |_| connect(&self.path)?.send(line.as_bytes());
                socket.send(line.as_bytes()).or_else(again).map(drop)
            }
            // A single write, so that lines of several processes do not mix.
            Sink::File(file) => {
                let line = format!("{} {checkpoint}\n", now.rfc3339());
                { file }.write_all(line.as_bytes())
            }
        };
        kept.map_err(|error| {
            format!(
                "the change is made, but its checkpoint could not be kept in {} ({error})",
                self.shown()
            )
        })
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A log daemon that is stuck must not block this process.
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() || kind.is_fifo() || kind.is_char_device() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no file"))
    }
}
