//! Logs and counts the events that the ledger recorded: exhausted wallets, stopped campaigns,
//! low balances, holds in doubt.
//!
//! Every gateway logs every event of a shared ledger once; alerts over several gateways take the
//! maximum, not the sum.

use std::collections::HashMap;

use crate::ids::AccountId;
use crate::ledger::{Event, EventKind, LedgerFault, LedgerReads, PageRequest};
use crate::metrics::Metrics;

/// Events of one account logged in one round; more wait for the next.
const PAGE: usize = 1_000;

/// Logs events as they come; those from before it was made are passed over.
pub(super) struct EventLogger {
    since_ms: i64,
    /// The last sequence logged, by account.
    logged: HashMap<AccountId, u64>,
}

impl EventLogger {
    pub(super) fn new(since_ms: i64) -> EventLogger {
        EventLogger { since_ms, logged: HashMap::new() }
    }

    /// Logs what is new of one account.
    pub(super) async fn log_new(
        &mut self,
        reads: &dyn LedgerReads,
        metrics: &Metrics,
        account: &AccountId,
    ) -> Result<(), LedgerFault> {
        let logged = self.logged.entry(account.clone()).or_insert(0);
        let page = reads
            .events(account, &PageRequest { cursor: Some(logged.to_string()), limit: PAGE })
            .await?;
        for event in page.items {
            *logged = event.sequence;
            if event.at_ms >= self.since_ms {
                metrics.event(event.kind.as_str());
                log(account, &event);
            }
        }
        Ok(())
    }
}

fn log(account: &AccountId, event: &Event) {
    let wallet = event.wallet.as_ref().map(|wallet| wallet.as_str());
    let campaign = event.campaign.as_ref().map(|campaign| campaign.as_str());
    let amount = event.amount.map(tracing::field::display);
    let available = event.available.map(tracing::field::display);
    let name = event.kind.as_str();
    match event.kind {
        EventKind::WalletExhausted => {
            tracing::warn!(
                %account, wallet, campaign, needed = amount, available, event = name,
                "a wallet is exhausted; its campaigns are stopped"
            );
        }
        EventKind::LowBalance => {
            tracing::warn!(
                %account, wallet, threshold = amount, available, event = name,
                "a wallet fell below a threshold"
            );
        }
        EventKind::CampaignStopped => {
            let reason = event.reason.map(|reason| reason.as_str());
            tracing::warn!(%account, wallet, campaign, reason, event = name, "a campaign stopped");
        }
        EventKind::CampaignRestarted => {
            tracing::info!(%account, wallet, campaign, event = name, "a campaign was restarted")
        }
        EventKind::HoldInDoubt => {
            let hold = event.hold.map(tracing::field::display);
            tracing::warn!(
                %account, wallet, campaign, hold, held = amount, event = name,
                "a send's outcome is unknown"
            );
        }
    }
}
