//! SDKs that know no other host than graph.facebook.com, over TLS. Each runs twice, once before the
//! gateway and once before a simulated Graph API: what arrives there is the same, byte for byte.

use std::net::SocketAddr;
use std::path::Path;

use tokio::process::Command;
use tollgate_simulator::{Accepted, Simulator, SimulatorOptions};

use super::engine::{GRAPH, SecureWorld, Steps, environment, installed, path};
use super::graph_proxy::graph_proxy;
use crate::support::{
    Backend, CAMPAIGN_KEY, LOCAL, MARKETING_US, META_TOKEN, NUMBER, Setup, UTILITY_US, World,
    on_every_ledger,
};

on_every_ledger!(
    heyoo_cannot_tell_the_gateway_from_graph,
    metas_own_sdk_cannot_tell_the_gateway_from_graph,
    whatsapp_api_js_cannot_tell_the_gateway_from_graph,
    an_sdk_in_rust_cannot_tell_the_gateway_from_graph,
);

const SETUP: &str = ".ci/setup-sdks";
const PICTURE: &[u8] = b"\xff\xd8\xff\xe0 a picture";

/// What an SDK does, and what it reports of an error.
struct Sdk {
    /// The command that runs its engine once the Graph API's host is at an address, and the script.
    engine: fn(SocketAddr) -> (Command, String),
    /// The proxy variables lead to the host.
    proxied: bool,
    user_agent: &'static str,
    /// Types of the messages that arrive, in order.
    kinds: &'static str,
    /// It uploads a media object, fetches and deletes it.
    uploads: bool,
    reports_status: bool,
}

async fn heyoo_cannot_tell_the_gateway_from_graph(backend: Backend) {
    let kinds = "text text template image interactive interactive image document audio video \
                 sticker contacts reaction text location";
    let engine = |_: SocketAddr| {
        let mut command = Command::new(installed("target/sdks/python/bin/python", SETUP));
        command.arg("-B").arg(path("tests/it/sdk/heyoo_sends.py")).args([NUMBER, CAMPAIGN_KEY]);
        (command, String::new())
    };
    let user_agent = "python-requests/";
    let sdk =
        Sdk { engine, proxied: true, user_agent, kinds, uploads: true, reports_status: false };
    sdk.check(backend).await;
}

async fn metas_own_sdk_cannot_tell_the_gateway_from_graph(backend: Backend) {
    let engine = |graph: SocketAddr| {
        let (mut command, script) = node("meta_sends.mjs", graph);
        command
            .env("WA_PHONE_NUMBER_ID", NUMBER)
            .env("CLOUD_API_ACCESS_TOKEN", CAMPAIGN_KEY)
            .env("CLOUD_API_VERSION", "v24.0")
            // Otherwise it wants a package that it does not name.
            .env("NODE_ENV", "production");
        (command, script)
    };
    let user_agent = "WA_SDK/";
    let kinds = "text text template image interactive document audio video sticker location \
                 contacts";
    let sdk =
        Sdk { engine, proxied: false, user_agent, kinds, uploads: false, reports_status: true };
    sdk.check(backend).await;
}

async fn whatsapp_api_js_cannot_tell_the_gateway_from_graph(backend: Backend) {
    let engine = |graph: SocketAddr| {
        let (mut command, script) = node("whatsapp_api_js_sends.mjs", graph);
        command.args([NUMBER, CAMPAIGN_KEY]);
        (command, script)
    };
    let user_agent = "node";
    let kinds = "text text template image interactive document audio video sticker location \
                 contacts reaction reaction interactive interactive interactive interactive \
                 interactive interactive interactive interactive interactive interactive template \
                 text";
    let sdk =
        Sdk { engine, proxied: false, user_agent, kinds, uploads: true, reports_status: false };
    sdk.check(backend).await;
}

async fn an_sdk_in_rust_cannot_tell_the_gateway_from_graph(backend: Backend) {
    let engine = |_: SocketAddr| {
        let mut command =
            Command::new(installed("target/sdks/rust/debug/tollgate-sdk-rust", SETUP));
        command.args([NUMBER, CAMPAIGN_KEY, "990000000000001"]);
        (command, String::new())
    };
    let (user_agent, kinds) = ("", "text template image interactive");
    let sdk =
        Sdk { engine, proxied: true, user_agent, kinds, uploads: false, reports_status: true };
    sdk.check(backend).await;
}

