//! Logs and counts the events that the ledger recorded: exhausted wallets, stopped campaigns,
//! low balances, holds in doubt.
//!
//! Every gateway logs every event of a shared ledger once; alerts over several gateways take the
//! maximum, not the sum.

use super::watched::Look;
use crate::ids::AccountId;
use crate::ledger::{Event, EventKind, LedgerFault, LedgerReads, PageRequest};
use crate::metrics::Metrics;

/// Events of one account told in one round; more wait for the next.
const PAGE: u64 = 1_000;

/// Logs and counts what is new of one account since `since_ms`; returns the last event that was
/// told or passed over.
pub(super) async fn tell(
    reads: &dyn LedgerReads,
    metrics: &Metrics,
    account: &AccountId,
    look: &Look,
    since_ms: i64,
) -> Result<u64, LedgerFault> {
    let last = look.attention.events;
    let told = match look.told {
        // A store that lost writes numbers the next ones anew.
        Some(told) => told.min(last),
        None if look.attention.last_ms < since_ms => last,
        None => before(reads, account, last, since_ms).await?,
    };
    if told >= last {
        return Ok(told);
    }
    let events = after(reads, account, told, PAGE).await?;
    // If there is none, those between are gone.
    let told = events.last().map_or(last, |event| event.sequence);
    for event in events.iter().filter(|event| event.at_ms >= since_ms) {
        metrics.event(event.kind.as_str());
        log(account, event);
    }
    Ok(told)
}

/// The number of an event after which all since `since_ms` come, by steps back from the last: those
/// before may be many.
async fn before(
    reads: &dyn LedgerReads,
    account: &AccountId,
    last: u64,
    since_ms: i64,
) -> Result<u64, LedgerFault> {
    let mut number = last;
    while number > 0 {
        number = number.saturating_sub(PAGE);
        let events = after(reads, account, number, 1).await?;
        if events.first().is_none_or(|event| event.at_ms < since_ms) {
            break;
        }
    }
    Ok(number)
}

async fn after(
    reads: &dyn LedgerReads,
    account: &AccountId,
    number: u64,
    most: u64,
) -> Result<Vec<Event>, LedgerFault> {
    let limit = usize::try_from(most).unwrap_or(usize::MAX);
    let request = PageRequest { cursor: Some(number.to_string()), limit };
    Ok(reads.events(account, &request).await?.items)
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
