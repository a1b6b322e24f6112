//! One turn: some seconds of sends through one peer, with what everybody used meanwhile.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;

use super::peers::{Ground, Peer};
use crate::body::{BodyMaker, Content};
use crate::gateway::Accounts;
use crate::generate::{self, Load, Pace, Plan};
use crate::pick::Pick;
use crate::process::processor_time;

/// Of 1,000 sends so many may fail: a stall of the machine does not spoil a comparison.
const FAILURES_MAX_PER_MILLE: u64 = 10;

/// The sends of a turn, but for how many and when.
#[derive(Debug, Clone)]
pub struct Work {
    pub accounts: Accounts,
    pub connections: usize,
    pub recipients: u64,
    /// Campaigns in turn; one if 1.
    pub campaigns: u64,
}

/// What one turn measured. Times are in microseconds of a processor for each send.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    pub sends_per_second: f64,
    pub generator: f64,
    pub upstream: f64,
    /// The proxy or gateway.
    pub server: f64,
    /// Its Redis.
    pub store: f64,
    /// Operations in a ledger batch.
    pub batch: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub disk_bytes: f64,
    pub memory_bytes: f64,
}

/// Everything that is read before and after.
struct Reading {
    generator: Duration,
    upstream: Duration,
    server: Duration,
    store: Duration,
    batches: (f64, f64),
    disk: u64,
    memory: u64,
}

impl Reading {
    async fn take(ground: &Ground, peer: &Peer) -> anyhow::Result<Reading> {
        let [server, store] = peer.processor_times();
        Ok(Reading {
            generator: processor_time(std::process::id()),
            upstream: processor_time(ground.simulator_pid()),
            server,
            store,
            batches: peer.batches().await?,
            disk: peer.bytes_on_disk(),
            memory: peer.bytes_in_memory().await?,
        })
    }
}

/// Sends through a peer and measures.
pub async fn turn(
    ground: &Ground,
    peer: &mut Peer,
    work: &Work,
    pace: Pace,
) -> anyhow::Result<Turn> {
    let name = peer.kind.name();
    let senders = work.accounts.senders(peer.target, "compare")?;
    let template =
        Content::Template { name: "spring_offer".to_owned(), language: "en_US".to_owned() };
    let recipients = Pick::new(work.recipients, 1, 0);
    let plan = Arc::new(Plan::new(Load {
        authority: peer.target.to_string(),
        sender: Pick::new(senders.len() as u64, 1, 0),
        senders,
        campaigns: (work.campaigns > 1).then_some(work.campaigns),
        bodies: BodyMaker::new(&template, vec!["+9198".to_owned()], recipients),
        varied_key: None,
        idempotency: None,
        deadline: Duration::from_secs(15),
        connections: work.connections,
        pace,
        first: peer.sent,
    })?);
    let before = Reading::take(ground, peer).await?;
    let seconds = generate::run(&plan).await?.as_secs_f64();
    let after = Reading::take(ground, peer).await?;
    let total = plan.total()?;
    let sends = total.succeeded();
    let failed = total.answered() + total.failed() + total.unsent - sends;
    peer.sent += sends + failed;
    ensure!(
        sends > 0 && failed <= sends * FAILURES_MAX_PER_MILLE / 1_000,
        "{name}: {failed} sends failed beside {sends} good ones: {}",
        total.describe()
    );
    let micros = |before: Duration, after: Duration| {
        after.saturating_sub(before).as_secs_f64() * 1e6 / sends as f64
    };
    let bytes = |before: u64, after: u64| after.saturating_sub(before) as f64 / sends as f64;
    let batches = after.batches.0 - before.batches.0;
    Ok(Turn {
        sends_per_second: sends as f64 / seconds,
        generator: micros(before.generator, after.generator),
        upstream: micros(before.upstream, after.upstream),
        server: micros(before.server, after.server),
        store: micros(before.store, after.store),
        batch: if batches > 0.0 { (after.batches.1 - before.batches.1) / batches } else { 0.0 },
        p50_ms: total.quantile_ms(0.5),
        p99_ms: total.quantile_ms(0.99),
        disk_bytes: bytes(before.disk, after.disk),
        memory_bytes: bytes(before.memory, after.memory),
    })
}

/// Returns the value in the middle; 0 of nothing.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => (values[count / 2 - 1] + values[count / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn medians() {
        assert_eq!(super::median([].into_iter()), 0.0);
        assert_eq!(super::median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(super::median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
    }
}
