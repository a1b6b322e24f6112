//! The keyed hashes that identify a send: its body, its idempotency key, its recipient.

use crate::catalog::KeyHasher;
use crate::ids::ChannelId;
use crate::ledger::{Fingerprint, RecipientHash};
use crate::pricing::Recipient;

/// What makes a send this one and no other.
#[derive(Debug, Clone, Copy)]
pub struct Fingerprints {
    /// Channel, endpoint and body, hashed.
    pub body: Fingerprint,
    /// The idempotency key, hashed.
    pub key: Option<Fingerprint>,
    /// The recipient, hashed.
    pub recipient: RecipientHash,
}

impl Fingerprints {
    /// Hashes what identifies this send; `path` keeps the two endpoints and Graph versions apart.
    pub fn of(
        hasher: &KeyHasher,
        channel_id: &ChannelId,
        path: &str,
        body: &[u8],
        key: Option<&[u8]>,
        recipient: &Recipient,
    ) -> Fingerprints {
        Fingerprints {
            body: hasher.body(channel_id, path, body),
            key: key.map(|key| hasher.idempotency_key(key)),
            recipient: hasher.recipient(recipient.as_str()),
        }
    }
}
