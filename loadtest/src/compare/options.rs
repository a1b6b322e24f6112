//! What a comparison can be told on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::measure::Work;
use super::peers::Kind;
use crate::duration;
use crate::gateway::{Accounts, CHANNELS_MAX};

/// What a comparison measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Sends a second and processor time of everybody
    Throughput,
    /// What a gateway adds at 70 % of its saturation to a bare proxy's latency
    Latency,
    /// Many campaigns, recipients and accounts against few
    Variants,
}

/// What to compare, and for how long.
#[derive(Args)]
pub struct CompareOptions {
    /// The gateway binary
    #[arg(long, default_value = "target/release/tollgate")]
    pub gateway: PathBuf,
    /// Peers to compare (repeatable); all without it
    #[arg(long, value_enum)]
    peer: Vec<Kind>,
    /// Parts to measure (repeatable); all without it
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// Rounds; in each every peer has a turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rounds: u32,
    /// Length of a turn
    #[arg(long, default_value = "5s", value_parser = duration::parse)]
    pub turn: Duration,
    /// Connections of the generator
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Channels that sends come from in turn
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub channels: u32,
    /// Different recipients, in turn
    #[arg(long, default_value_t = 1_000_000)]
    recipients: u64,
    /// Recipients that each ledger knows already when it is measured
    #[arg(long, default_value_t = 100_000)]
    pub stored: u64,
    /// Campaigns to compare with one
    #[arg(long, default_value_t = 100_000)]
    pub many_campaigns: u64,
    /// Recipients to compare with 10,000
    #[arg(long, default_value_t = 1_000_000)]
    pub many_recipients: u64,
    /// Accounts, of one channel each, to compare with one
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..99_999))]
    pub many_accounts: u32,
    /// A page whose generated section gets the result; without it, the result goes to stdout
    #[arg(long)]
    pub write: Option<PathBuf>,
}

impl CompareOptions {
    /// Returns the peers to compare.
    pub fn kinds(&self) -> Vec<Kind> {
        match self.peer.is_empty() {
            true => Kind::value_variants().to_vec(),
            false => self.peer.clone(),
        }
    }

    /// Returns those of the peers that are a gateway.
    pub fn gateways(&self) -> Vec<Kind> {
        let gateways = |kind: &Kind| matches!(kind, Kind::Embedded | Kind::Redis);
        self.kinds().into_iter().filter(gateways).collect()
    }

    /// Returns whether a part is measured.
    pub fn measures(&self, part: Part) -> bool {
        self.part.is_empty() || self.part.contains(&part)
    }

    /// Returns the sends that all peers get alike.
    pub fn work(&self) -> Work {
        Work {
            accounts: accounts(1, self.channels),
            connections: self.connections as usize,
            recipients: self.recipients,
            campaigns: 1,
        }
    }
}

/// Returns accounts with the whole policy: credits, messaging limit, frequency cap.
pub fn accounts(count: u32, channels: u32) -> Accounts {
    Accounts {
        count,
        channels: channels.min(CHANNELS_MAX),
        opening_top_up: "1000000.00".to_owned(),
        settings: "messaging_limit = 100000000\n\
                   caps = [{ categories = [\"marketing\"], max = 100, window_s = 86400 }]"
            .to_owned(),
    }
}
