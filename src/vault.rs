//! The vault: the master key, and the sealing of tokens.
//!
//! No other module sees key material. The master key is kept outside the database, in a file that
//! only its owner can read, and wraps one data key. The data key seals each token with
//! XChaCha20-Poly1305, bound to its store, its key id and the data key. So a sealed token that was
//! moved, swapped or altered gives an error when opened, and never another value. Random 192-bit
//! nonces need no counter. A token's record is `version ‖ data key id ‖ nonce ‖ ciphertext ‖ tag`
//! and has exactly one valid length. After opening, the digest is computed again and must equal the
//! stored one.
mod master_key;

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use data_encoding::{BASE64, HEXLOWER};
pub(crate) use master_key::MasterKey;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::{
    domain::{
        sealed::WrappedDataKey,
        token::{Digest, KeyId, LONGEST_TOKEN, SHORTEST_TOKEN, Token},
    },
    machine::Machine,
};

const VERSION: u8 = 1;
const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 24;
const TAG_LENGTH: usize = 16;
const DATA_KEY_ID_LENGTH: usize = 16;
/// The length of the part before the nonce in a token's record: the version and the data key's id.
const HEAD: usize = 1 + DATA_KEY_ID_LENGTH;

/// Why a token or a key could not be opened. No message contains key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The master key's file does not exist, and tokens are sealed with that key.
    #[error(
        "the master key file {path} is missing, and tokens are sealed with it: put it back from your backup, or name the right file with CLAVIGER_MASTER_KEY_FILE. Until then keys cannot be created, rotated, copied or revealed; everything else works"
    )]
    Missing {
        /// The path where the file should be.
        path: String,
    },
    /// The file was refused: its permissions, owner, type or content are wrong.
    #[error("the master key file {path} is refused: {why}")]
    Refused {
        /// The path of the file.
        path: String,
        /// The problem, and what to do about it.
        why: String,
    },
    /// The file cannot be read or written.
    #[error(
        "the master key file {path} cannot be used ({why}): check that it is a file that you can read, in a folder that you can write, or name another with CLAVIGER_MASTER_KEY_FILE"
    )]
    Unusable {
        /// The path of the file.
        path: String,
        /// The operating system's error message.
        why: String,
    },
    /// The file holds a master key, but not the one of this database.
    #[error(
        "{path} is not the master key of this database: find the right file, or name it with CLAVIGER_MASTER_KEY_FILE"
    )]
    WrongKey {
        /// The path of the file.
        path: String,
    },
    /// No location is known for the master key.
    #[error(
        "no place is known for the master key: set HOME, or name its file with CLAVIGER_MASTER_KEY_FILE"
    )]
    NoPlace,
    /// A sealed token does not open, or opens to something other than the expected token.
    #[error(
        "the sealed token of {0} does not open: its record was changed or belongs elsewhere. The key can still be checked and revoked; `claviger doctor` says more"
    )]
    Tampered(String),
    /// The data key does not open with the master key that it names.
    #[error(
        "the data key does not open with the master key {path}: its record was changed. Restore the database from a backup"
    )]
    DataKeyTampered {
        /// The path of the master key's file.
        path: String,
    },
}

/// The decrypted data key of one store.
pub(crate) struct DataKey {
    cipher: XChaCha20Poly1305,
    id: [u8; DATA_KEY_ID_LENGTH],
    store: String,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataKey({})", self.id())
    }
}

impl DataKey {
    /// Returns the data key's id, in hexadecimal.
    #[must_use]
    pub(crate) fn id(&self) -> String {
        HEXLOWER.encode(&self.id)
    }

    /// Draws a new data key and wraps it with the master key.
    ///
    /// # Errors
    /// Returns [`VaultError::Unusable`] if the cipher fails, which it does for no input of this
    /// size.
    pub(crate) fn draw(
        master: &MasterKey,
        store: &str,
        machine: &Machine,
    ) -> Result<WrappedDataKey, VaultError> {
        let mut key = Zeroizing::new([0_u8; KEY_LENGTH]);
        let mut id = [0_u8; DATA_KEY_ID_LENGTH];
        machine.fill(key.as_mut_slice());
        machine.fill(&mut id);
        let aad = bound(&[b"dek", store.as_bytes(), &id, master.id().as_bytes()]);
        let sealed = seal(master.cipher(), key.as_slice(), &aad, machine).ok_or_else(|| {
            VaultError::Unusable {
                path: master.path(),
                why: "the cipher refused".into(),
            }
        })?;
        let mut record = vec![VERSION];
        record.extend_from_slice(&sealed);
        Ok(WrappedDataKey {
            id: HEXLOWER.encode(&id),
            master_key_id: master.id(),
            wrapped: BASE64.encode(&record),
        })
    }

