//! Creates what the configuration declares and the ledger does not have yet, by the functions of
//! the Admin API and under its checks; what exists is left as it is. Gateways with the same file
//! may do this at the same time.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::admin::keys::{Grant, put_key_with_text};
use crate::admin::problem::{self, Problem};
use crate::admin::templates::TemplateName;
use crate::admin::{
    Admin, Existing, Made, accounts, campaigns, channels, templates, wabas, wallets,
};
use crate::catalog::documents::{
    AccountSettings, Billing, ChannelSettings, ChargeOn, Enforcement, FrequencyCap, Scope,
    UnknownTemplate, WabaSettings, WalletSettings,
};
use crate::config::{
    self, AccountConfig, BillingConfig, CampaignConfig, ScopeConfig, TokenSource, WalletConfig,
};
use crate::ids::{AccountId, WabaId, WalletId};
use crate::ledger::{CampaignPlan, PageRequest};
use crate::pricing::{Category, Markup};

/// Reference of the top-up a declared wallet begins with.
const OPENING: &str = "opening";

/// What stands in the way of a declared object: a sentence that names it.
pub(super) type DeclareError = String;

/// Creates everything of one account that is missing.
pub(super) async fn declare(admin: &Admin, account: &AccountConfig) -> Result<(), DeclareError> {
    let id = &account.id;
    let at =
        |what: String| move |error: &dyn Display| format!("declared account {id}{what}: {error}");
    open(admin, account).await.map_err(|error| at(String::new())(&error))?;
    for waba in &account.wabas {
        let settings =
            WabaSettings { time_zone: waba.time_zone.clone(), portfolio: waba.portfolio.clone() };
        let put = wabas::put(admin, id, &waba.id, &settings, Existing::Keep).await;
        put.map_err(|problem| at(format!(", WABA {}", waba.id))(&problem))?;
    }
    put_templates(admin, account).await.map_err(|error| at(", templates".into())(&error))?;
    for channel in &account.channels {
        let number = &channel.phone_number_id;
        let put =
            channels::put(admin, id, number, &channel_settings(channel), Existing::Keep).await;
        put.map_err(|problem| at(format!(", channel {number}"))(&problem))?;
    }
    for campaign in &account.campaigns {
        put_campaign(admin, id, campaign)
            .await
            .map_err(|problem| at(format!(", campaign {}", campaign.id))(&problem))?;
    }
    for key in &account.keys {
        let grant = Grant {
            scopes: key.scopes.iter().map(scope).collect(),
            campaign: key.campaign.clone(),
        };
        let put = put_key_with_text(admin, id, &key.id, key.key.expose(), &grant).await;
        put.map_err(|problem| at(format!(", key {}", key.id))(&problem))?;
    }
    Ok(())
}