/// A script in Node on standard input, so that it finds the packages of its working directory.
fn node(script: &str, graph: SocketAddr) -> (Command, String) {
    let script = std::fs::read_to_string(path("tests/it/sdk").join(script)).unwrap();
    let mut command = Command::new("node");
    command
        .current_dir(installed("target/sdks/node", SETUP))
        .arg("--require")
        .arg(path("tests/it/sdk/graph_host.cjs"))
        .args(["--input-type=module", "-"])
        .env("GRAPH_AT", graph.to_string());
    (command, script)
}

impl Sdk {
    /// Before the gateway, then before Graph.
    async fn check(&self, backend: Backend) {
        let utility = if self.kinds.matches("template").count() == 2 { UTILITY_US } else { 0 };
        let credits = MARKETING_US + utility + MARKETING_US / 2;
        let secure = SecureWorld::of(Setup::on(backend).credits(credits)).await;
        let issued = secure.authority.issue(&[LOCAL, &[GRAPH]].concat());
        let tls = Some(issued.server(&["http/1.1"]));
        let graph = Simulator::start(SimulatorOptions { tls, ..SimulatorOptions::default() });
        let (world, graph, ca) = (&secure.world, graph.unwrap(), secure.ca());
        for simulator in [&graph, &world.simulator] {
            if !self.uploads {
                simulator.put_media("image/jpeg", PICTURE);
            }
        }
        let steps = self.run(world.data, &ca).await;
        let plain = self.run(graph.addr(), &ca).await;
        self.check_sent(world, &steps);
        self.check_rejections(world, &steps).await;
        // Without the gateway both templates that it refused arrive too.
        let (here, there) = (world.simulator.accepted(), graph.accepted());
        assert_eq!(there.len(), here.len() + 2, "{plain:#?}");
        for (here, there) in here.iter().zip(&there) {
            assert_eq!((&here.path, &here.body), (&there.path, &there.body));
        }
        assert_eq!(steps.others(), plain.others());
    }

    async fn run(&self, graph: SocketAddr, ca: &Path) -> Steps {
        let (mut command, script) = (self.engine)(graph);
        environment(&mut command, Some(ca));
        if self.proxied {
            command.env("HTTPS_PROXY", format!("http://{}", graph_proxy(graph).await));
        }
        Steps::of(command, &script).await
    }

    /// What it was told of is what arrived, and no key of the gateway is in it.
    fn check_sent(&self, world: &World, steps: &Steps) {
        let accepted = world.simulator.accepted();
        let kinds: Vec<&str> = accepted.iter().map(|one| one.kind.as_str()).collect();
        assert_eq!(kinds.join(" "), self.kinds, "{steps:#?}");
        let ids: Vec<&str> = accepted.iter().map(|one| one.message_id.as_str()).collect();
        assert_eq!(steps.message_ids(), ids);
        assert_eq!(world.simulator.stats().read_receipts, 1);
        assert_eq!(steps.step("read receipt")["id"], true);
        let bearer = format!("Bearer {META_TOKEN}");
        for Accepted { headers, .. } in &accepted {
            let agent = headers.get("user-agent").map(|agent| agent.to_str().unwrap());
            assert!(agent.unwrap_or_default().starts_with(self.user_agent), "{agent:?}");
            assert_eq!(headers["authorization"], bearer.as_str());
        }
        let reads = world.simulator.reads();
        for read in &reads {
            assert_eq!(read.headers["authorization"], bearer.as_str(), "{read:?}");
        }
        assert!(!format!("{accepted:?}{reads:?}").contains(CAMPAIGN_KEY));
        if self.uploads {
            for name in ["download", "delete"] {
                assert_eq!(steps.step(name)["id"], true, "{name}");
            }
            let media_host = reads.iter().filter(|read| read.media_host).count();
            assert_eq!(media_host, 1, "the gateway fetched the object");
        }
    }

    /// It can read what was refused, and the campaign is stopped.
    async fn check_rejections(&self, world: &World, steps: &Steps) {
        let refused = steps.step("no credits left");
        let stopped = steps.step("campaign stopped");
        for (step, status, code) in [(refused, 402, 990_402), (stopped, 409, 990_409)] {
            assert_eq!((&step["code"], &step["type"]), (&code.into(), &"TollgateRejection".into()));
            assert!(step["message"].as_str().unwrap().starts_with(&format!("(#{code}) ")));
            assert!(step["trace"].as_str().is_some_and(|trace| trace.len() > 8), "{step}");
            if self.reports_status {
                assert_eq!(step["status"], status);
            }
        }
        assert_eq!(refused["details"], "this message costs 0.025 USD and 0.0125 USD is available");
        assert_eq!(world.campaign("of-the-key").await, "stopped credits_exhausted");
        assert_eq!(world.books().await.settled, MARKETING_US / 2);
    }
}
