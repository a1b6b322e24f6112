//! Channels: sending numbers with their token, their WABA and the wallet that pays. A phone number
//! ID belongs to one account at a time.

use super::error::{Conflict, ControlError};
use super::handles::{CHANGE_TRIES, Control, contended};
use super::mistakes::Mistakes;
use super::permission::operator_only;
use super::put::{Existing, Made};
use super::tombstone::Tombstone;
use crate::catalog::documents::{Billing, ChannelSettings};
use crate::catalog::{Principal, Snapshot, token_names, validate};
use crate::ids::{AccountId, ChannelId};
use crate::ledger::{ClaimKind, DocumentKind};
use crate::upstream::headers::may_carry_token;
use crate::upstream::target::BaseUrl;

/// Sets up a channel of an account that exists. One that was removed is not brought back by
/// [`Existing::Keep`].
///
/// # Errors
/// Every mistake in the settings at once; a phone number ID that belongs to another account; others
/// that change it again and again; a fault of the ledger.
pub async fn put(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    id: &ChannelId,
    settings: &ChannelSettings,
    existing: Existing,
) -> Result<Made, ControlError> {
    operator_only(principal)?;
    let _held = control.lock_settings().await;
    let kind = DocumentKind::Channel;
    for _ in 0..CHANGE_TRIES {
        let read = control.stored::<ChannelSettings>(account, kind, id.as_str()).await?;
        let snapshot = control.snapshot(account).await?;
        let known = read.is_some();
        if known && existing == Existing::Keep {
            return Ok(Made::Present);
        }
        let claims = &control.services.claims;
        if existing == Existing::Keep
            && let Some(at_ms) = Tombstone::of_channel(account, id).set_at_ms(&**claims).await?
        {
            return Ok(Made::Removed { at_ms });
        }
        validate_settings(control, &snapshot, settings).await?;
        let holder = claims.claim(ClaimKind::Channel, id.as_str(), account.as_str()).await?;
        if holder != account.as_str() {
            let detail = format!(
                "phone number ID {id} belongs to another account; it must be deleted there first"
            );
            return Err(ControlError::Conflict(Conflict::Claimed, detail));
        }
        if control.replace_document(account, kind, id.as_str(), settings, read).await? {
            return Ok(if known { Made::Present } else { Made::New });
        }
    }
    Err(contended(kind, id.as_str()))
}

async fn validate_settings(
    control: &Control,
    snapshot: &Snapshot,
    settings: &ChannelSettings,
) -> Result<(), ControlError> {
    let mut mistakes = Mistakes::default();
    let wallets = control.services.reads.wallets(&snapshot.id).await?;
    let wallet = &settings.wallet;
    mistakes.expect(
        wallets.iter().any(|known| known.id == *wallet),
        "wallet",
        format!("the account has no wallet {wallet}"),
    );
    if let Some(waba) = &settings.waba {
        mistakes.expect(
            snapshot.wabas.contains_key(waba),
            "waba",
            format!("the account has no WABA {waba}"),
        );
    }
    let (token_env, token_file) = (settings.token_env.as_deref(), settings.token_file.as_deref());
    let permitted = control.services.tokens.permitted();
    for mistake in token_names::validate(token_env, token_file, permitted) {
        mistakes.add(mistake.field, mistake.message);
    }
    let throughput = validate::within(&ChannelSettings::THROUGHPUT, &settings.throughput_limit);
    mistakes.validate("throughput_limit", throughput);
    let allow_plaintext = control.services.allow_plaintext;
    let upstream = settings.upstream_url.as_deref().map(str::parse::<BaseUrl>);
    if let Some(Err(error)) =
        upstream.map(|base| base.and_then(|base| base.protected(allow_plaintext)))
    {
        mistakes.add("upstream_url", error.to_string());
    }
    let own = settings.billing == Billing::External && settings.upstream_url.is_some();
    let header = settings.upstream_auth_header.as_deref();
    let path = settings.upstream_path.as_deref();
    for mistake in ChannelSettings::upstream_mistakes(own, header, path, may_carry_token) {
        mistakes.add(mistake.field, mistake.message);
    }
    if let Some(code) = &settings.calling_code {
        mistakes.validate("calling_code", validate::calling_code(code));
    }
    mistakes.check()
}

/// Removes a channel and frees its phone number ID.
///
/// # Errors
/// No such channel, or a fault of the ledger.
pub async fn delete(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    id: &ChannelId,
) -> Result<(), ControlError> {
    operator_only(principal)?;
    let _held = control.lock_settings().await;
    let (claims, clock) = (&control.services.claims, &control.services.clock);
    if control.snapshot(account).await?.channels.contains_key(id) {
        Tombstone::of_channel(account, id).set(&**claims, clock).await?;
    }
    let (kind, name) = (DocumentKind::Channel, id.as_str());
    let deleted = control.delete_document(account, kind, name, None).await?;
    // Also if the document was gone: a first try may have ended between the two.
    claims.unclaim(ClaimKind::Channel, id.as_str(), account.as_str()).await?;
    if deleted == Some(true) { Ok(()) } else { Err(ControlError::not_found("channel", id)) }
}
