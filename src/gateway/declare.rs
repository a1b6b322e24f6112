//! Creates what the configuration declares and the ledger does not have yet; what exists is left as it is.

use std::sync::Arc;

use serde::Serialize;

use crate::amount::Amount;
use crate::catalog::Catalog;
use crate::catalog::documents::{
    AccountSettings, Billing, ChannelSettings, ChargeOn, Enforcement, FrequencyCap, KeySettings, Scope, TemplateSettings, UnknownTemplate,
    WabaSettings,
};
use crate::catalog::keys::{ends_with, hex};
use crate::config::{self, AccountConfig, BillingConfig, KeyConfig, ScopeConfig, TokenSource};
use crate::ids::AccountId;
use crate::ledger::batcher::Batcher;
use crate::ledger::{CampaignPlan, ClaimKind, DocumentKind, Ledger, Operation, Verdict};
use crate::pricing::Markup;

/// What stands in the way of a declared object: a sentence that names it.
pub(super) type DeclareError = String;

/// Writes declared accounts.
pub(super) struct Declarer<'a> {
    pub(super) ledger: &'a dyn Ledger,
    pub(super) batcher: &'a Batcher,
    pub(super) catalog: &'a Arc<Catalog>,
    pub(super) now_ms: i64,
}

impl Declarer<'_> {
    /// Creates everything of one account that is missing.
    pub(super) async fn account(&self, account: &AccountConfig) -> Result<(), DeclareError> {
        let id = &account.id;
        let failed = |what: &str, error: String| format!("account {id}: {what}: {error}");
        let settings = account_settings(account).map_err(|error| failed("settings", error))?;
        self.document(id, DocumentKind::Account, "account", &settings).await?;
        for waba in &account.wabas {
            let settings = WabaSettings { time_zone: waba.time_zone.clone(), portfolio: waba.portfolio.clone() };
            if waba.portfolio.as_str() != "default" {
                self.claim(ClaimKind::Portfolio, waba.portfolio.as_str(), id.as_str()).await?;
            }
            self.document(id, DocumentKind::Waba, waba.id.as_str(), &settings).await?;
        }
        for template in &account.templates {
            let category = template.category.parse().map_err(|error| failed(&template.name, format!("{error}")))?;
            let language = template.language.replace('-', "_");
            let name = format!("{}/{}/{language}", template.waba, template.name);
            self.document(id, DocumentKind::Template, &name, &TemplateSettings { category }).await?;
        }
        for wallet in &account.wallets {
            self.wallet(id, wallet).await?;
        }
        for channel in &account.channels {
            self.claim(ClaimKind::Channel, channel.phone_number_id.as_str(), id.as_str()).await?;
            self.document(id, DocumentKind::Channel, channel.phone_number_id.as_str(), &channel_settings(channel)).await?;
        }
        for campaign in &account.campaigns {
            let plan = CampaignPlan {
                id: campaign.id.clone(),
                name: campaign.name.clone(),
                wallet: campaign.wallet.clone(),
                budget: campaign.budget,
                dedupe_recipients: campaign.dedupe_recipients,
                exempt_from_caps: campaign.exempt_from_caps,
            };
            match self.call(id, Operation::CreateCampaign(Box::new(plan))).await? {
                Verdict::Campaign(_) | Verdict::CampaignExists | Verdict::WalletExhausted => {}
                other => return Err(failed(campaign.id.as_str(), format!("{other:?}"))),
            }
        }
        for key in &account.keys {
            self.key(id, key).await?;
        }
        Ok(())
    }

    async fn wallet(&self, account: &AccountId, wallet: &config::WalletConfig) -> Result<(), DeclareError> {
        let existing = self.ledger.wallets(account).await.map_err(|fault| fault.to_string())?;
        if existing.iter().any(|found| found.id == wallet.id) {
            return Ok(());
        }
        let create = Operation::PutWallet {
            wallet: wallet.id.clone(),
            overdraft_limit: Some(wallet.overdraft_limit),
            low_balance_thresholds: Some(wallet.low_balance_thresholds.clone()),
        };
        self.call(account, create).await?;
        if let Some(amount) = wallet.opening_top_up.filter(|amount| Amount::is_positive(*amount)) {
            let top_up = Operation::TopUp { wallet: wallet.id.clone(), amount, reference: Arc::from("opening") };
            self.call(account, top_up).await?;
        }
        Ok(())
    }

    async fn key(&self, account: &AccountId, key: &KeyConfig) -> Result<(), DeclareError> {
        let hash = hex(&self.catalog.hasher().key(key.key.expose()));
        self.claim(ClaimKind::Key, &hash, &format!("{account}/{}", key.id)).await?;
        let settings = KeySettings {
            hash,
            scopes: key.scopes.iter().map(scope).collect(),
            campaign: key.campaign.clone(),
            ends_with: ends_with(key.key.expose()).to_owned(),
            created_ms: self.now_ms,
        };
        self.document(account, DocumentKind::Key, key.id.as_str(), &settings).await
    }

    async fn document<T: Serialize>(&self, account: &AccountId, kind: DocumentKind, id: &str, settings: &T) -> Result<(), DeclareError> {
        let body = serde_json::to_string(settings).map_err(|error| error.to_string())?;
        let put = Operation::PutDocument { kind, id: Arc::from(id), body: Arc::from(body), only_if_absent: true };
        self.call(account, put).await.map(drop)
    }

    async fn claim(&self, kind: ClaimKind, name: &str, owner: &str) -> Result<(), DeclareError> {
        let holder = self.ledger.claim(kind, name, owner).await.map_err(|fault| fault.to_string())?;
        if holder == owner {
            return Ok(());
        }
        let name = if kind == ClaimKind::Key { "a declared key" } else { name };
        Err(format!("{} {name} belongs to another account already", kind.as_str()))
    }

    async fn call(&self, account: &AccountId, operation: Operation) -> Result<Verdict, DeclareError> {
        self.batcher.call(account, operation).await.map_err(|fault| format!("account {account}: {fault:?}"))
    }
}

const fn scope(scope: &ScopeConfig) -> Scope {
    match scope {
        ScopeConfig::Send => Scope::Send,
        ScopeConfig::Read => Scope::Read,
        ScopeConfig::Manage => Scope::Manage,
    }
}

fn account_settings(account: &AccountConfig) -> Result<AccountSettings, String> {
    let cap = |cap: &config::CapConfig| {
        let categories =
            cap.categories.iter().map(|name| name.parse().map_err(|error| format!("{error}"))).collect::<Result<_, String>>()?;
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
        markup: Markup::new(account.markup.percent, account.markup.per_message).map_err(|error| error.to_string())?,
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
