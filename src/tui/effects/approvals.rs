//! Carries out the decision on a request for approval.
use super::Warning;
use crate::{
    domain::{approval::PendingChange, audit::Change, text::visible, token::KeyId},
    keyring::Keyring,
};

/// Approves or rejects a request. Returns a sentence about it, and the key that was revoked by that,
/// if one was.
pub(super) async fn decide(
    request: &PendingChange,
    approve: bool,
    keyring: &Keyring,
    warning: &mut Warning,
) -> Result<(String, Option<KeyId>), String> {
    let (word, done) = if approve {
        ("Approved", keyring.approve(request).await)
    } else {
        ("Rejected", keyring.reject(request).await)
    };
    warning.take(done.map_err(|error| error.to_string())?);
    let revoked = !approve && request.change == Change::Created;
    let said = format!("{word}: {}, {}.", request.title(), visible(&request.name));
    Ok((said, request.subject.parse().ok().filter(|_| revoked)))
}
