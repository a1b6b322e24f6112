//! Sends a second of each peer when the generator sends as fast as it is answered.

use super::measure::{Turn, Work, median, turn};
use super::options::CompareOptions;
use super::peers::{Ground, Kind, Peer};
use crate::generate::Pace;

/// The turns of one peer, one for each round.
pub struct Turns {
    pub kind: Kind,
    pub turns: Vec<Turn>,
}

impl Turns {
    pub fn median(&self, what: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().map(what))
    }

    /// Returns sends a second of each round in proportion to another peer's of the same round.
    pub fn ratios(&self, base: &Turns) -> Vec<f64> {
        let rounds = self.turns.iter().zip(&base.turns);
        rounds.map(|(mine, base)| mine.sends_per_second / base.sends_per_second).collect()
    }
}

/// Starts all peers; ledgers learn the recipients they are to know.
pub async fn start(ground: &Ground, options: &CompareOptions) -> anyhow::Result<Vec<Peer>> {
    let work = options.work();
    let mut peers = Vec::new();
    for kind in options.kinds() {
        eprintln!("starting {}", kind.name());
        let name = format!("{kind:?}").to_lowercase();
        let mut peer = Peer::start(ground, kind, &name, &work.accounts).await?;
        if kind.has_ledger() {
            fill(ground, &mut peer, &work, options.stored).await?;
        }
        peers.push(peer);
    }
    Ok(peers)
}

/// Sends to so many recipients, so that the peer's ledger knows them.
pub async fn fill(
    ground: &Ground,
    peer: &mut Peer,
    work: &Work,
    recipients: u64,
) -> anyhow::Result<()> {
    if recipients > 0 {
        eprintln!("{}: storing {recipients} recipients", peer.kind.name());
        turn(ground, peer, work, Pace::Count(recipients)).await?;
    }
    Ok(())
}

/// Lets the peers take turns; the first, unmeasured, warms them up.
pub async fn measure(
    ground: &Ground,
    options: &CompareOptions,
    peers: &mut [Peer],
) -> anyhow::Result<Vec<Turns>> {
    let work = options.work();
    let mut all: Vec<Turns> =
        peers.iter().map(|peer| Turns { kind: peer.kind, turns: Vec::new() }).collect();
    for round in 0..=options.rounds {
        for (peer, turns) in peers.iter_mut().zip(&mut all) {
            let length = if round == 0 { options.turn / 4 } else { options.turn };
            let turn = turn(ground, peer, &work, Pace::Closed(length)).await?;
            if round > 0 {
                eprintln!(
                    "round {round}: {:<22} {:>7.0} sends/s, server {:.1} us, store {:.1} us",
                    turns.kind.name(),
                    turn.sends_per_second,
                    turn.server,
                    turn.store,
                );
                turns.turns.push(turn);
            }
        }
    }
    Ok(all)
}