    /// Opens a wrapped data key.
    ///
    /// # Errors
    /// Returns [`VaultError::WrongKey`] if it was wrapped with another master key, and
    /// [`VaultError::DataKeyTampered`] if its record does not open.
    pub(crate) fn unwrap(
        wrapped: &WrappedDataKey,
        master: &MasterKey,
        store: &str,
    ) -> Result<Self, VaultError> {
        if wrapped.master_key_id != master.id() {
            return Err(VaultError::WrongKey {
                path: master.path(),
            });
        }
        let tampered = || VaultError::DataKeyTampered {
            path: master.path(),
        };
        let id: [u8; DATA_KEY_ID_LENGTH] = HEXLOWER
            .decode(wrapped.id.as_bytes())
            .ok()
            .and_then(|id| id.try_into().ok())
            .ok_or_else(tampered)?;
        let record = BASE64
            .decode(wrapped.wrapped.as_bytes())
            .map_err(|_| tampered())?;
        let aad = bound(&[b"dek", store.as_bytes(), &id, master.id().as_bytes()]);
        let (version, sealed) = record.split_first().ok_or_else(tampered)?;
        let fits = *version == VERSION && sealed.len() == NONCE_LENGTH + KEY_LENGTH + TAG_LENGTH;
        let key = fits
            .then(|| open(master.cipher(), sealed, &aad))
            .flatten()
            .ok_or_else(tampered)?;
        let cipher = XChaCha20Poly1305::new_from_slice(&key).map_err(|_| tampered())?;
        Ok(Self {
            cipher,
            id,
            store: store.to_owned(),
        })
    }

    fn aad(&self, key: &KeyId) -> Vec<u8> {
        bound(&[
            b"secret",
            &[VERSION],
            self.store.as_bytes(),
            key.as_str().as_bytes(),
            &self.id,
        ])
    }

    /// Seals a token and returns the record in base64.
    ///
    /// # Errors
    /// Returns [`VaultError::Tampered`] if the cipher fails, which it does for no token.
    pub(crate) fn seal(&self, token: &Token, machine: &Machine) -> Result<String, VaultError> {
        let text = token.expose().expose_secret().as_bytes();
        let sealed = seal(&self.cipher, text, &self.aad(token.key_id()), machine)
            .ok_or_else(|| VaultError::Tampered(token.key_id().to_string()))?;
        let mut record = Vec::with_capacity(HEAD + sealed.len());
        record.push(VERSION);
        record.extend_from_slice(&self.id);
        record.extend_from_slice(&sealed);
        Ok(BASE64.encode(&record))
    }

    /// Opens a sealed token.
    ///
    /// # Errors
    /// Returns [`VaultError::Tampered`] if the record does not open, if the result is not a token
    /// or belongs to another key, or if its digest is not `digest`.
    pub(crate) fn open(
        &self,
        sealed: &str,
        key: &KeyId,
        digest: &Digest,
    ) -> Result<Token, VaultError> {
        let tampered = || VaultError::Tampered(key.to_string());
        let record = BASE64.decode(sealed.as_bytes()).map_err(|_| tampered())?;
        let around = HEAD + NONCE_LENGTH + TAG_LENGTH;
        let lengths = around + SHORTEST_TOKEN..=around + LONGEST_TOKEN;
        let fits =
            lengths.contains(&record.len()) && record[0] == VERSION && record[1..HEAD] == self.id;
        let text = fits
            .then(|| open(&self.cipher, &record[HEAD..], &self.aad(key)))
            .flatten()
            .ok_or_else(tampered)?;
        let text = std::str::from_utf8(&text).map_err(|_| tampered())?;
        let token = Token::parse(text).map_err(|_| tampered())?;
        if token.key_id() != key || token.digest() != *digest {
            return Err(tampered());
        }
        Ok(token)
    }
}

/// Concatenates fields with their lengths in front, so that different lists of fields never give
/// the same bytes.
fn bound(fields: &[&[u8]]) -> Vec<u8> {
    let mut aad = Vec::new();
    for field in fields {
        aad.extend_from_slice(&(field.len() as u64).to_be_bytes());
        aad.extend_from_slice(field);
    }
    aad
}

