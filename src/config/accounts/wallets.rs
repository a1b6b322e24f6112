//! Reads an account's wallets and campaigns: what pays, and what spends.

use std::collections::BTreeSet;

use super::known::{Declared, refers, unique};
use crate::amount::Amount;
use crate::catalog::documents::{WalletSettings, main_wallet};
use crate::config::declared::DeclaredWallet;
use crate::config::parse;
use crate::config::section::Section;
use crate::ids::{CampaignId, WalletId};
use crate::ledger::CampaignPlan;

/// Reads `[[accounts.wallets]]`. An account that declares none has the wallet `main`.
pub(super) fn wallets(account: &mut Section<'_>, declared: &mut Declared) -> Vec<DeclaredWallet> {
    let sections = account.sections("wallets");
    if sections.is_empty() {
        let id = main_wallet();
        declared.wallets.insert(id.clone());
        let settings = WalletSettings {
            overdraft_limit: Some(Amount::ZERO),
            low_balance_thresholds: Some(Vec::new()),
        };
        return vec![DeclaredWallet { id, settings, opening_top_up: None }];
    }
    sections.into_iter().filter_map(|section| wallet(section, declared)).collect()
}

fn wallet(mut section: Section<'_>, declared: &mut Declared) -> Option<DeclaredWallet> {
    section.begin();
    let id = section.required("id", parse::parsed::<WalletId>);
    unique(&section, "id", id.as_ref(), &mut declared.wallets, "wallet");
    let overdraft_limit = section.text("overdraft_limit", "0.00", parse::amount);
    let low_balance_thresholds = section.texts("low_balance_thresholds", &[], parse::amount);
    let opening_top_up = section.optional("opening_top_up", parse::positive_amount);
    section.finish();
    let settings = WalletSettings {
        overdraft_limit: Some(overdraft_limit?),
        low_balance_thresholds: Some(low_balance_thresholds?),
    };
    Some(DeclaredWallet { id: id?, settings, opening_top_up })
}

/// Reads `[[accounts.campaigns]]`.
pub(super) fn campaigns(account: &mut Section<'_>, declared: &Declared) -> Vec<CampaignPlan> {
    let mut ids = BTreeSet::new();
    let sections = account.sections("campaigns").into_iter();
    sections.filter_map(|section| campaign(section, &mut ids, declared)).collect()
}

fn campaign(
    mut section: Section<'_>,
    ids: &mut BTreeSet<CampaignId>,
    declared: &Declared,
) -> Option<CampaignPlan> {
    section.begin();
    let id = section.required("id", parse::parsed::<CampaignId>);
    unique(&section, "id", id.as_ref(), ids, "campaign");
    let name = section.optional("name", parse::any);
    let wallet = section.optional("wallet", parse::parsed::<WalletId>);
    refers(&section, "wallet", wallet.as_ref(), &declared.wallets, "wallet");
    let budget = section.optional("budget", parse::positive_amount);
    let dedupe = section.optional("dedupe", |text| parse::one_of(&[("recipient", ())], text));
    let exempt_from_caps = section.boolean("exempt_from_caps", false);
    section.finish();
    let id = id?;
    Some(CampaignPlan {
        name: name.unwrap_or_else(|| id.to_string()),
        id,
        wallet,
        budget,
        dedupe_recipients: dedupe.is_some(),
        exempt_from_caps,
    })
}