/// The account with its wallets. Only a wallet without any entry gets its opening top-up - also one
/// whose first start ended between the two - under one reference: of two gateways that both find it
/// missing, one books it.
async fn open(admin: &Admin, account: &AccountConfig) -> Result<(), String> {
    let id = &account.id;
    let problem = |problem: Problem| problem.to_string();
    let before = admin.services.reads.wallets(id).await.map_err(|fault| fault.to_string())?;
    let main = account.wallets.iter().find(|wallet| wallet.id == accounts::main_wallet());
    let main = main.map(wallet_settings).unwrap_or_default();
    accounts::create(admin, id, &account_settings(account)?, &main).await.map_err(problem)?;
    for wallet in &account.wallets {
        let failed = |error: Problem| format!("wallet {}: {error}", wallet.id);
        let known = before.iter().any(|known| known.id == wallet.id);
        if !known {
            wallets::put(admin, id, &wallet.id, &wallet_settings(wallet), Existing::Keep)
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

async fn put_templates(admin: &Admin, account: &AccountConfig) -> Result<(), String> {
    let mut by_waba: BTreeMap<&WabaId, BTreeMap<TemplateName, Category>> = BTreeMap::new();
    for template in &account.templates {
        let failed =
            |error: &dyn Display| format!("{} in {}: {error}", template.name, template.language);
        let name = TemplateName::new(&template.name, &template.language)
            .map_err(|problem| failed(&problem))?;
        let category = template.category.parse().map_err(|error| failed(&error))?;
        by_waba.entry(&template.waba).or_default().insert(name, category);
    }
    for (waba, declared) in by_waba {
        templates::put_all(admin, &account.id, waba, &declared, Existing::Keep)
            .await
            .map_err(|problem| problem.to_string())?;
    }
    Ok(())
}

async fn put_campaign(
    admin: &Admin,
    account: &AccountId,
    campaign: &CampaignConfig,
) -> Result<(), Problem> {
    if admin.services.reads.campaign(account, &campaign.id).await?.is_some() {
        return Ok(());
    }
    let plan = CampaignPlan {
        id: campaign.id.clone(),
        name: campaign.name.clone(),
        wallet: campaign.wallet.clone(),
        budget: campaign.budget,
        dedupe_recipients: campaign.dedupe_recipients,
        exempt_from_caps: campaign.exempt_from_caps,
    };
    match campaigns::create(admin, account, plan).await {
        Ok((_, Made::New | Made::Present)) => Ok(()),
        // Somebody else was faster.
        Err(problem) if problem.kind == &problem::CAMPAIGN_EXISTS => Ok(()),
        Err(problem) if problem.kind == &problem::WALLET_EXHAUSTED => {
            tracing::warn!(%account, campaign = %campaign.id, "its wallet waits for credits, so this declared campaign waits for the next start");
            Ok(())
        }
        Err(problem) => Err(problem),
    }
}

const fn scope(scope: &ScopeConfig) -> Scope {
    match scope {
        ScopeConfig::Send => Scope::Send,
        ScopeConfig::Read => Scope::Read,
        ScopeConfig::Manage => Scope::Manage,
    }
}

fn wallet_settings(wallet: &WalletConfig) -> WalletSettings {
    WalletSettings {
        overdraft_limit: Some(wallet.overdraft_limit),
        low_balance_thresholds: Some(wallet.low_balance_thresholds.clone()),
    }
}

fn account_settings(account: &AccountConfig) -> Result<AccountSettings, String> {
    let cap = |cap: &config::CapConfig| {
        let categories = cap
            .categories
            .iter()
            .map(|name| name.parse().map_err(|error| format!("{error}")))
            .collect::<Result<_, String>>()?;
        Ok(FrequencyCap { categories, max: cap.max, window_s: cap.window_s })
    };
    Ok(AccountSettings {
        currency: account.currency.clone(),
        rate_card: account.rate_card.clone(),
        time_zone: account.time_zone.clone(),
        charge_on: ChargeOn::Accepted,
        enforcement: Enforcement::Enforce,
        messaging_limit: account.messaging_limit,
        caps: account.caps.iter().map(cap).collect::<Result<_, String>>()?,
        unknown_template: match account.unknown_template {
            config::UnknownTemplate::Ceiling => UnknownTemplate::Ceiling,
            config::UnknownTemplate::Refuse => UnknownTemplate::Refuse,
        },
        markup: Markup::new(account.markup.percent, account.markup.per_message)
            .map_err(|error| error.to_string())?,
        authentication_international: account.authentication_international,
    })
}

fn channel_settings(channel: &config::ChannelConfig) -> ChannelSettings {
    let (token_env, token_file) = match &channel.token {
        TokenSource::Environment(variable) => (Some(variable.clone()), None),
        TokenSource::File(file) => (None, Some(file.clone())),
    };
    ChannelSettings {
        wallet: channel.wallet.clone(),
        billing: match channel.billing {
            BillingConfig::Prepaid => Billing::Prepaid,
            BillingConfig::External => Billing::External,
        },
        waba: channel.waba.clone(),
        token_env,
        token_file,
        throughput_limit: channel.throughput_limit,
        enabled: channel.enabled,
        upstream_url: channel.upstream_url.clone(),
        calling_code: channel.calling_code.clone(),
    }
}