fn seal(
    cipher: &XChaCha20Poly1305,
    message: &[u8],
    aad: &[u8],
    machine: &Machine,
) -> Option<Vec<u8>> {
    let mut nonce = [0_u8; NONCE_LENGTH];
    machine.fill(&mut nonce);
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: message, aad })
        .ok()?;
    Some([nonce.as_slice(), &sealed].concat())
}

fn open(cipher: &XChaCha20Poly1305, record: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = record.split_first_chunk::<NONCE_LENGTH>()?;
    cipher
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad })
        .ok()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{moment::Moment, token::TokenPrefix};

    fn machine() -> Machine {
        Machine::fixed(Moment::from_millis(0), "test")
    }

    struct Fixture {
        master: MasterKey,
        wrapped: WrappedDataKey,
        key: DataKey,
        token: Token,
        sealed: String,
    }

    fn fixture(machine: &Machine) -> Fixture {
        let master = MasterKey::draw(machine);
        let wrapped = DataKey::draw(&master, "store", machine).expect("wrapped");
        let key = DataKey::unwrap(&wrapped, &master, "store").expect("opened");
        let mut chance = |buffer: &mut [u8]| machine.fill(buffer);
        let id = KeyId::draw(&mut chance);
        let token = Token::mint(&TokenPrefix::default(), &id, &mut chance);
        let sealed = key.seal(&token, machine).expect("sealed");
        Fixture {
            master,
            wrapped,
            key,
            token,
            sealed,
        }
    }

    #[test]
    fn what_is_sealed_opens() {
        let f = fixture(&machine());
        let opened = f
            .key
            .open(&f.sealed, f.token.key_id(), &f.token.digest())
            .expect("opens");
        assert_eq!(opened.digest(), f.token.digest());
    }

    #[test]
    fn every_bit_every_length_and_every_move_is_refused() {
        let machine = machine();
        let f = fixture(&machine);
        let record = BASE64.decode(f.sealed.as_bytes()).expect("base64");
        let refused = |record: &[u8]| {
            f.key
                .open(&BASE64.encode(record), f.token.key_id(), &f.token.digest())
                .is_err()
        };
        for at in 0..record.len() * 8 {
            let mut bent = record.clone();
            bent[at / 8] ^= 1 << (at % 8);
            assert!(refused(&bent), "bit {at}");
        }
        for length in 0..record.len() {
            assert!(refused(&record[..length]));
        }
        assert!(refused(&[record.as_slice(), &[0]].concat()));

        let mut chance = |buffer: &mut [u8]| machine.fill(buffer);
        let other = Token::mint(
            &TokenPrefix::default(),
            &KeyId::draw(&mut chance),
            &mut chance,
        );
        let moved = f.key.open(&f.sealed, other.key_id(), &f.token.digest());
        assert_eq!(
            moved.err(),
            Some(VaultError::Tampered(other.key_id().to_string()))
        );
        assert!(
            f.key
                .open(&f.sealed, f.token.key_id(), &other.digest())
                .is_err(),
            "another digest"
        );
    }

    #[test]
    fn another_store_or_another_master_key_does_not_open_it() {
        let machine = machine();
        let f = fixture(&machine);
        assert!(matches!(
            DataKey::unwrap(&f.wrapped, &f.master, "elsewhere"),
            Err(VaultError::DataKeyTampered { .. })
        ));
        let stranger = MasterKey::draw(&machine);
        assert!(matches!(
            DataKey::unwrap(&f.wrapped, &stranger, "store"),
            Err(VaultError::WrongKey { .. })
        ));
        let elsewhere = DataKey::draw(&f.master, "elsewhere", &machine).expect("wrapped");
        let elsewhere = DataKey::unwrap(&elsewhere, &f.master, "elsewhere").expect("opened");
        assert!(
            elsewhere
                .open(&f.sealed, f.token.key_id(), &f.token.digest())
                .is_err()
        );
    }

    #[test]
    fn nothing_prints_itself() {
        let f = fixture(&machine());
        let shown = format!("{:?} {:?} {:?}", f.master, f.key, f.token);
        assert!(!shown.contains(f.token.expose().expose_secret()));
        assert!(shown.len() < 200, "{shown}");
    }
}
