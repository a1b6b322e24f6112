//! A world for a test: a simulated Cloud API, a ledger of its own and a gateway between them, all
//! on free loopback ports and gone with the test.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate::clock::Clock;
use tollgate::config::Config;
use tollgate::gateway::{Gateway, Shutdown};
use tollgate_simulator::{Simulator, SimulatorOptions};

use crate::support::client::{Client, Reply, micros};
use crate::support::process::environment_name;
use crate::support::redis_server::{self, RedisServer};

/// The account every world has, and what it is set up with.
pub const ACCOUNT: &str = "acme";
pub const WABA: &str = "102290129340398";
/// The channel that pays in advance.
pub const NUMBER: &str = "106540352242922";
/// A channel that is billed elsewhere, with an upstream of its own.
pub const EXTERNAL: &str = "106540352242923";
/// A channel that is switched off.
pub const DISABLED: &str = "106540352242924";
/// Another account's channel and WABA.
pub const RIVAL_NUMBER: &str = "206540352242922";
pub const RIVAL_WABA: &str = "202290129340398";

/// Opens sends of the account.
pub const KEY: &str = "engine-key-0123456789";
/// The same, for the campaign `of-the-key` alone.
pub const CAMPAIGN_KEY: &str = "campaign-key-0123456789";
/// May read and manage, not send.
pub const READING_KEY: &str = "reading-key-0123456789";
/// Opens sends of the other account.
pub const RIVAL_KEY: &str = "rival-key-0123456789";
pub const OPERATOR_KEY: &str = "operator-key-0123456789";

/// What the Cloud API is given instead of a gateway key, by channel.
pub const META_TOKEN: &str = "EAAmeta0token0of0acme";
pub const RIVAL_META_TOKEN: &str = "EAAmeta0token0of0rival";

/// 2026-11-15 12:00 UTC, under the rates and rules of October 2026. A clock that stands still makes
/// prices and windows the same on every day.
pub const NOON_MS: i64 = 1_794_744_000_000;

/// Prices of the October 2026 card in micro-credits.
pub const MARKETING_INDIA: i64 = 11_800;
pub const MARKETING_US: i64 = 25_000;

/// Which ledger a case runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// In the gateway's own process.
    Embedded,
    /// A private redis-server.
    Redis,
}

/// Makes every case named a test of its own on each ledger: `async fn case(backend: Backend)`.
macro_rules! on_every_ledger {
    ($($case:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case($crate::support::Backend::Embedded).await;
            })+
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case($crate::support::Backend::Redis).await;
            })+
        }
    };
}
pub(crate) use on_every_ledger;

/// What a world is made of; see [`World::of`]. The ledger has time enough for a busy machine: what
/// its deadline does is shown where it is set.
pub struct Setup {
    backend: Backend,
    own_server: bool,
    credits: String,
    account: String,
    channel: String,
    campaigns: String,
    sections: String,
    environment: Vec<(String, String)>,
    simulator: SimulatorOptions,
    now_ms: i64,
}

impl Setup {
    /// On this ledger, with 100 credits and nothing special.
    pub fn on(backend: Backend) -> Setup {
        Setup {
            backend,
            own_server: false,
            credits: "opening_top_up = \"100.00\"".into(),
            account: String::new(),
            channel: String::new(),
            campaigns: String::new(),
            sections: String::new(),
            environment: Vec::new(),
            simulator: SimulatorOptions::default(),
            now_ms: NOON_MS,
        }
    }

    /// A redis-server that no other test uses, so that it can be stopped and killed.
    pub fn own_server(mut self) -> Setup {
        self.own_server = true;
        self
    }

    /// What the wallet has at the beginning, in micro-credits.
    pub fn credits(mut self, micros: i64) -> Setup {
        self.credits =
            format!("opening_top_up = \"{}.{:06}\"", micros / 1_000_000, micros % 1_000_000);
        if micros == 0 {
            self.credits.clear();
        }
        self
    }

    /// A line of the account's table, such as `messaging_limit = 5`.
    pub fn account(mut self, line: &str) -> Setup {
        writeln!(self.account, "{line}").unwrap();
        self
    }

    /// A line of the prepaid channel's table, such as `throughput_limit = 5`.
    pub fn channel(mut self, line: &str) -> Setup {
        writeln!(self.channel, "{line}").unwrap();
        self
    }

    /// A declared campaign with its further lines.
    pub fn campaign(mut self, id: &str, lines: &str) -> Setup {
        writeln!(self.campaigns, "[[accounts.campaigns]]\nid = \"{id}\"\n{lines}").unwrap();
        self
    }

