//! The master key's file: its location, when it is created, and when it is refused.
//!
//! The first of these that applies is used: systemd's `$CREDENTIALS_DIRECTORY/master-key`, the file
//! named by `CLAVIGER_MASTER_KEY_FILE`, the file in the configuration folder. The key is never
//! taken from the value of an environment variable, because those are inherited and visible in
//! `/proc`. A new file is written under a temporary name in the same folder, synced, and
//! hard-linked to its final name (which fails if a file already exists there); then the folder is
//! synced. So the file is never visible incomplete, and it is durable before the first token is
//! sealed.
use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use data_encoding::{BASE64, HEXLOWER};
use nix::libc;
use sha2::Digest as _;
use zeroize::Zeroizing;

use super::{KEY_LENGTH, VaultError};
use crate::{domain::location::MasterKeyLocation, machine::Machine};

/// The prefix of the file's only line; the rest of the line is the key in base64.
const HEAD: &str = "claviger-master-key-1:";
/// The maximum length of the file, in bytes.
const MAX_FILE_BYTES: usize = 4096;

/// The master key, which wraps data keys and nothing else.
pub(crate) struct MasterKey {
    cipher: XChaCha20Poly1305,
    id: String,
    path: String,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

impl MasterKey {
    fn from_bytes(key: &[u8; KEY_LENGTH], path: String) -> Self {
        let mut hasher = sha2::Sha256::new();
        hasher.update(b"claviger master key id");
        hasher.update(key);
        let id = HEXLOWER.encode(&hasher.finalize()[..8]);
        Self {
            cipher: XChaCha20Poly1305::new(key.into()),
            id,
            path,
        }
    }

    /// Draws a master key that is not in a file, for tests.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn draw(machine: &Machine) -> Self {
        let mut key = Zeroizing::new([0_u8; KEY_LENGTH]);
        machine.fill(key.as_mut_slice());
        Self::from_bytes(&key, "nowhere".to_owned())
    }

    pub(super) fn cipher(&self) -> &XChaCha20Poly1305 {
        &self.cipher
    }

    /// Returns the key's id: a truncated hash of the key, which is not secret.
    #[must_use]
    pub(crate) fn id(&self) -> String {
        self.id.clone()
    }

    /// Returns the path of the key's file, for display.
    #[must_use]
    pub(crate) fn path(&self) -> String {
        self.path.clone()
    }

    /// Reads the master key.
    ///
    /// # Errors
    /// Returns [`VaultError::Missing`] if the file does not exist; [`VaultError::Refused`] if
    /// others can read it, it is a symbolic link or not a regular file, it belongs to a user other
    /// than this one and root, or it does not hold a master key; [`VaultError::Unusable`] if it
    /// cannot be read; and [`VaultError::NoPlace`] if no location is known.
    pub(crate) fn load(place: &MasterKeyLocation) -> Result<Self, VaultError> {
        let (path, judged) = match place {
            MasterKeyLocation::Credential(path) => (path, false),
            MasterKeyLocation::File(path) => (path, true),
            MasterKeyLocation::Nowhere => return Err(VaultError::NoPlace),
        };
        let shown = place.shown();
        let refused = |why: String| VaultError::Refused {
            path: shown.clone(),
            why,
        };
        let file = open_file(path).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT) => VaultError::Missing {
                path: shown.clone(),
            },
            Some(libc::ELOOP) => refused("it is a symbolic link; put the file itself there".into()),
            _ => VaultError::Unusable {
                path: shown.clone(),
                why: error.to_string(),
            },
        })?;
        let unusable = |error: io::Error| VaultError::Unusable {
            path: shown.clone(),
            why: error.to_string(),
        };
        let metadata = file.metadata().map_err(unusable)?;
        if judged {
            judge(&metadata).map_err(refused)?;
        }
        if metadata.len() > MAX_FILE_BYTES as u64 {
            return Err(refused("it is too long to be a master key".into()));
        }
        // With this capacity the text is never reallocated, so no copy of it is left in the heap.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES + 1));
        file.take(MAX_FILE_BYTES as u64)
            .read_to_end(&mut text)
            .map_err(unusable)?;
        let key = std::str::from_utf8(&text)
            .ok()
            .and_then(parse)
            .ok_or_else(|| {
                refused("it holds no master key; put the right file there from your backup".into())
            })?;
        Ok(Self::from_bytes(&key, shown))
    }

    /// Reads the master key, or creates its file if there is none yet.
    ///
    /// # Errors
    /// The same as for [`MasterKey::load`], and [`VaultError::Unusable`] if the file cannot be
    /// created. A missing systemd credential is never created.
    pub(crate) fn load_or_make(
        place: &MasterKeyLocation,
        machine: &Machine,
    ) -> Result<Self, VaultError> {
        match (Self::load(place), place) {
            (Err(VaultError::Missing { .. }), MasterKeyLocation::File(path)) => {
                make(path, machine).map_err(|error| VaultError::Unusable {
                    path: place.shown(),
                    why: error.to_string(),
                })?;
                Self::load(place)
            }
            (other, _) => other,
        }
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    // Never follow a symbolic link, and never block on a pipe that was put there.
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

fn judge(metadata: &fs::Metadata) -> Result<(), String> {
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    let me = nix::unistd::Uid::effective().as_raw();
    if metadata.uid() != me && metadata.uid() != 0 {
        return Err(format!(
            "it belongs to user {}; make it yours with `chown`",
            metadata.uid()
        ));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "others may read it (mode {mode:04o}); run `chmod 600` on it; if somebody may have read it and the database, make sure that nobody can any more, and rotate every API key with `--overlap 0`"
        ));
    }
    Ok(())
}

