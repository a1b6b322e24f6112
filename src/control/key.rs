//! Gateway keys: made here, shown once, stored as keyed hashes. A key's hash is claimed across
//! accounts before its document is written.

use std::time::Duration;

use super::error::{Conflict, ControlError};
use super::handles::{CHANGE_TRIES, Control, contended};
use super::mistakes::Mistakes;
use super::permission::may_manage;
use super::put::{Existing, Made};
use super::tombstone::Tombstone;
use crate::catalog::documents::{Grant, KeySettings};
use crate::catalog::keys::{ends_with, hex, is_well_formed};
use crate::catalog::{KeyText, Principal};
use crate::ids::{AccountId, KeyId};
use crate::ledger::{ClaimKind, DocumentKind, Fingerprint};

/// A key that was just made; its text is shown this once.
pub struct MadeKey {
    /// Its id.
    pub id: KeyId,
    /// What an engine presents.
    pub text: KeyText,
    /// What is stored of it.
    pub settings: KeySettings,
}

/// Makes a key, under an id of its own if none is given.
///
/// # Errors
/// No scope or one twice, a key of that id, or a fault of the ledger.
pub async fn make(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    id: Option<KeyId>,
    grant: &Grant,
) -> Result<MadeKey, ControlError> {
    may_manage(principal, account)?;
    let _held = control.lock_settings().await;
    make_locked(control, account, id, grant).await
}

async fn make_locked(
    control: &Control,
    account: &AccountId,
    id: Option<KeyId>,
    grant: &Grant,
) -> Result<MadeKey, ControlError> {
    let text = KeyText::fresh().map_err(|error| {
        ControlError::internal("the system gave no randomness for a key", &error)
    })?;
    let id = id.map_or_else(|| format!("k-{}", uuid::Uuid::new_v4().simple()).parse(), Ok);
    let id: KeyId = id.map_err(|error| ControlError::internal("a key's own id is none", &error))?;
    if put_locked(control, account, &id, text.as_str(), grant).await? != Made::New {
        let detail = format!("the account has a key {id}; delete it first or choose another id");
        return Err(ControlError::Conflict(Conflict::Exists, detail));
    }
    let snapshot = control.snapshot(account).await?;
    let settings = snapshot.keys.get(&id).cloned();
    let settings = settings.ok_or_else(|| ControlError::not_found("key", &id))?;
    Ok(MadeKey { id, text, settings })
}

/// Makes a key that takes the place of another: the same scopes and campaign under a new id. The
/// one before ends after `overlap`, so that engines have time to change over; keys of the account
/// that have ended by now are removed.
///
/// # Errors
/// No such key, one that is replaced already, or a fault of the ledger.
pub async fn rotate(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    id: &KeyId,
    overlap: Duration,
) -> Result<(MadeKey, KeySettings), ControlError> {
    may_manage(principal, account)?;
    let _held = control.lock_settings().await;
    let keys = control.snapshot(account).await?.keys.clone();
    let before = keys.get(id).cloned().ok_or_else(|| ControlError::not_found("key", id))?;
    let now_ms = control.services.clock.now_ms();
    let overlap_ms = i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX);
    let end = |key: &mut KeySettings| {
        if key.hash != before.hash {
            return Err(ControlError::not_found("key", id));
        }
        if key.expires_ms.is_some() {
            let detail = format!("key {id} is replaced by another already");
            return Err(ControlError::Conflict(Conflict::Exists, detail));
        }
        key.expires_ms = Some(now_ms.saturating_add(overlap_ms));
        Ok(())
    };
    end(&mut before.clone())?;
    let grant = Grant { scopes: before.scopes.clone(), campaign: before.campaign.clone() };
    // The new one first: a call that ends between the two leaves a key too many, not one too few.
    let made = make_locked(control, account, None, &grant).await?;
    let ended = control.modify_document(account, DocumentKind::Key, id.as_str(), end).await;
    let ending = match ended {
        Ok(ending) => ending,
        Err(error) => {
            // Revoked or replaced elsewhere a moment ago: then nothing takes its place.
            if matches!(error, ControlError::NotFound(_) | ControlError::Conflict(..)) {
                revoke_locked(control, account, &made.id, &made.settings).await?;
            }
            return Err(error);
        }
    };
    for (id, settings) in keys {
        if settings.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
            revoke_locked(control, account, &id, &settings).await?;
        }
    }
    Ok((made, ending))
}