    /// A section of the file, for lists, which the environment cannot carry.
    pub fn section(mut self, lines: &str) -> Setup {
        writeln!(self.sections, "{lines}").unwrap();
        self
    }

    /// A setting by its dotted key, such as `upstream.answer_timeout_ms`.
    pub fn set(mut self, key: &str, value: impl ToString) -> Setup {
        self.environment.push((environment_name(key), value.to_string()));
        self
    }

    /// Begins at another time than [`NOON_MS`], in Unix milliseconds.
    pub fn at(mut self, now_ms: i64) -> Setup {
        self.now_ms = now_ms;
        self
    }

    /// Templates, limits and the like of the simulated Cloud API.
    pub fn simulator(mut self, change: impl FnOnce(&mut SimulatorOptions)) -> Setup {
        change(&mut self.simulator);
        self
    }
}

/// A running world. Calls go through its first gateway.
pub struct World {
    pub simulator: Simulator,
    /// What stands behind the external channel.
    pub elsewhere: Simulator,
    pub clock: Clock,
    pub client: Client,
    pub redis: Option<RedisServer>,
    /// Where token files stand.
    pub home: TempDir,
    gateway: Gateway,
    config: Config,
}

impl std::ops::Deref for World {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// What is in a temporary directory and around it, for a gateway that runs in this process or in
/// one of its own.
pub struct Ground {
    pub simulator: Simulator,
    pub elsewhere: Simulator,
    pub redis: Option<RedisServer>,
    pub home: TempDir,
    /// The configuration file's text.
    pub text: String,
    pub environment: Vec<(String, String)>,
}

impl Ground {
    pub fn lay(setup: Setup) -> Ground {
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
        let text = configuration(
            &setup,
            &home.path().display().to_string(),
            &simulator.url(),
            &elsewhere.url(),
            &ledger,
            &prefix,
        );
        Ground { simulator, elsewhere, redis, home, text, environment: setup.environment }
    }
}

impl World {
    /// The usual one.
    pub async fn on(backend: Backend) -> World {
        World::of(Setup::on(backend)).await
    }

    pub async fn of(setup: Setup) -> World {
        let clock = Clock::fixed(setup.now_ms);
        let ground = Ground::lay(setup);
        let config = Config::from_parts(&ground.text, "world.toml", ground.environment)
            .unwrap_or_else(|mistakes| {
                panic!(
                    "{}",
                    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
                )
            });
        let gateway = Gateway::start(&config, clock.clone()).await.unwrap();
        let client = Client::new(gateway.data_addr(), gateway.admin_addr());
        let Ground { simulator, elsewhere, redis, home, .. } = ground;
        World { simulator, elsewhere, clock, client, redis, home, gateway, config }
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

/// The books of a wallet in micro-credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    pub settled: i64,
    pub held: i64,
    pub available: i64,
}

impl Client {
    /// An operator's call below `/v1/accounts/acme`; it must be answered 2xx.
    pub async fn operate(&self, method: Method, path: &str, body: Value) -> Value {
        let reply = self.ask_operator(method, path, body).await;
        assert!((200..300).contains(&reply.status), "{path}: {} {}", reply.status, reply.json);
        reply.json
    }

    /// The same, whatever is answered.
    pub async fn ask_operator(&self, method: Method, path: &str, body: Value) -> Reply {
        let request = self.admin(method, &format!("/v1/accounts/{ACCOUNT}{path}"), OPERATOR_KEY);
        if body.is_null() { request.await } else { request.json(&body).await }
    }

    /// The main wallet, after everything this gateway has queued.
    pub async fn books(&self) -> Books {
        let wallet = self.operate(Method::GET, "/wallets/main", Value::Null).await;
        let amount = |name: &str| {
            micros(wallet[name].as_str().unwrap_or_else(|| panic!("no {name} in {wallet}")))
        };
        Books { settled: amount("settled"), held: amount("held"), available: amount("available") }
    }

    pub async fn top_up(&self, amount: &str, reference: &str) {
        self.operate(
            Method::POST,
            "/wallets/main/top-ups",
            json!({"amount": amount, "reference": reference}),
        )
        .await;
    }

    /// `state reason` of a campaign, for example `stopped credits_exhausted`.
    pub async fn campaign(&self, id: &str) -> String {
        let campaign = self.operate(Method::GET, &format!("/campaigns/{id}"), Value::Null).await;
        let text = |name: &str| campaign[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("state"), text("reason")).trim_end().to_owned()
    }

