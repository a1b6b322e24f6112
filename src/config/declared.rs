//! What the file declares of one account, in the types of the catalog and the ledger.

use std::collections::BTreeMap;

use super::secret::Secret;
use crate::amount::Amount;
use crate::catalog::TemplateName;
use crate::catalog::documents::{
    AccountSettings, ChannelSettings, Grant, WabaSettings, WalletSettings,
};
use crate::ids::{AccountId, ChannelId, KeyId, WabaId, WalletId};
use crate::ledger::CampaignPlan;
use crate::pricing::Category;

/// One declared account with everything it owns.
#[derive(Debug, Clone)]
pub struct DeclaredAccount {
    /// The account's id, unique in the file.
    pub id: AccountId,
    /// The account's own settings.
    pub settings: AccountSettings,
    /// At least one.
    pub wallets: Vec<DeclaredWallet>,
    /// WABAs, each once.
    pub wabas: Vec<(WabaId, WabaSettings)>,
    /// Channels; no two accounts have the same phone number ID. Their wallets and WABAs are among
    /// those above.
    pub channels: Vec<(ChannelId, ChannelSettings)>,
    /// Templates by WABA, which is one of the account's.
    pub templates: BTreeMap<WabaId, BTreeMap<TemplateName, Category>>,
    /// Gateway keys; no two in the file are the same.
    pub keys: Vec<DeclaredKey>,
    /// Campaigns, each once.
    pub campaigns: Vec<CampaignPlan>,
}

/// One declared wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredWallet {
    /// The wallet's id, unique in its account.
    pub id: WalletId,
    /// Both settings are given.
    pub settings: WalletSettings,
    /// Credits added when the wallet is created.
    pub opening_top_up: Option<Amount>,
}

/// One declared gateway key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredKey {
    /// The key's id, unique in its account.
    pub id: KeyId,
    /// The key itself, 16 to 255 visible ASCII characters.
    pub key: Secret,
    /// What the key may do.
    pub grant: Grant,
}