/// Gives an account the key `text` under the name `id`. A key of that name stays unchanged, even if
/// its text is another; a text that was revoked once opens nothing again.
///
/// # Errors
/// A text that cannot be a key or is another key already, no scope, or a fault of the ledger.
pub async fn put(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    id: &KeyId,
    text: &str,
    grant: &Grant,
) -> Result<Made, ControlError> {
    may_manage(principal, account)?;
    let _held = control.lock_settings().await;
    put_locked(control, account, id, text, grant).await
}

async fn put_locked(
    control: &Control,
    account: &AccountId,
    id: &KeyId,
    text: &str,
    grant: &Grant,
) -> Result<Made, ControlError> {
    if control.snapshot(account).await?.keys.contains_key(id) {
        return Ok(Made::Present);
    }
    let mut mistakes = Mistakes::default();
    mistakes.expect(
        is_well_formed(text),
        "key",
        "a key is 16 to 255 visible ASCII characters; one of ours carries its checksum",
    );
    let scopes = &grant.scopes;
    mistakes.expect(
        !scopes.is_empty(),
        "scopes",
        "a key has at least one of send, read and manage",
    );
    let repeated = |(at, scope)| scopes.iter().take(at).any(|earlier| earlier == scope);
    mistakes.expect(!scopes.iter().enumerate().any(repeated), "scopes", "a scope is given twice");
    mistakes.check()?;
    let hash = control.services.catalog.hasher().key(text);
    if let Some(at_ms) = Tombstone::of_key(&hex(&hash)).set_at_ms(&*control.services.claims).await?
    {
        return Ok(Made::Removed { at_ms });
    }
    claim(control, &hash, &format!("{account}/{id}")).await?;
    let settings = KeySettings {
        hash: hex(&hash),
        scopes: scopes.clone(),
        campaign: grant.campaign.clone(),
        ends_with: ends_with(text).to_owned(),
        created_ms: control.services.clock.now_ms(),
        expires_ms: None,
    };
    let (kind, id) = (DocumentKind::Key, id.as_str());
    let new = control.put_document(account, kind, id, &settings, Existing::Keep).await?;
    Ok(if new { Made::New } else { Made::Present })
}

async fn claim(control: &Control, hash: &Fingerprint, owner: &str) -> Result<(), ControlError> {
    let holder = control.services.claims.claim(ClaimKind::Key, &hex(hash), owner).await?;
    if holder == owner {
        return Ok(());
    }
    let detail = "this key is already another key's; keys are not shared".to_owned();
    Err(ControlError::Conflict(Conflict::Claimed, detail))
}

/// Revokes a key: its text opens nothing again, whoever declares it.
///
/// # Errors
/// No such key, or a fault of the ledger.
pub async fn revoke(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    id: &KeyId,
) -> Result<(), ControlError> {
    may_manage(principal, account)?;
    let _held = control.lock_settings().await;
    let snapshot = control.snapshot(account).await?;
    let settings = snapshot.keys.get(id).ok_or_else(|| ControlError::not_found("key", id))?;
    revoke_locked(control, account, id, settings).await
}

async fn revoke_locked(
    control: &Control,
    account: &AccountId,
    id: &KeyId,
    settings: &KeySettings,
) -> Result<(), ControlError> {
    let (claims, clock) = (&control.services.claims, &control.services.clock);
    Tombstone::of_key(&settings.hash).set(&**claims, clock).await?;
    // The document before the claim: without it the key opens nothing, even if its hash stays
    // claimed.
    delete_document(control, account, id, settings).await?;
    let owner = format!("{account}/{id}");
    claims.unclaim(ClaimKind::Key, &settings.hash, &owner).await?;
    if let Some(hash) = unhex(&settings.hash) {
        control.services.catalog.forget_key(&hash);
    }
    Ok(())
}

/// Removes the key's document, however it was changed elsewhere meanwhile; one that is another
/// key's by now stays.
async fn delete_document(
    control: &Control,
    account: &AccountId,
    id: &KeyId,
    settings: &KeySettings,
) -> Result<(), ControlError> {
    let (kind, name) = (DocumentKind::Key, id.as_str());
    for _ in 0..CHANGE_TRIES {
        let stored = control.stored::<KeySettings>(account, kind, name).await?;
        let Some(stored) = stored.filter(|stored| stored.settings.hash == settings.hash) else {
            return Ok(());
        };
        if control.delete_document(account, kind, name, Some(stored.body)).await?.is_some() {
            return Ok(());
        }
    }
    Err(contended(kind, name))
}

/// The bytes of a stored hash.
fn unhex(text: &str) -> Option<Fingerprint> {
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}
