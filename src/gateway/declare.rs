//! Creates what the configuration declares and the ledger does not have yet, by the business
//! operations and under their checks; what exists stays unchanged, and what a person removed stays
//! removed. Gateways with the same file may do this at the same time.

use std::fmt::Display;

use crate::catalog::Principal;
use crate::catalog::documents::main_wallet;
use crate::catalog::rate_cards::SkippedFile;
use crate::config::{DeclaredAccount, DeclaredWallet};
use crate::control::{
    Conflict, Control, ControlError, Existing, Made, account, campaign, channel, key, template,
    waba, wallet,
};
use crate::ids::{AccountId, WalletId};
use crate::ledger::{CampaignPlan, PageRequest};

/// The file is the operator's.
const OPERATOR: &Principal = &Principal::Operator;

/// Reference of the opening top-up of a declared wallet.
const OPENING: &str = "opening";

/// Why a declared object cannot be created: a sentence that names it.
pub(super) type DeclareError = String;

/// Creates everything of one account that is missing. An account whose rate card may be among the
/// files that were left out waits for the next start, so that none of them prevents this one.
pub(super) async fn declare(
    control: &Control,
    account: &DeclaredAccount,
    skipped: &[SkippedFile],
) -> Result<(), DeclareError> {
    let id = &account.id;
    let card = &account.settings.rate_card;
    if !skipped.is_empty() && control.services.prices.load().card(card).is_none() {
        tracing::warn!(
            account = %id,
            card,
            "its rate card is missing and rate card files are left out; what is declared of this \
             account waits for the next start, and what it sends has no price"
        );
        return Ok(());
    }
    let at =
        |what: String| move |error: &dyn Display| format!("declared account {id}{what}: {error}");
    open(control, account).await.map_err(|error| at(String::new())(&error))?;
    for (waba_id, settings) in &account.wabas {
        let put = waba::put(control, OPERATOR, id, waba_id, settings, Existing::Keep).await;
        put.map_err(|error| at(format!(", WABA {waba_id}"))(&error))?;
    }
    for (waba_id, declared) in &account.templates {
        let created = template::create_all(control, OPERATOR, id, waba_id, declared).await;
        let removed = created.map_err(|error| at(", templates".into())(&error))?;
        for (name, at_ms) in removed {
            stays_removed(id, "template", name.as_str(), at_ms);
        }
    }
    for (channel_id, settings) in &account.channels {
        let put = channel::put(control, OPERATOR, id, channel_id, settings, Existing::Keep).await;
        let made = put.map_err(|error| at(format!(", channel {channel_id}"))(&error))?;
        if let Made::Removed { at_ms } = made {
            stays_removed(id, "channel", channel_id.as_str(), at_ms);
        }
    }
    for plan in &account.campaigns {
        put_campaign(control, id, plan)
            .await
            .map_err(|error| at(format!(", campaign {}", plan.id))(&error))?;
    }
    for declared in &account.keys {
        let (key_id, text) = (&declared.id, declared.key.expose());
        let put = key::put(control, OPERATOR, id, key_id, text, &declared.grant).await;
        let made = put.map_err(|error| at(format!(", key {key_id}"))(&error))?;
        if let Made::Removed { at_ms } = made {
            stays_removed(id, "key", key_id.as_str(), at_ms);
        }
    }
    Ok(())
}

/// Reports that the configuration declares what a person removed.
fn stays_removed(account: &AccountId, kind: &str, id: &str, at_ms: i64) {
    let since = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    tracing::warn!(
        %account,
        kind,
        id,
        %since,
        "it is declared but was removed (a key: revoked, or ended), and stays so; take it out of \
         the configuration, or set it up anew through the Admin API"
    );
}

/// The account with its wallets. Only a wallet without any entry gets its opening top-up - also one
/// whose first start ended between the two - under one reference: of two gateways that both find it
/// missing, one books it.
async fn open(control: &Control, declared: &DeclaredAccount) -> Result<(), String> {
    let id = &declared.id;
    let before = control.services.reads.wallets(id).await.map_err(|fault| fault.to_string())?;
    let main = declared.wallets.iter().find(|wallet| wallet.id == main_wallet());
    let main = main.map(|wallet| wallet.settings.clone()).unwrap_or_default();
    account::create(control, OPERATOR, id, &declared.settings, &main)
        .await
        .map_err(|error| error.to_string())?;
    for DeclaredWallet { id: wallet_id, settings, opening_top_up } in &declared.wallets {
        let failed = |error: ControlError| format!("wallet {wallet_id}: {error}");
        let known = before.iter().any(|known| known.id == *wallet_id);
        if !known {
            let put = wallet::put(control, OPERATOR, id, wallet_id, settings, Existing::Keep);
            put.await.map_err(failed)?;
        }
        if let Some(amount) = opening_top_up
            && (!known || is_untouched(control, id, wallet_id).await?)
        {
            let top_up = wallet::top_up(control, OPERATOR, id, wallet_id, *amount, OPENING);
            top_up.await.map_err(failed)?;
        }
    }
    Ok(())
}

async fn is_untouched(
    control: &Control,
    account: &AccountId,
    wallet: &WalletId,
) -> Result<bool, String> {
    let first = PageRequest { cursor: None, limit: 1 };
    let entries = control.services.reads.entries(account, wallet, 0, i64::MAX, &first).await;
    Ok(entries.map_err(|fault| fault.to_string())?.items.is_empty())
}

async fn put_campaign(
    control: &Control,
    account: &AccountId,
    plan: &CampaignPlan,
) -> Result<(), ControlError> {
    if control.services.reads.campaign(account, &plan.id).await?.is_some() {
        return Ok(());
    }
    match campaign::create(control, OPERATOR, account, plan.clone()).await {
        Ok(_) => Ok(()),
        // Another gateway was faster.
        Err(ControlError::Conflict(Conflict::CampaignExists, _)) => Ok(()),
        Err(ControlError::Conflict(Conflict::WalletExhausted, _)) => {
            tracing::warn!(
                %account,
                campaign = %plan.id,
                "its wallet waits for credits, so this declared campaign waits for the next start"
            );
            Ok(())
        }
        Err(error) => Err(error),
    }
}
