//! Checks, before every read and every transaction, that an open SQLite file is still the same
//! file.
//!
//! SQLite keeps using the files that it has open, whatever happens to their names. A file that was
//! moved away or replaced still accepts changes, and they are lost; when its log or its shared
//! index is deleted, this process and a newer one no longer see each other's changes. A file that
//! could only be opened as immutable is read once and assumed never to change. And a file with two
//! names has two logs, and neither is visible through the other name. SQLite itself notices none of
//! this (<https://sqlite.org/howtocorrupt.html>, 2).
use std::{
    fs::Metadata,
    io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{StoreError, StoreLocation};

/// The file at a path, and the files that belong beside it. Clones share what they know.
#[derive(Clone)]
pub(super) struct FileIdentity {
    path: PathBuf,
    itself: FileNode,
    beside: Sidecar,
}

/// The reason why a file must not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnsafeFile {
    /// The file at the path is not the one that was opened.
    Replaced,
    /// The file has a second name.
    NamedTwice,
}

/// A file independent of its name: its device and its inode.
type FileNode = (u64, u64);

#[derive(Clone)]
enum Sidecar {
    /// The log and the shared index, once they exist. While one of our connections is open, only
    /// another program can delete them.
    Shared(Companions),
    /// The file was opened as immutable: its length, and the times of its last changes.
    Frozen([i64; 5]),
}

/// The log and the shared index, as they were found first.
#[derive(Clone, Default)]
pub(super) struct Companions(Arc<Mutex<Option<[FileNode; 2]>>>);

impl Companions {
    /// Forgets the files, because a connection is being replaced: if it was the last one, SQLite
    /// may delete and recreate them.
    pub(super) fn forget(&self) {
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
    /// Identifies a file that other processes may change.
    ///
    /// # Errors
    /// Returns the operating system's error if the file cannot be read; so does [`Self::frozen`].
    pub(super) fn shared(path: &Path, companions: Companions) -> io::Result<Self> {
        Self::of(path, |_| Sidecar::Shared(companions))
    }

    /// Identifies a file that was opened as immutable.
    pub(super) fn frozen(path: &Path) -> io::Result<Self> {
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

    /// Checks that the path still points to the file that was opened, and that it is its only name.
    pub(super) fn holds(&self) -> Result<(), UnsafeFile> {
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

/// Checks that a file has no second name: neither a hard link, nor a mount of this file alone.
///
/// # Errors
/// Returns [`StoreError::NamedTwice`] if it has one.
pub(super) fn demand_one_name(path: &Path, place: &StoreLocation) -> Result<(), StoreError> {
    let linked = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.nlink() > 1);
    if linked || is_mounted_alone(path) {
        return Err(StoreError::NamedTwice(place.clone()));
    }
    Ok(())
}

/// Returns `true` if the file itself is a mount point. Only Linux reports that (proc(5), mountinfo,
/// the fifth field).
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

/// Returns the path of a file that belongs beside the database, by its suffix.
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
