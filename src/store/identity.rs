//! Which file it is that a SQLite store has open, asked before every look and every transaction.
//!
//! SQLite goes on with what it has open whatever becomes of the names: a file that was moved away or
//! replaced still takes changes, and they go nowhere; with its log or its shared index gone, this
//! process and a newer one no longer see each other's changes. A file that could only be opened as
//! unchanging is looked at once and believed for ever. And a file with two names has two logs, each
//! unseen through the other name. None of that is noticed by SQLite itself
//! (<https://sqlite.org/howtocorrupt.html>, 2).
use std::{
    fs::Metadata,
    io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{StoreError, StoreLocation};

/// The file under a path, and what belongs beside it. Clones share what they know.
#[derive(Clone)]
pub(super) struct FileIdentity {
    path: PathBuf,
    itself: FileNode,
    beside: Sidecar,
}

/// Why a file must not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnsafeFile {
    /// It is not what was opened.
    Replaced,
    /// It has another name.
    NamedTwice,
}

/// A file, whatever it is called: its device and its inode.
type FileNode = (u64, u64);

#[derive(Clone)]
enum Sidecar {
    /// The log and the shared index, once they are there. As long as a connection of ours is open
    /// nobody but a stranger takes them away.
    Shared(Companions),
    /// Opened as unchanging: when it was changed last, and its length.
    Frozen([i64; 5]),
}

/// The log and the shared index, as they were seen first.
#[derive(Clone, Default)]
pub(super) struct Companions(Arc<Mutex<Option<[FileNode; 2]>>>);

impl Companions {
    /// A connection is given up for another: if it was the last one they may go, and come anew.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn are_there(&self, path: &Path) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (*known, found_beside(path)) {
            (Some(known), found) => found == Some(known),
            (None, found) => {
                *known = found;
                true
            }
        }
    }
}

impl FileIdentity {
    /// Of a file that others may change.
    ///
    /// # Errors
    /// The system's, for this and the next.
    pub fn shared(path: &Path, companions: Companions) -> io::Result<Self> {
        Self::of(path, |_| Sidecar::Shared(companions))
    }

    /// Of a file that was opened as unchanging.
    pub fn frozen(path: &Path) -> io::Result<Self> {
        Self::of(path, |metadata| Sidecar::Frozen(state(metadata)))
    }

    fn of(path: &Path, beside: impl FnOnce(&Metadata) -> Sidecar) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            itself: node(&metadata),
            beside: beside(&metadata),
        })
    }

    /// Whether it is still what was opened, and under one name.
    pub fn holds(&self) -> Result<(), UnsafeFile> {
        let metadata = std::fs::metadata(&self.path).map_err(|_| UnsafeFile::Replaced)?;
        let holds = node(&metadata) == self.itself
            && match &self.beside {
                Sidecar::Shared(companions) => companions.are_there(&self.path),
                Sidecar::Frozen(before) => {
                    let log = std::fs::metadata(companion(&self.path, "-wal"));
                    state(&metadata) == *before && log.map_or(0, |log| log.len()) == 0
                }
            };
        if !holds {
            Err(UnsafeFile::Replaced)
        } else if metadata.nlink() > 1 {
            Err(UnsafeFile::NamedTwice)
        } else {
            Ok(())
        }
    }
}

/// Demands that a file has no other name: neither a hard link, nor a mount of this file alone.
///
/// # Errors
/// [`StoreError::NamedTwice`].
pub(super) fn demand_one_name(path: &Path, place: &StoreLocation) -> Result<(), StoreError> {
    let linked = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.nlink() > 1);
    if linked || is_mounted_alone(path) {
        return Err(StoreError::NamedTwice(place.clone()));
    }
    Ok(())
}

/// Whether the file itself is a mount point; only Linux tells (proc(5), mountinfo, the fifth field).
fn is_mounted_alone(path: &Path) -> bool {
    let (Ok(path), Ok(mounts)) = (
        std::fs::canonicalize(path),
        std::fs::read("/proc/self/mountinfo"),
    ) else {
        return false;
    };
    let escaped: Vec<u8> = path
        .as_os_str()
        .as_bytes()
        .iter()
        .flat_map(|byte| match byte {
            b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
            byte => vec![*byte],
        })
        .collect();
    mounts
        .split(|byte| *byte == b'\n')
        .any(|line| line.split(|byte| *byte == b' ').nth(4) == Some(&escaped))
}

/// The name of a file that belongs beside the database's.
pub(super) fn companion(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn node(metadata: &Metadata) -> FileNode {
    (metadata.dev(), metadata.ino())
}

fn state(metadata: &Metadata) -> [i64; 5] {
    let length = i64::try_from(metadata.len()).unwrap_or(i64::MAX);
    [
        length,
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ]
}

fn found_beside(path: &Path) -> Option<[FileNode; 2]> {
    let found = |ending| Some(node(&std::fs::metadata(companion(path, ending)).ok()?));
    Some([found("-wal")?, found("-shm")?])
}
