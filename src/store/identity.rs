//! Which file it is that a SQLite store has open, asked before every statement.
//!
//! SQLite goes on with what it has open whatever becomes of the names: a file that was moved away or
//! replaced still takes changes, and they go nowhere; with its log or its shared index gone, this
//! process and a newer one no longer see each other's changes. A file that could only be opened as
//! unchanging is looked at once and believed for ever. None of that is noticed by SQLite itself.
use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// The file under a path, and what belongs beside it. Clones share what they know.
#[derive(Clone)]
pub(super) struct FileIdentity {
    path: PathBuf,
    itself: Node,
    beside: Beside,
}

/// A file, whatever it is called: its device and its inode.
type Node = (u64, u64);

#[derive(Clone)]
enum Beside {
    /// The log and the shared index, once they are there. As long as a connection of ours is open
    /// nobody but a stranger takes them away.
    Shared(Companions),
    /// Opened as unchanging: when it was changed last, and its length.
    Frozen([i64; 5]),
}

/// The log and the shared index, as they were seen first.
#[derive(Clone, Default)]
pub(super) struct Companions(Arc<Mutex<Option<[Node; 2]>>>);

impl Companions {
    /// The only connection is given up for another: with the last one they may go, and come anew.
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
    pub fn shared(path: &Path, companions: Companions) -> Option<Self> {
        Self::of(path, |_| Beside::Shared(companions))
    }

    /// Of a file that was opened as unchanging.
    pub fn frozen(path: &Path) -> Option<Self> {
        Self::of(path, |metadata| Beside::Frozen(state(metadata)))
    }

    fn of(path: &Path, beside: impl FnOnce(&Metadata) -> Beside) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            path: path.to_owned(),
            itself: node(&metadata),
            beside: beside(&metadata),
        })
    }

    /// Whether it is still what was opened.
    pub fn holds(&self) -> bool {
        let Ok(metadata) = std::fs::metadata(&self.path) else {
            return false;
        };
        node(&metadata) == self.itself
            && match &self.beside {
                Beside::Shared(companions) => companions.are_there(&self.path),
                Beside::Frozen(before) => {
                    let log = std::fs::metadata(companion(&self.path, "-wal"));
                    state(&metadata) == *before && log.map_or(0, |log| log.len()) == 0
                }
            }
    }
}

/// The name of a file that belongs beside the database's.
pub(super) fn companion(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn node(metadata: &Metadata) -> Node {
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

fn found_beside(path: &Path) -> Option<[Node; 2]> {
    let found = |ending| Some(node(&std::fs::metadata(companion(path, ending)).ok()?));
    Some([found("-wal")?, found("-shm")?])
}
