//! The first operator key: the configured one, or one made if the ledger never had any.

use crate::catalog::OPERATOR;
use crate::catalog::keys::{KeyHasher, KeyText, hex, is_well_formed};
use crate::control::tombstone::Tombstone;
use crate::ledger::{ClaimKind, Claims, LedgerFault};

/// A name among the claimed hashes, held by the hash of the bootstrap key in force; no hash looks
/// like it.
const IN_FORCE: &str = "bootstrap";

/// Gateways with different keys that start at once take the place from each other; one of them has
/// it after a turn or two.
const TURNS: usize = 8;

/// Why there is no bootstrap key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapError {
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerFault),
    /// The configured text cannot be a key.
    #[error(
        "the bootstrap key is 16 to 255 visible ASCII characters; one of ours carries its checksum"
    )]
    Malformed,
    /// The configured text opens an account.
    #[error("the bootstrap key is an account's key; choose another")]
    Taken,
    /// The configured text opened an account once, and was revoked.
    #[error("the bootstrap key was an account's key and is revoked; choose another")]
    Revoked,
    /// The system gave no randomness.
    #[error("the system gave no randomness for a key")]
    NoRandomness,
    /// Others keep changing it.
    #[error("other gateways keep changing the bootstrap key; give all of them the same")]
    Contested,
}

/// Makes `configured` the bootstrap key: one that was in force before, configured or made, opens
/// nothing from now on. Without a configured key one is made if the ledger never had any, and
/// returned: it cannot be shown again. Gateways may do this at the same time.
///
/// # Errors
/// See [`BootstrapError`]. What was in force stays in force unless the ledger fails half-way; then
/// the next start goes on.
pub async fn bootstrap(
    claims: &dyn Claims,
    hasher: &KeyHasher,
    configured: Option<&str>,
) -> Result<Option<KeyText>, BootstrapError> {
    match configured {
        Some(key) => put(claims, hasher, key).await.map(|()| None),
        None if claims.claimed(ClaimKind::Key, IN_FORCE).await?.is_some() => Ok(None),
        None => make(claims, hasher).await,
    }
}

fn owner() -> String {
    format!("{OPERATOR}/{IN_FORCE}")
}

async fn put(claims: &dyn Claims, hasher: &KeyHasher, key: &str) -> Result<(), BootstrapError> {
    if !is_well_formed(key) {
        return Err(BootstrapError::Malformed);
    }
    let (hash, owner) = (hex(&hasher.key(key)), owner());
    if Tombstone::of_key(&hash).set_at_ms(claims).await?.is_some() {
        return Err(BootstrapError::Revoked);
    }
    for _ in 0..TURNS {
        // Each turn, because another gateway may just have replaced this very key.
        if claims.claim(ClaimKind::Key, &hash, &owner).await? != owner {
            return Err(BootstrapError::Taken);
        }
        let in_force = claims.claim(ClaimKind::Key, IN_FORCE, &hash).await?;
        if in_force == hash {
            return Ok(());
        }
        // The old key first: a crash between the two must not leave a key that nobody can take
        // back.
        claims.unclaim(ClaimKind::Key, &in_force, &owner).await?;
        claims.unclaim(ClaimKind::Key, IN_FORCE, &in_force).await?;
    }
    Err(BootstrapError::Contested)
}

async fn make(claims: &dyn Claims, hasher: &KeyHasher) -> Result<Option<KeyText>, BootstrapError> {
    let key = KeyText::fresh().map_err(|_| BootstrapError::NoRandomness)?;
    let (hash, owner) = (hex(&hasher.key(key.as_str())), owner());
    // The key before its place: a crash between the two leaves a key nobody knows, not a ledger
    // nobody can open.
    claims.claim(ClaimKind::Key, &hash, &owner).await?;
    if claims.claim(ClaimKind::Key, IN_FORCE, &hash).await? == hash {
        return Ok(Some(key));
    }
    // Another gateway came first.
    claims.unclaim(ClaimKind::Key, &hash, &owner).await?;
    Ok(None)
}
