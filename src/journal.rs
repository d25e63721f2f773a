//! Where checkpoints of the audit log are kept: the system's log, or a file.
//!
//! Both lie out of reach of whoever can write to the database: the log belongs to journald or syslog,
//! the file should belong to somebody else (`chattr +a`, or another user's). It writes lines and
//! reads none back.
use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::{
        fs::{FileTypeExt as _, OpenOptionsExt as _},
        net::UnixDatagram,
    },
    path::{Path, PathBuf},
};

use crate::domain::{audit::Checkpoint, moment::Moment, text::visible};

/// Where syslog and journald listen.
pub const SYSLOG: &str = "/dev/log";
/// Facility 10 (security), severity 6 (informational): RFC 3164, 4.1.1.
const PRIORITY: u8 = 10 * 8 + 6;

/// Where checkpoints go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nowhere.
    Off,
    /// To the log that listens at this socket.
    Syslog(PathBuf),
    /// To the end of this file.
    File(PathBuf),
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    place: Place,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Log(UnixDatagram, PathBuf),
    File(File),
}

impl Journal {
    /// Opens it; `None` where checkpoints go nowhere. A file is made 0600 if there is none.
    ///
    /// # Errors
    /// A sentence.
    pub fn open(place: &Place) -> Result<Option<Self>, String> {
        let opened = match place {
            Place::Off => return Ok(None),
            Place::Syslog(path) => connect(path).map(|log| Sink::Log(log, path.clone())),
            Place::File(path) => open(path).map(Sink::File),
        };
        let failed = |error: io::Error| {
            format!(
                "checkpoints of the audit log cannot be kept in {place} ({error}): its end could be cut off unseen. Mend that, or set `checkpoints` in config.toml"
            )
        };
        Ok(Some(Self {
            place: place.clone(),
            sink: opened.map_err(failed)?,
        }))
    }

    /// Keeps a checkpoint.
    ///
    /// # Errors
    /// A sentence; the change that it is of was made all the same.
    pub fn keep(&self, checkpoint: &Checkpoint, now: Moment) -> Result<(), String> {
        let kept = match &self.sink {
            Sink::Log(socket, path) => {
                let line = format!("<{PRIORITY}>claviger[{}]: {checkpoint}", std::process::id());
                // A log that was started anew listens at another socket of the same name.
                let again = |_| connect(path)?.send(line.as_bytes());
                socket.send(line.as_bytes()).or_else(again).map(drop)
            }
            // One write: lines of several processes do not mix.
            Sink::File(file) => {
                let line = format!("{} {checkpoint}\n", now.rfc3339());
                { file }.write_all(line.as_bytes())
            }
        };
        kept.map_err(|error| {
            format!(
                "the change is made, but its checkpoint could not be kept in {} ({error})",
                self.place
            )
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("nothing"),
            Self::Syslog(path) | Self::File(path) => f.write_str(&visible(&path.to_string_lossy())),
        }
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A log that is stuck must hold up nobody.
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
