//! What is compared: each peer is started once, in front of the same simulated upstream, and stays
//! up to the end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use tokio::process::Command;

use crate::gateway::{Accounts, Gateway, GatewayOptions};
use crate::process::{self, Directory, Process, free_address};
use crate::redis::RedisServer;

const READY_WITHIN: Duration = Duration::from_secs(300);
const NGINX: &str = include_str!("../../peers/nginx.conf");
const NGINX_LUA: &str = include_str!("../../peers/nginx-lua.conf");
const SEND_LUA: &str = include_str!("../../peers/send.lua");
const POLICY_LUA: &str = include_str!("../../peers/policy.lua");

/// Something that sends go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The simulator itself
    Upstream,
    /// nginx that passes sends on
    Nginx,
    /// The least proxy built on hyper, on one thread
    Hyper,
    /// nginx with Lua and one EVALSHA a send
    NginxLua,
    /// Tollgate on its embedded ledger
    Embedded,
    /// Tollgate on Redis
    Redis,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Upstream => "upstream alone",
            Kind::Nginx => "bare nginx",
            Kind::Hyper => "bare hyper proxy",
            Kind::NginxLua => "nginx + Lua + EVALSHA",
            Kind::Embedded => "Tollgate embedded",
            Kind::Redis => "Tollgate on Redis",
        }
    }

    /// Returns what survives what when a send is answered.
    pub fn durability(self) -> &'static str {
        match self {
            Kind::Upstream | Kind::Nginx | Kind::Hyper => "-",
            Kind::NginxLua | Kind::Redis => "append-only file, synced every second",
            Kind::Embedded => "synced before the answer",
        }
    }

    pub fn has_ledger(self) -> bool {
        matches!(self, Kind::NginxLua | Kind::Embedded | Kind::Redis)
    }
}

/// The simulated upstream and the place for everybody's files.
pub struct Ground {
    pub home: Directory,
    pub binary: PathBuf,
    simulator: Process,
    pub simulator_address: SocketAddr,
}

impl Ground {
    pub async fn prepare(binary: &Path) -> anyhow::Result<Ground> {
        let home = Directory::make("compare")?;
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["simulate", "--keep", "0", "--listen"]).arg(address.to_string());
        let log = home.path().join("simulator.log");
        let mut simulator = Process::start("the simulator", &mut command, log)?;
        simulator.listening(address, READY_WITHIN).await?;
        Ok(Ground { home, binary: binary.to_owned(), simulator, simulator_address: address })
    }

    pub fn simulator_pid(&self) -> u32 {
        self.simulator.pid()
    }
}

/// A running peer.
pub struct Peer {
    pub kind: Kind,
    pub target: SocketAddr,
    server: Server,
    store: Option<RedisServer>,
    /// The directory of its gateway's embedded ledger.
    ledger: PathBuf,
    /// Sends so far, so that each run goes on behind the last one's recipients.
    pub sent: u64,
}

enum Server {
    None,
    Process(Process),
    Gateway(Gateway),
}

impl Peer {
    /// Starts one; `name` is the directory of its files.
    pub async fn start(
        ground: &Ground,
        kind: Kind,
        name: &str,
        accounts: &Accounts,
    ) -> anyhow::Result<Peer> {
        let home = ground.home.inside(name)?;
        let ledger = home.join("ledger");
        let store = match kind {
            Kind::NginxLua | Kind::Redis => {
                Some(RedisServer::start(&ground.home.inside(&format!("{name}/redis"))?).await?)
            }
            _ => None,
        };
        let mut target = free_address()?;
        let server = match (kind, &store) {
            (Kind::Upstream, _) => {
                target = ground.simulator_address;
                Server::None
            }
            (Kind::Hyper, _) => Server::Process(hyper(ground, &home, target).await?),
            (Kind::Nginx, _) => Server::Process(nginx(ground, &home, target, NGINX, None).await?),
            (Kind::NginxLua, Some(store)) => {
                store.ask("HSET wallet:load balance 1000000000000").await?;
                let redis = Some(store.address);
                Server::Process(nginx(ground, &home, target, NGINX_LUA, redis).await?)
            }
            (_, store) => {
                let embedded = || format!("embedded:{}", ledger.display());
                let gateway = Gateway::start(&GatewayOptions {
                    binary: &ground.binary,
                    home,
                    ledger_url: store.as_ref().map_or_else(embedded, RedisServer::url),
                    upstream_url: format!("http://{}", ground.simulator_address),
                    configuration: accounts.declared(),
                    ready_within: READY_WITHIN,
                })
                .await?;
                target = gateway.data;
                Server::Gateway(gateway)
            }
        };
        Ok(Peer { kind, target, server, store, ledger, sent: 0 })
    }

    /// Returns the processor times of the proxy or gateway, and of its store.
    pub fn processor_times(&self) -> [Duration; 2] {
        let server = match &self.server {
            Server::None => Duration::ZERO,
            Server::Process(process) => process::processor_time_of_family(process.pid()),
            Server::Gateway(gateway) => process::processor_time(gateway.pid()),
        };
        let store = self.store.as_ref().map(|store| process::processor_time(store.pid()));
        [server, store.unwrap_or_default()]
    }

    /// Returns how many ledger batches there were, and how many operations in them.
    pub async fn batches(&self) -> anyhow::Result<(f64, f64)> {
        match &self.server {
            Server::Gateway(gateway) => gateway.batches().await,
            _ => Ok((0.0, 0.0)),
        }
    }

    /// Returns the bytes of its ledger's files.
    pub fn bytes_on_disk(&self) -> u64 {
        self.store.as_ref().map_or_else(|| process::bytes_under(&self.ledger), RedisServer::bytes)
    }

    /// Returns the bytes its store has in memory; without a store, its own.
    pub async fn bytes_in_memory(&self) -> anyhow::Result<u64> {
        match (&self.store, &self.server) {
            (Some(store), _) => store.memory().await,
            (None, Server::Gateway(gateway)) => process::resident(gateway.pid()),
            (None, _) => Ok(0),
        }
    }
}

async fn hyper(ground: &Ground, home: &Path, target: SocketAddr) -> anyhow::Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("proxy").arg("--listen").arg(target.to_string());
    command.arg("--upstream").arg(format!("http://{}", ground.simulator_address));
    let mut process = Process::start("the hyper proxy", &mut command, home.join("log"))?;
    process.listening(target, READY_WITHIN).await?;
    Ok(process)
}

async fn nginx(
    ground: &Ground,
    home: &Path,
    target: SocketAddr,
    configuration: &str,
    redis: Option<SocketAddr>,
) -> anyhow::Result<Process> {
    let configuration = configuration
        .replace("@SIMULATOR@", &ground.simulator_address.to_string())
        .replace("@LISTEN@", &target.to_string())
        .replace("@REDIS@", &redis.map_or_else(String::new, |redis| redis.to_string()))
        .replace("@PEERS@", &home.display().to_string());
    std::fs::write(home.join("nginx.conf"), configuration)?;
    std::fs::write(home.join("send.lua"), SEND_LUA)?;
    std::fs::write(home.join("policy.lua"), POLICY_LUA)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(home).arg("-c").arg(home.join("nginx.conf"));
    let mut process = Process::start("nginx", &mut command, home.join("log"))
        .context("`.ci/setup-peers` installs what is missing")?;
    process.listening(target, READY_WITHIN).await?;
    Ok(process)
}
