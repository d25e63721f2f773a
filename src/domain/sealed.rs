//! Secrets as they are stored: encrypted, so that a copy of the database alone opens none of them.
use super::token::Digest;

/// A data key, wrapped by the master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedDataKey {
    /// Its id, in hexadecimal.
    pub id: String,
    /// The id of the master key that wraps it.
    pub master_key_id: String,
    /// The wrapped key, in base64.
    pub wrapped: String,
}

/// A token, sealed with a data key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedToken {
    /// The token's SHA-256.
    pub digest: Digest,
    /// The id of the data key that it is sealed with.
    pub data_key_id: String,
    /// The sealed token, in base64.
    pub sealed: String,
}
