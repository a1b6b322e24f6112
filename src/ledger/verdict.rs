//! The verdict on one operation of a batch.

use std::sync::Arc;

use super::entry::Entry;
use super::rejection::Rejection;
use super::view::{CampaignView, WalletView};
use crate::amount::Amount;
use crate::ids::HoldId;
use crate::rejection::RejectionKind;

/// The result of one operation of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The send may be forwarded.
    Reserved {
        /// What is held: the price, or zero within a free allowance.
        amount: Amount,
        /// The wallet's available balance after it; `None` on external channels.
        available: Option<Amount>,
        /// The first limit that would have refused it, of a send that is only observed.
        observed: Option<RejectionKind>,
    },
    /// The send is not to be forwarded.
    Rejected(Rejection),
    /// The idempotency key was accepted before: the first reply again.
    Replayed {
        /// The first send's hold.
        hold: HoldId,
        /// The first send's message id.
        message_id: Arc<str>,
        /// What the first send cost.
        amount: Amount,
    },
    /// The gateway's settings are not the ledger's: load them and ask again.
    StaleSettings,
    /// A price switched while the send was on its way: price it again.
    StalePrice,
    /// The hold became a charge.
    Settled {
        /// What was charged.
        amount: Amount,
    },
    /// Everything the reserve took was released.
    Released {
        /// What had been held.
        amount: Amount,
    },
    /// The hold is in doubt, or guards its body.
    Marked,
    /// There is no such open hold: it was resolved before, or never was.
    NoHold,
    /// Money moved, or had moved under the same reference.
    Posted {
        /// The entry that moved it.
        entry: Entry,
        /// The same reference and content had been posted before.
        repeated: bool,
    },
    /// The reference was used for something else.
    ReferenceConflict,
    /// No such wallet.
    WalletUnknown,
    /// A wallet would leave the range that can be computed exactly.
    OutOfRange,
    /// Not enough credits for an adjustment, a lower overdraft limit or a restart.
    Shortfall {
        /// What would have to be available.
        needed: Amount,
        /// What is available.
        available: Amount,
    },
    /// The wallet as it now is.
    Wallet(WalletView),
    /// The campaign as it now is.
    Campaign(Box<CampaignView>),
    /// A campaign of that id exists, with other content.
    CampaignExists,
    /// No such campaign.
    CampaignUnknown,
    /// The campaign is finished.
    CampaignFinished,
    /// New campaigns of this wallet wait for credits.
    WalletExhausted,
    /// A settings document was written or removed (`changed`), or was there already.
    Document {
        /// Did anything change?
        changed: bool,
        /// The settings version now.
        settings_version: u64,
    },
    /// A count was added.
    Counted,
    /// The recipients are one person, as far as there is room to know it.
    AliasLearned {
        /// Was anything written?
        changed: bool,
    },
    /// What a sweep did.
    Swept {
        /// Holds newly in doubt.
        marked: u32,
        /// In-doubt holds resolved by policy.
        resolved: u32,
        /// More is left for the next sweep.
        more: bool,
    },
}
