//! What is known of a send at its one exit: the fields of its log line and the labels of its
//! metrics.

use std::time::Duration;

use super::rejected::Rejected;
use super::reply::Reply;
use super::reserve::Held;
use crate::amount::Amount;
use crate::catalog::Snapshot;
use crate::http::request_id::RequestId;
use crate::ids::{AccountId, CampaignId, HoldId};
use crate::metrics::SendOutcome;
use crate::pricing::Recipient;
use crate::rejection::RejectionKind;

/// Filled in as the stages learn it.
#[derive(Default)]
pub struct SendLog {
    /// The account, once authenticated.
    pub account: Option<AccountId>,
    /// The campaign, if the send names one.
    pub campaign: Option<CampaignId>,
    /// The unit of the account's wallets.
    pub currency: Option<String>,
    /// The category's wire name, once priced.
    pub category: Option<&'static str>,
    /// What became of the send; `None` for a rejection.
    pub outcome: Option<SendOutcome>,
    /// The recipient, once parsed.
    pub recipient: Option<Recipient>,
    /// The hold, once reserved.
    pub hold: Option<HoldId>,
    /// What was charged.
    pub charge: Amount,
    /// The limit that would have refused it, if the account only observes.
    pub observed: Option<RejectionKind>,
}

impl SendLog {
    /// Takes over what authentication found.
    pub fn authenticated(&mut self, snapshot: &Snapshot, campaign: Option<&CampaignId>) {
        self.account = Some(snapshot.id.clone());
        self.campaign = campaign.cloned();
        self.currency = Some(snapshot.account.currency.clone());
    }

    /// Takes over what the send holds, and the limit that was only observed.
    pub const fn held(&mut self, held: &Held, observed: Option<RejectionKind>) {
        (self.hold, self.charge, self.observed) = (held.hold, held.amount, observed);
    }

    /// Writes the line of the log, at level debug.
    pub fn write(
        &self,
        request_id: &RequestId,
        channel_id: &str,
        outcome: SendOutcome,
        rejected: Option<&Rejected>,
        reply: &Reply,
        elapsed: Duration,
    ) {
        tracing::debug!(
            request_id = %request_id,
            account = self.account.as_ref().map(AccountId::as_str),
            campaign = self.campaign.as_ref().map(CampaignId::as_str),
            channel = channel_id,
            recipient = self.recipient.as_ref().map(tracing::field::debug),
            category = self.category,
            outcome = outcome.as_str(),
            rejection = rejected.map(|rejected| rejected.kind.name()),
            observed = self.observed.map(RejectionKind::name),
            hold = self.hold.map(tracing::field::display),
            charge = %self.charge,
            status = reply.status().as_u16(),
            elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "send"
        );
    }
}