    /// Kinds of the account's events, oldest first.
    pub async fn events(&self) -> Vec<String> {
        let events = self.operate(Method::GET, "/events?limit=1000", Value::Null).await;
        let items = events["items"].as_array().unwrap_or_else(|| panic!("no items in {events}"));
        items
            .iter()
            .map(|event| {
                event["kind"].as_str().unwrap_or_else(|| panic!("no kind in {event}")).to_owned()
            })
            .collect()
    }

    /// Holds in one state.
    pub async fn holds(&self, state: &str) -> Vec<Value> {
        let holds = self
            .operate(Method::GET, &format!("/holds?state={state}&limit=1000"), Value::Null)
            .await;
        holds["items"].as_array().unwrap_or_else(|| panic!("no items in {holds}")).clone()
    }
}

/// A body that names a marketing template.
pub fn marketing(to: &str) -> String {
    template(to, "spring_offer", "en_US")
}

pub fn template(to: &str, name: &str, language: &str) -> String {
    json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": to, "type": "template",
           "template": {"name": name, "language": {"code": language}}})
    .to_string()
}

/// A free-form body.
pub fn text(to: &str) -> String {
    json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": to, "type": "text", "text": {"body": "Hello"}})
        .to_string()
}

/// The n-th of ten million Indian numbers.
pub fn indian(n: usize) -> String {
    format!("+91981{n:07}")
}

fn fresh_prefix() -> String {
    static WORLDS: AtomicU64 = AtomicU64::new(0);
    format!("tg{}", WORLDS.fetch_add(1, Ordering::Relaxed))
}

/// A thousand sends at once are some thousand sockets in this one process; many systems begin with
/// a limit of 1,024 files.
fn raise_open_files() {
    static RAISED: OnceLock<()> = OnceLock::new();
    RAISED.get_or_init(|| {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse::<u64>().ok());
        if soft.is_some_and(|soft| soft < 8_192) {
            let own = std::process::id().to_string();
            let raised = std::process::Command::new("prlimit").args(["--pid", &own, "--nofile=16384:"]).status();
            if !raised.is_ok_and(|status| status.success()) {
                eprintln!("the limit of open files is {soft:?} and cannot be raised; `ulimit -n 16384` may be needed");
            }
        }
    });
}

fn configuration(
    setup: &Setup,
    home: &str,
    upstream: &str,
    elsewhere: &str,
    ledger: &str,
    prefix: &str,
) -> String {
    let Setup { credits, account, channel, campaigns, sections, .. } = setup;
    format!(
        r#"
[listen]
data = "127.0.0.1:0"
admin = "127.0.0.1:0"
[upstream]
url = "{upstream}"
[ledger]
url = "{ledger}"
key_prefix = "{prefix}"
deadline_ms = 10000
[secrets]
dir = "{home}"
[admin]
bootstrap_key = "{OPERATOR_KEY}"
{sections}
[[accounts]]
id = "{ACCOUNT}"
currency = "USD"
{account}
{WALLET}
{credits}
[[accounts.wabas]]
id = "{WABA}"
time_zone = "Asia/Kolkata"
[[accounts.channels]]
phone_number_id = "{NUMBER}"
waba = "{WABA}"
token_file = "meta-token"
{channel}
[[accounts.channels]]
phone_number_id = "{EXTERNAL}"
billing = "external"
token_file = "meta-token"
upstream_url = "{elsewhere}"
[[accounts.channels]]
phone_number_id = "{DISABLED}"
waba = "{WABA}"
token_file = "meta-token"
enabled = false
{TEMPLATES}
[[accounts.keys]]
id = "engine"
key = "{KEY}"
[[accounts.keys]]
id = "campaign"
key = "{CAMPAIGN_KEY}"
campaign = "of-the-key"
[[accounts.keys]]
id = "reading"
key = "{READING_KEY}"
scopes = ["read", "manage"]
{campaigns}
{RIVAL}
"#
    )
}

/// The other account.
const RIVAL: &str = r#"
[[accounts]]
id = "rival"
currency = "USD"
[[accounts.wallets]]
id = "main"
opening_top_up = "1.00"
[[accounts.wabas]]
id = "202290129340398"
[[accounts.channels]]
phone_number_id = "206540352242922"
waba = "202290129340398"
token_file = "rival-meta-token"
[[accounts.keys]]
id = "engine"
key = "rival-key-0123456789"
"#;

const WALLET: &str = "[[accounts.wallets]]\nid = \"main\"";

const TEMPLATES: &str = r#"
[[accounts.templates]]
waba = "102290129340398"
name = "spring_offer"
language = "en_US"
category = "marketing"
[[accounts.templates]]
waba = "102290129340398"
name = "order_update"
language = "pt_BR"
category = "utility"
[[accounts.templates]]
waba = "102290129340398"
name = "login_code"
language = "en"
category = "authentication"
"#;
