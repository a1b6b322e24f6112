//! Statement entries: what moved a wallet's settled balance.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::ids::{CampaignId, ChannelId, HoldId, WalletId};
use crate::pricing::{Category, Country};

/// What moved the settled balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Credits paid in.
    TopUp,
    /// The charge of one message.
    Charge,
    /// An operator's entry.
    Adjustment,
}

impl EntryKind {
    /// All kinds, for reading stored names.
    pub const ALL: [EntryKind; 3] = [EntryKind::TopUp, EntryKind::Charge, EntryKind::Adjustment];

    /// Contract name.
    pub const fn as_str(self) -> &'static str {
        match self {
            EntryKind::TopUp => "top_up",
            EntryKind::Charge => "charge",
            EntryKind::Adjustment => "adjustment",
        }
    }
}

/// One line of a wallet's statement; it never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Number within the account, from 1, without gaps.
    pub sequence: u64,
    /// Ledger time, Unix milliseconds.
    pub at_ms: i64,
    /// The wallet it belongs to.
    pub wallet: WalletId,
    /// What moved the balance.
    pub kind: EntryKind,
    /// Signed: what it adds to settled.
    pub amount: Amount,
    /// The settled balance after it.
    pub balance_after: Amount,
    /// The reference of a top-up or adjustment; empty on charges.
    pub reference: Arc<str>,
    /// The reason of an adjustment; empty otherwise.
    pub reason: Arc<str>,
    /// What a charge was for.
    pub charge: Option<ChargeDetail>,
}

/// What a charge was for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeDetail {
    /// The hold it settled.
    pub hold: HoldId,
    /// The channel that sent.
    pub channel: ChannelId,
    /// The campaign, if any.
    pub campaign: Option<CampaignId>,
    /// The recipient's country.
    pub country: Country,
    /// The message's category.
    pub category: Category,
}
