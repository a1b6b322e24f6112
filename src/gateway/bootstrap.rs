//! The first operator key: the configured one, or one made where the ledger holds none.

use crate::catalog::OPERATOR;
use crate::catalog::keys::{KeyHasher, KeyText, hex};
use crate::ledger::{ClaimKind, Ledger, LedgerFault};

/// Claim that names the hash of the bootstrap key in force.
const IN_FORCE: &str = "bootstrap";

/// Makes `configured` the bootstrap key, or makes one up where there has never been one; answers a key that was made up.
pub(super) async fn bootstrap(ledger: &dyn Ledger, hasher: &KeyHasher, configured: Option<&str>) -> Result<Option<String>, LedgerFault> {
    let in_force = ledger.claimed(ClaimKind::Key, IN_FORCE).await?;
    let owner = format!("{OPERATOR}/{IN_FORCE}");
    let (key, made) = match configured {
        Some(key) => (key.to_owned(), None),
        None if in_force.is_some() => return Ok(None),
        None => {
            let made = KeyText::fresh().map_err(|error| LedgerFault::Closed(format!("no randomness for a key: {error}")))?;
            (made.as_str().to_owned(), Some(made.as_str().to_owned()))
        }
    };
    let hash = hex(&hasher.key(&key));
    if in_force.as_deref() == Some(hash.as_str()) {
        return Ok(None);
    }
    let holder = ledger.claim(ClaimKind::Key, &hash, &owner).await?;
    if holder != owner {
        return Err(LedgerFault::Refused("the bootstrap key is an account's key; choose another".into()));
    }
    if let Some(old) = in_force {
        // The old key opens nothing from now on.
        ledger.unclaim(ClaimKind::Key, &old, &owner).await?;
        ledger.unclaim(ClaimKind::Key, IN_FORCE, &old).await?;
    }
    ledger.claim(ClaimKind::Key, IN_FORCE, &hash).await?;
    Ok(made)
}
