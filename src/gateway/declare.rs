//! Creates what the configuration declares and the ledger does not have yet, by the functions of
//! the Admin API and under its checks; what exists is left as it is. Gateways with the same file
//! may do this at the same time.

use std::fmt::Display;

use crate::admin::keys::put_key_with_text;
use crate::admin::problem::{self, Problem};
use crate::admin::{
    Admin, Existing, Made, accounts, campaigns, channels, templates, wabas, wallets,
};
use crate::catalog::documents::main_wallet;
use crate::config::DeclaredAccount;
use crate::ids::{AccountId, WalletId};
use crate::ledger::{CampaignPlan, PageRequest};

/// Reference of the opening top-up of a declared wallet.
const OPENING: &str = "opening";

/// Why a declared object cannot be created: a sentence that names it.
pub(super) type DeclareError = String;

/// Creates everything of one account that is missing.
pub(super) async fn declare(admin: &Admin, account: &DeclaredAccount) -> Result<(), DeclareError> {
    let id = &account.id;
    let at =
        |what: String| move |error: &dyn Display| format!("declared account {id}{what}: {error}");
    open(admin, account).await.map_err(|error| at(String::new())(&error))?;
    for (waba, settings) in &account.wabas {
        let put = wabas::put(admin, id, waba, settings, Existing::Keep).await;
        put.map_err(|problem| at(format!(", WABA {waba}"))(&problem))?;
    }
    for (waba, declared) in &account.templates {
        let put = templates::put_all(admin, id, waba, declared, Existing::Keep).await;
        put.map_err(|problem| at(", templates".into())(&problem))?;
    }
    for (channel_id, settings) in &account.channels {
        let put = channels::put(admin, id, channel_id, settings, Existing::Keep).await;
        put.map_err(|problem| at(format!(", channel {channel_id}"))(&problem))?;
    }
    for campaign in &account.campaigns {
        put_campaign(admin, id, campaign)
            .await
            .map_err(|problem| at(format!(", campaign {}", campaign.id))(&problem))?;
    }
    for key in &account.keys {
        let put = put_key_with_text(admin, id, &key.id, key.key.expose(), &key.grant).await;
        put.map_err(|problem| at(format!(", key {}", key.id))(&problem))?;
    }
    Ok(())
}

/// The account with its wallets. Only a wallet without any entry gets its opening top-up - also one
/// whose first start ended between the two - under one reference: of two gateways that both find it
/// missing, one books it.
async fn open(admin: &Admin, account: &DeclaredAccount) -> Result<(), String> {
    let id = &account.id;
    let problem = |problem: Problem| problem.to_string();
    let before = admin.services.reads.wallets(id).await.map_err(|fault| fault.to_string())?;
    let main = account.wallets.iter().find(|wallet| wallet.id == main_wallet());
    let main = main.map(|wallet| wallet.settings.clone()).unwrap_or_default();
    accounts::create(admin, id, &account.settings, &main).await.map_err(problem)?;
    for wallet in &account.wallets {
        let failed = |error: Problem| format!("wallet {}: {error}", wallet.id);
        let known = before.iter().any(|known| known.id == wallet.id);
        if !known {
            wallets::put(admin, id, &wallet.id, &wallet.settings, Existing::Keep)
                .await
                .map_err(failed)?;
        }
        if let Some(amount) = wallet.opening_top_up
            && (!known || is_untouched(admin, id, &wallet.id).await?)
        {
            wallets::top_up(admin, id, &wallet.id, amount, OPENING).await.map_err(failed)?;
        }
    }
    Ok(())
}

async fn is_untouched(
    admin: &Admin,
    account: &AccountId,
    wallet: &WalletId,
) -> Result<bool, String> {
    let first = PageRequest { cursor: None, limit: 1 };
    let entries = admin
        .services
        .reads
        .entries(account, wallet, 0, i64::MAX, &first)
        .await
        .map_err(|fault| fault.to_string())?;
    Ok(entries.items.is_empty())
}

async fn put_campaign(
    admin: &Admin,
    account: &AccountId,
    campaign: &CampaignPlan,
) -> Result<(), Problem> {
    if admin.services.reads.campaign(account, &campaign.id).await?.is_some() {
        return Ok(());
    }
    match campaigns::create(admin, account, campaign.clone()).await {
        Ok((_, Made::New | Made::Present)) => Ok(()),
        // Somebody else was faster.
        Err(problem) if problem.kind == &problem::CAMPAIGN_EXISTS => Ok(()),
        Err(problem) if problem.kind == &problem::WALLET_EXHAUSTED => {
            tracing::warn!(
                %account,
                campaign = %campaign.id,
                "its wallet waits for credits, so this declared campaign waits for the next start"
            );
            Ok(())
        }
        Err(problem) => Err(problem),
    }
}