fn parse(text: &str) -> Option<Zeroizing<[u8; KEY_LENGTH]>> {
    let encoded = text.trim_end_matches(['\n', '\r']).strip_prefix(HEAD)?;
    let bytes = Zeroizing::new(BASE64.decode(encoded.as_bytes()).ok()?);
    let mut key = Zeroizing::new([0_u8; KEY_LENGTH]);
    (bytes.len() == KEY_LENGTH).then(|| {
        key.copy_from_slice(&bytes);
        key
    })
}

fn make(path: &Path, machine: &Machine) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|f| !f.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut key = Zeroizing::new([0_u8; KEY_LENGTH]);
    machine.fill(key.as_mut_slice());
    let line = Zeroizing::new(format!("{HEAD}{}\n", BASE64.encode(key.as_slice())));
    let beside = folder.join(format!(".master-key.{}", machine.draw_hex(8)));
    let written = write_synced(&beside, line.as_bytes()).and_then(|()| {
        match fs::hard_link(&beside, path) {
            // Another process created the file first: its key is used.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    });
    let _ = fs::remove_file(&beside);
    written?;
    File::open(folder)?.sync_all()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::domain::moment::Moment;

    fn machine() -> Machine {
        Machine::fixed(Moment::from_millis(0), "test")
    }

    #[test]
    fn made_once_with_0600_and_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/er/master-key");
        let place = MasterKeyLocation::File(path.clone());
        let machine = machine();
        assert!(matches!(
            MasterKey::load(&place),
            Err(VaultError::Missing { .. })
        ));
        let made = MasterKey::load_or_make(&place, &machine).expect("made");
        let again = MasterKey::load_or_make(&place, &machine).expect("read");
        assert_eq!(made.id(), again.id());
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        let folder = path.parent().expect("a folder");
        assert_eq!(fs::metadata(folder).expect("there").mode() & 0o777, 0o700);
        assert_eq!(
            fs::read_dir(folder).expect("a folder").count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn refused_when_others_can_read_it_or_it_is_something_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("master-key");
        let place = MasterKeyLocation::File(path.clone());
        MasterKey::load_or_make(&place, &machine()).expect("made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
        let error = MasterKey::load(&place).expect_err("too open").to_string();
        assert!(
            error.contains("mode 0644") && error.contains("chmod 600"),
            "{error}"
        );

        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let error = MasterKey::load(&MasterKeyLocation::File(link))
            .expect_err("a link")
            .to_string();
        assert!(error.contains("symbolic link"), "{error}");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        for bad in [
            "".as_bytes(),
            b"claviger-master-key-1:AAAA\n",
            b"hunter2\n",
            &[0xff; 32],
        ] {
            fs::write(&path, bad).expect("written");
            let error = MasterKey::load(&place).expect_err("no key").to_string();
            assert!(error.contains("holds no master key"), "{error}");
            assert!(!error.contains("hunter2"));
        }
        let error = MasterKey::load(&MasterKeyLocation::File(folder.path().to_owned()))
            .expect_err("a folder");
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
}
