//! What a gateway adds to the latency of a bare proxy, at a rate of 70 % of what the gateway does
//! at most: an open loop, in which latency counts from when a send was meant to start.

use anyhow::Context;

use super::measure::{Turn, median, turn};
use super::options::CompareOptions;
use super::peers::{Ground, Kind, Peer};
use super::throughput::Turns;
use crate::generate::Pace;
use crate::schedule::Schedule;

/// Of a gateway's most sends a second.
pub const LOAD_PERCENT: f64 = 70.0;

/// The turns of a gateway and of the bare proxy at the same rate.
pub struct Added {
    pub kind: Kind,
    pub rate: u32,
    bare: Vec<Turn>,
    gateway: Vec<Turn>,
}

impl Added {
    /// Returns the medians of the bare proxy's turns, of the gateway's and of what the gateway's
    /// had more than the bare one's just before.
    pub fn medians(&self, what: impl Fn(&Turn) -> f64) -> [f64; 3] {
        let pairs = || self.bare.iter().zip(&self.gateway);
        [
            median(self.bare.iter().map(&what)),
            median(self.gateway.iter().map(&what)),
            median(pairs().map(|(bare, gateway)| what(gateway) - what(bare))),
        ]
    }
}

/// Measures each gateway that is running beside the bare proxy, if that is running.
pub async fn measure(
    ground: &Ground,
    options: &CompareOptions,
    peers: &mut [Peer],
    throughput: &[Turns],
) -> anyhow::Result<Vec<Added>> {
    let work = options.work();
    let Some(bare) = peers.iter().position(|peer| peer.kind == Kind::Hyper) else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for kind in options.gateways() {
        let at = peers.iter().position(|peer| peer.kind == kind).context("it is running")?;
        let most = throughput.iter().find(|turns| turns.kind == kind).context("it had turns")?;
        let rate = most.median(|turn| turn.sends_per_second) * LOAD_PERCENT / 100.0;
        let mut added = Added { kind, rate: rate as u32, bare: Vec::new(), gateway: Vec::new() };
        let pace = || Pace::Open(Schedule::constant(added.rate, options.turn));
        let mut pairs = Vec::new();
        for round in 1..=options.rounds {
            let one = turn(ground, &mut peers[bare], &work, pace()).await?;
            let other = turn(ground, &mut peers[at], &work, pace()).await?;
            eprintln!(
                "round {round}: {} sends/s through {}: p50 {:.2}, p99 {:.2} ms; bare {:.2}, {:.2}",
                added.rate,
                kind.name(),
                other.p50_ms,
                other.p99_ms,
                one.p50_ms,
                one.p99_ms,
            );
            pairs.push((one, other));
        }
        (added.bare, added.gateway) = pairs.into_iter().unzip();
        all.push(added);
    }
    Ok(all)
}
