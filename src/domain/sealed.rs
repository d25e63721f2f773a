//! Secrets as stored: encrypted, so that a copy of the database alone reveals none of them.
use super::token::Digest;

/// A data key, encrypted ("wrapped") with the master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedDataKey {
    /// The data key's id, in hexadecimal.
    pub id: String,
    /// The id of the master key that wraps it.
    pub master_key_id: String,
    /// The wrapped key, in base64.
    pub wrapped: String,
}

/// A token, encrypted ("sealed") with a data key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedToken {
    /// The SHA-256 of the token.
    pub digest: Digest,
    /// The id of the data key that the token is sealed with.
    pub data_key_id: String,
    /// The sealed token, in base64.
    pub sealed: String,
}
