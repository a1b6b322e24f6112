//! Everything around a gateway: simulated upstreams, a ledger's store, token files and the
//! configuration that names them, gone with the test.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use tollgate_simulator::{Simulator, SimulatorOptions};

use super::ledgers::Backend;
use super::printed;
use super::redis_server::{self, RedisServer};
use super::setup::{Addresses, META_TOKEN, RIVAL_META_TOKEN, Setup, configuration};

/// What a gateway needs to run, in this process or in one of its own: upstreams, a store, secrets
/// in a temporary directory and a configuration.
pub struct Deployment {
    pub simulator: Simulator,
    /// Upstream of the external channel.
    pub elsewhere: Simulator,
    /// The server of [`Setup::own_server`].
    pub redis: Option<RedisServer>,
    /// The directory of token files.
    pub home: TempDir,
    /// The configuration file's text.
    pub text: String,
    pub environment: Vec<(String, String)>,
}

impl Deployment {
    pub fn prepare(setup: Setup) -> Deployment {
        raise_open_files();
        let home = tempfile::Builder::new().prefix("tollgate-it-").tempdir().unwrap();
        std::fs::write(home.path().join("meta-token"), format!("{META_TOKEN}\n")).unwrap();
        std::fs::write(home.path().join("rival-meta-token"), RIVAL_META_TOKEN).unwrap();
        let tokens = Some(vec![META_TOKEN.to_owned(), RIVAL_META_TOKEN.to_owned()]);
        let simulator =
            Simulator::start(SimulatorOptions { tokens, ..setup.simulator.clone() }).unwrap();
        let elsewhere = Simulator::start(SimulatorOptions::default()).unwrap();
        let redis = (setup.backend == Backend::Redis && setup.own_server).then(RedisServer::start);
        let (ledger, prefix) = match (setup.backend, &redis) {
            (Backend::Embedded, _) => {
                (format!("embedded:{}/ledger", home.path().display()), "tg".to_owned())
            }
            (Backend::Redis, Some(own)) => (own.url(), "tg".to_owned()),
            (Backend::Redis, None) => (redis_server::shared().url(), fresh_prefix()),
        };
        let addresses = Addresses {
            home: &home.path().display().to_string(),
            upstream: &simulator.url(),
            elsewhere: &elsewhere.url(),
            media: &setup.media_host.clone().unwrap_or(simulator.media_addr().to_string()),
            ledger: &ledger,
            key_prefix: &prefix,
        };
        let text = configuration(&setup, &addresses);
        printed::watch_this_process();
        printed::learn_configuration(&text, &setup.environment, home.path());
        Deployment { simulator, elsewhere, redis, home, text, environment: setup.environment }
    }
}

fn fresh_prefix() -> String {
    static WORLDS: AtomicU64 = AtomicU64::new(0);
    format!("tg{}", WORLDS.fetch_add(1, Ordering::Relaxed))
}

/// Raises this process's limit of open files if it is low: one test opens 11,000 connections,
/// and many systems begin with 1,024 files.
fn raise_open_files() {
    static RAISED: OnceLock<()> = OnceLock::new();
    RAISED.get_or_init(|| {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let soft = soft.and_then(|columns| columns.split_whitespace().next()?.parse::<u64>().ok());
        if soft.is_none_or(|soft| soft >= 12_288) {
            return;
        }
        let own = std::process::id().to_string();
        let raised =
            std::process::Command::new("prlimit").args(["--pid", &own, "--nofile=16384:"]).status();
        if !raised.is_ok_and(|status| status.success()) {
            eprintln!(
                "the limit of open files is {soft:?} and cannot be raised; \
                 `ulimit -n 16384` may be needed"
            );
        }
    });
}
