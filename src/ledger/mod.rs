//! The ledger: the state of record for wallets, holds, windows, campaigns, settings and entries.
//! Three traits split by use, two implementations that pass one suite.

pub mod attention;
pub mod batcher;
pub mod calendar;
pub mod doubt;
pub mod embedded;
pub mod entry;
pub mod event;
pub mod fault;
pub mod identity;
pub mod lease;
pub mod open;
pub mod operation;
mod parts;
pub mod readiness;
pub mod redis;
pub mod refusal;
pub mod rejection;
pub mod retention;
pub mod rules;
pub mod state;
mod store_tls;
pub mod traits;
pub mod uncounted;
pub mod verdict;
pub mod view;

pub use attention::{Attention, Attentions, OldestHolds};
pub use doubt::{DoubtReason, InDoubtPolicies, InDoubtPolicy};
pub use entry::{ChargeDetail, Entry, EntryKind};
pub use event::{Event, EventKind};
pub use fault::{Cause, FaultReason, LedgerFault};
pub use identity::{OpenLedger, StoreIdentity};
pub use operation::{
    AllowanceRule, Answer, Batch, CalendarSpan, CampaignPlan, CampaignUse, CapRule, DocumentKind,
    Fingerprint, Operation, RecipientHash, ReleaseReason, Reserve, WindowRule,
};
pub use refusal::RefusalCode;
pub use rejection::{Rejection, StopReason};
pub use retention::Retention;
pub use store_tls::StoreTlsFiles;
pub use traits::{
    ALIVE_MS, ClaimKind, Claims, Ledger, LedgerFuture, LedgerReads, Page, PageRequest,
};
pub use verdict::Verdict;
pub use view::{
    CampaignState, CampaignView, Document, Documents, HoldState, HoldView, UsageRow, UsageSum,
    WalletView,
};
