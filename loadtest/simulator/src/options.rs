//! How a simulator behaves: its address, latency and limits, and what exists in its WABAs.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// One message template the simulated WABA has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatorTemplate {
    /// The WABA that owns it; without one, every WABA has it.
    pub waba: Option<String>,
    /// Template name.
    pub name: String,
    /// Language code as sends carry it, `en_US`.
    pub language: String,
    /// `MARKETING`, `UTILITY` or `AUTHENTICATION`; an empty one is listed as `null`.
    pub category: String,
    /// `APPROVED`, `PAUSED`, `DISABLED`, ...
    pub status: String,
}

impl SimulatorTemplate {
    /// An approved template of every WABA.
    pub fn approved(name: &str, language: &str, category: &str) -> SimulatorTemplate {
        SimulatorTemplate {
            waba: None,
            name: name.to_owned(),
            language: language.to_owned(),
            category: category.to_owned(),
            status: "APPROVED".to_owned(),
        }
    }
}

/// How a simulator behaves; the default takes every well-formed message at once.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    /// Address to listen on. Default `127.0.0.1:0`: a free port.
    pub listen: SocketAddr,
    /// TLS, with HTTP/2 if its ALPN protocols begin with `h2`. Default none: plain HTTP/1.1.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// How long every good reply takes. The message counts as accepted before the wait. Default
    /// none.
    pub latency: Duration,
    /// Bearer tokens that are good; any other gets error 190 with HTTP 401. `None`: any token, but
    /// there must be one.
    pub tokens: Option<Vec<String>>,
    /// Phone number IDs that exist; another gets error 100 with subcode 33. `None`: every number
    /// exists.
    pub phone_number_ids: Option<Vec<String>>,
    /// Templates that exist. Empty: none are listed, and sends may name any.
    pub templates: Vec<SimulatorTemplate>,
    /// Messages a second per phone number ID before error 130429. `None`: no limit.
    pub throughput_limit: Option<u32>,
    /// How many accepted messages to keep for `Simulator::accepted`, newest last. Default
    /// 100,000; 0 keeps none and makes accepting cheapest.
    pub keep: usize,
    /// Seed of message ids and trace ids. `None`: different for every simulator.
    pub seed: Option<u64>,
}

impl Default for SimulatorOptions {
    fn default() -> SimulatorOptions {
        SimulatorOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            latency: Duration::ZERO,
            tokens: None,
            phone_number_ids: None,
            templates: Vec::new(),
            throughput_limit: None,
            keep: 100_000,
            seed: None,
        }
    }
}
