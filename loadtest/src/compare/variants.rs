//! Whether a send costs more when there is much of something: campaigns, recipients, accounts.

use super::measure::{Turn, Work, turn};
use super::options::{CompareOptions, accounts};
use super::peers::{Ground, Kind, Peer};
use super::throughput::{Turns, fill};
use crate::generate::Pace;

/// Few recipients, but too many for anybody to reach the cap of 100 messages.
const FEW_RECIPIENTS: u64 = 10_000;

/// The turns of a gateway with few of something, and of another one with many.
pub struct Variant {
    pub kind: Kind,
    pub what: &'static str,
    pub counts: [u64; 2],
    pub few: Turns,
    pub many: Turns,
}

impl Variant {
    /// Returns the medians of few and many, and their ratio.
    pub fn compared(&self, what: impl Fn(&Turn) -> f64 + Copy) -> [f64; 3] {
        let (few, many) = (self.few.median(what), self.many.median(what));
        [few, many, if few > 0.0 { many / few } else { 0.0 }]
    }
}

/// One kind of many: its name, the counts, and the works of few and of many.
struct Pair {
    what: &'static str,
    counts: [u64; 2],
    works: [Work; 2],
    /// Sends before anything is measured, so that all of it is there.
    filled: [u64; 2],
}

fn pairs(options: &CompareOptions) -> Vec<Pair> {
    let few = Work { recipients: FEW_RECIPIENTS, ..options.work() };
    let (campaigns, recipients) = (options.many_campaigns, options.many_recipients);
    let one_channel = |count| Work { accounts: accounts(count, 1), ..few.clone() };
    let many_accounts = options.many_accounts;
    // One account has as many channels as it needs not to be held up by their throughput limits.
    vec![
        Pair {
            what: "campaigns",
            counts: [1, campaigns],
            works: [few.clone(), Work { campaigns, ..few.clone() }],
            filled: [FEW_RECIPIENTS, campaigns],
        },
        Pair {
            what: "recipients",
            counts: [FEW_RECIPIENTS, recipients],
            works: [few.clone(), Work { recipients, ..few.clone() }],
            filled: [FEW_RECIPIENTS, recipients],
        },
        Pair {
            what: "accounts",
            counts: [1, u64::from(many_accounts)],
            works: [few.clone(), one_channel(many_accounts)],
            filled: [FEW_RECIPIENTS, u64::from(many_accounts)],
        },
    ]
}

/// Measures every pair on every gateway.
pub async fn measure(ground: &Ground, options: &CompareOptions) -> anyhow::Result<Vec<Variant>> {
    let mut all = Vec::new();
    for kind in options.gateways() {
        for pair in pairs(options) {
            all.push(measure_pair(ground, options, kind, pair).await?);
        }
    }
    Ok(all)
}

async fn measure_pair(
    ground: &Ground,
    options: &CompareOptions,
    kind: Kind,
    pair: Pair,
) -> anyhow::Result<Variant> {
    let mut peers = Vec::new();
    for (size, (work, filled)) in
        ["few", "many"].into_iter().zip(pair.works.iter().zip(pair.filled))
    {
        let name = format!("{kind:?}-{}-{size}", pair.what).to_lowercase();
        eprintln!("starting {} with {size} {}", kind.name(), pair.what);
        let mut peer = Peer::start(ground, kind, &name, &work.accounts).await?;
        fill(ground, &mut peer, work, filled).await?;
        peers.push(peer);
    }
    let mut turns = [Vec::new(), Vec::new()];
    for round in 1..=options.rounds {
        for (at, peer) in peers.iter_mut().enumerate() {
            let turn = turn(ground, peer, &pair.works[at], Pace::Closed(options.turn)).await?;
            eprintln!(
                "round {round}: {} of {} {:>7.0} sends/s, server {:.1} us, store {:.1} us",
                pair.counts[at], pair.what, turn.sends_per_second, turn.server, turn.store,
            );
            turns[at].push(turn);
        }
    }
    let [few, many] = turns.map(|turns| Turns { kind, turns });
    Ok(Variant { kind, what: pair.what, counts: pair.counts, few, many })
}
