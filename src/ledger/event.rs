//! Events: what an operator may want to know at once.

use serde::{Deserialize, Serialize};

use super::rejection::StopReason;
use crate::amount::Amount;
use crate::ids::{CampaignId, HoldId, WalletId};

/// What an operator may want to know at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A campaign send was refused for money; every campaign of the wallet stops.
    WalletExhausted,
    /// A campaign stopped for another reason.
    CampaignStopped,
    /// A person restarted a campaign.
    CampaignRestarted,
    /// Available fell below a threshold.
    LowBalance,
    /// A send's outcome is unknown.
    HoldInDoubt,
}

impl EventKind {
    /// All kinds, for reading stored names.
    pub const ALL: [EventKind; 5] = [
        EventKind::WalletExhausted,
        EventKind::CampaignStopped,
        EventKind::CampaignRestarted,
        EventKind::LowBalance,
        EventKind::HoldInDoubt,
    ];

    /// Contract name.
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::WalletExhausted => "wallet_exhausted",
            EventKind::CampaignStopped => "campaign_stopped",
            EventKind::CampaignRestarted => "campaign_restarted",
            EventKind::LowBalance => "low_balance",
            EventKind::HoldInDoubt => "hold_in_doubt",
        }
    }
}

/// One event. Fields that do not belong to its kind are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Number within the account, from 1, without gaps.
    pub sequence: u64,
    /// Ledger time, Unix milliseconds.
    pub at_ms: i64,
    /// What the event reports.
    pub kind: EventKind,
    /// The wallet it concerns.
    pub wallet: Option<WalletId>,
    /// The campaign: the one that stopped, or whose send met the empty wallet.
    pub campaign: Option<CampaignId>,
    /// The hold in doubt.
    pub hold: Option<HoldId>,
    /// The refused price, the threshold, or what is held.
    pub amount: Option<Amount>,
    /// The available balance at that moment.
    pub available: Option<Amount>,
    /// Why a campaign stopped.
    pub reason: Option<StopReason>,
}
