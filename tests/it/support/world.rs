//! A world for a test: a simulated Cloud API, a ledger of its own and a gateway between them, all
//! on free loopback ports and gone with the test.

use std::time::Duration;

use tempfile::TempDir;
use tollgate::clock::Clock;
use tollgate::config::Config;
use tollgate::gateway::{Gateway, Shutdown};
use tollgate_simulator::Simulator;

use super::client::Client;
use super::deployment::Deployment;
use super::ledgers::Backend;
use super::printed::Watch;
use super::redis_server::RedisServer;
use super::setup::Setup;

/// A running world. Calls go through its first gateway.
pub struct World {
    pub simulator: Simulator,
    /// Upstream of the external channel.
    pub elsewhere: Simulator,
    pub clock: Clock,
    pub client: Client,
    pub redis: Option<RedisServer>,
    /// The directory of token files.
    pub home: TempDir,
    gateway: Gateway,
    config: Config,
    _watch: Watch,
}

impl std::ops::Deref for World {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl World {
    /// One with nothing special; see [`Setup::on`].
    pub async fn on(backend: Backend) -> World {
        World::of(Setup::on(backend)).await
    }

    pub async fn of(setup: Setup) -> World {
        let clock = Clock::fixed(setup.now_ms);
        let deployment = Deployment::prepare(setup);
        let config = Config::from_parts(&deployment.text, "world.toml", deployment.environment)
            .unwrap_or_else(|mistakes| {
                panic!(
                    "{}",
                    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
                )
            });
        let gateway = Gateway::start(&config, clock.clone()).await.unwrap();
        let client = Client::new(gateway.data_addr(), gateway.admin_addr());
        let Deployment { simulator, elsewhere, redis, home, .. } = deployment;
        World { simulator, elsewhere, clock, client, redis, home, gateway, config, _watch: Watch }
    }

    /// One more gateway on the same store.
    pub async fn another_gateway(&self) -> (Gateway, Client) {
        let gateway = Gateway::start(&self.config, self.clock.clone()).await.unwrap();
        let client = Client::new(gateway.data_addr(), gateway.admin_addr());
        (gateway, client)
    }

    /// Lets time pass: ledger, catalog, leases and windows all look at this clock.
    pub fn pass(&self, time: Duration) {
        self.clock.advance(i64::try_from(time.as_millis()).unwrap());
    }

    /// Ends the gateway in good order; the rest of the world stays until the end of the test.
    pub async fn end(self) -> (Shutdown, Simulator) {
        (self.gateway.shutdown().await, self.simulator)
    }

    pub fn ops_addr(&self) -> Option<std::net::SocketAddr> {
        self.gateway.ops_addr()
    }

    /// Bodies the Cloud API accepted, oldest first.
    pub fn accepted_bodies(&self) -> Vec<String> {
        self.simulator
            .accepted()
            .iter()
            .map(|accepted| String::from_utf8(accepted.body.to_vec()).unwrap())
            .collect()
    }
}
