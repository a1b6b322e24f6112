//! `templates sync` brings a WABA's templates from Meta into the catalog, page by page, and their
//! sends are priced by Meta's categories.

use std::fmt::Write as _;

use http::Method;
use serde_json::json;
use tempfile::TempDir;
use tollgate::clock::Clock;
use tollgate::config::Config;
use tollgate::gateway::Gateway;
use tollgate_simulator::{Fault, FaultAction, Simulator, SimulatorOptions, SimulatorTemplate};

use crate::support::{
    KEY, NUMBER, OPERATOR_KEY, Process, Reply, WABA, ask, printed, run, template,
};

const MANAGER: &str = "manager-key-0123456789";
const TOKEN: &str = "EAAtoken0of0acme";
const SYNC: &str = "/v1/accounts/acme/wabas/102290129340398/templates/sync";

/// Prices to India on the October 2026 card; utility and authentication cost the same there.
const MARKETING: &str = "0.0118 USD";
const UTILITY: &str = "0.0014 USD";

/// 451 templates: the gateway reads 200 a page.
fn templates() -> Vec<SimulatorTemplate> {
    let mut templates: Vec<SimulatorTemplate> = (0..447)
        .map(|number| {
            let category = ["MARKETING", "UTILITY", "AUTHENTICATION"][number % 3];
            SimulatorTemplate::approved(&format!("offer_{number:03}"), "en_US", category)
        })
        .collect();
    templates.push(SimulatorTemplate::approved("dashed", "pt-BR", "UTILITY"));
    templates.push(SimulatorTemplate::approved("of_the_future", "en_US", "GREETING"));
    templates.push(SimulatorTemplate::approved("of_the_future", "klingon", "UTILITY"));
    // Listed with null for a category, among those of the first page.
    templates.insert(7, SimulatorTemplate::approved("without_category", "en_US", ""));
    templates
}

struct SyncDeployment {
    simulator: Simulator,
    home: TempDir,
    text: String,
}

impl SyncDeployment {
    fn new(templates: Vec<SimulatorTemplate>) -> SyncDeployment {
        let options = SimulatorOptions {
            templates,
            tokens: Some(vec![TOKEN.to_owned()]),
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(options).unwrap();
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("token"), TOKEN).unwrap();
        let directory = home.path().display();
        let mut text = format!(
            "[listen]\ndata = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[upstream]\nurl = \"{}\"\n\
             [ledger]\nurl = \"embedded:{directory}/ledger\"\n\
             [secrets]\ndir = \"{directory}\"\n[admin]\nbootstrap_key = \"{OPERATOR_KEY}\"\n\
             [shutdown]\ndrain_s = 5\n\
             [[accounts]]\nid = \"acme\"\ncurrency = \"USD\"\nunknown_template = \"refuse\"\n\
             [[accounts.wallets]]\nid = \"main\"\nopening_top_up = \"10\"\n\
             [[accounts.wabas]]\nid = \"{WABA}\"\n[[accounts.wabas]]\nid = \"7\"\n\
             [[accounts.wabas]]\nid = \"8\"\n\
             [[accounts.keys]]\nid = \"engine\"\nkey = \"{KEY}\"\n\
             [[accounts.keys]]\nid = \"manager\"\nkey = \"{MANAGER}\"\nscopes = [\"manage\"]\n",
            simulator.url()
        );
        for (number, waba, token) in [(NUMBER, WABA, "token"), ("8", "8", "missing")] {
            write!(
                text,
                "[[accounts.channels]]\nphone_number_id = \"{number}\"\n\
            waba = \"{waba}\"\ntoken_file = \"{token}\"\n"
            )
            .unwrap();
        }
        SyncDeployment { simulator, home, text }
    }

    async fn gateway(&self) -> Gateway {
        printed::watch_this_process();
        printed::learn_configuration(&self.text, &[], self.home.path());
        let config = Config::from_parts(&self.text, "the test's configuration", []).unwrap();
        Gateway::start(&config, Clock::system()).await.unwrap()
    }
}

async fn sync(gateway: &Gateway, key: &str, path: &str) -> Reply {
    ask(gateway.admin_addr(), key, Method::POST, path, "").await
}

async fn send(gateway: &Gateway, name: &str, language: &str) -> Reply {
    let path = format!("/v24.0/{NUMBER}/messages");
    ask(gateway.data_addr(), KEY, Method::POST, &path, &template("+919812345678", name, language))
        .await
}

/// Each with its reason.
fn names_what_is_left_out(synced: &Reply) {
    let skipped: Vec<String> = synced.json["skipped_templates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {}", one["name"].as_str().unwrap(), one["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(skipped.len(), 3, "{skipped:?}");
    for (begin, word) in [
        ("of_the_future category: ", "GREETING"),
        ("of_the_future language: ", ""),
        ("without_category ", "null"),
    ] {
        assert!(
            skipped.iter().any(|one| one.starts_with(begin) && one.contains(word)),
            "no {begin}: {skipped:?}"
        );
    }
}

#[tokio::test]
async fn all_pages_are_read_and_their_templates_have_a_price() {
    let deployment = SyncDeployment::new(templates());
    let gateway = deployment.gateway().await;
    let unknown = send(&gateway, "offer_000", "en_US").await;
    assert_eq!(
        (unknown.status, unknown.header("tollgate-rejection")),
        (422, "unclassified"),
        "{:?}",
        unknown.json
    );
    // Declared by hand, one as Meta has it, one otherwise, one that Meta does not list.
    for (name, category) in
        [("offer_001", "utility"), ("offer_003", "utility"), ("by_hand", "authentication")]
    {
        let path = format!("/v1/accounts/acme/wabas/{WABA}/templates/{name}/en_US");
        let put = ask(
            gateway.admin_addr(),
            OPERATOR_KEY,
            Method::PUT,
            &path,
            &format!(r#"{{"category":"{category}"}}"#),
        )
        .await;
        assert_eq!(put.status, 201);
    }
    let reads = deployment.simulator.requests_count();
    let synced = sync(&gateway, MANAGER, SYNC).await;
    assert_eq!(synced.status, 200, "{:?}", synced.json);
    let numbers = |reply: &Reply| {
        ["read", "changed", "skipped"].map(|name| reply.json[name].as_u64().unwrap())
    };
    assert_eq!(numbers(&synced), [451, 447, 3]);
    names_what_is_left_out(&synced);
    assert_eq!(deployment.simulator.requests_count() - reads, 3, "pages");
    assert_eq!(numbers(&sync(&gateway, OPERATOR_KEY, SYNC).await), [451, 0, 3]);
    for (name, language, charge) in [
        ("offer_000", "en_US", MARKETING),
        ("offer_003", "en_US", MARKETING),
        ("offer_001", "en_US", UTILITY),
        ("offer_446", "en_US", UTILITY),
        ("dashed", "pt-BR", UTILITY),
    ] {
        let sent = send(&gateway, name, language).await;
        assert_eq!(
            sent.header("tollgate-charge"),
            charge,
            "{name}: {} {:?}",
            sent.status,
            sent.json
        );
    }
    // It stayed: the gateway had a price, and Meta refused it.
    assert_eq!(send(&gateway, "by_hand", "en_US").await.json["error"]["code"], 132_001);
    assert_eq!(
        send(&gateway, "of_the_future", "en_US").await.header("tollgate-rejection"),
        "unclassified"
    );
    assert!(gateway.shutdown().await.clean);
}

#[tokio::test]
async fn a_sync_that_fails_states_why_and_changes_nothing() {
    let deployment = SyncDeployment::new(templates());
    let gateway = deployment.gateway().await;
    let path = |waba: &str| format!("/v1/accounts/acme/wabas/{waba}/templates/sync");
    let check = |reply: &Reply, status: u16, code: &str, expected: &str| {
        assert_eq!(
            (reply.status, reply.json["code"].as_str()),
            (status, Some(code)),
            "{:?}",
            reply.json
        );
        assert!(
            reply.json["detail"].as_str().unwrap().contains(expected),
            "{expected}: {:?}",
            reply.json
        );
    };
    check(
        &sync(&gateway, OPERATOR_KEY, &path("7")).await,
        409,
        "not_configured",
        "no channel of the account is in WABA 7",
    );
    check(
        &sync(&gateway, OPERATOR_KEY, &path("8")).await,
        409,
        "not_configured",
        "channel 8: token file missing: ",
    );
    check(&sync(&gateway, OPERATOR_KEY, &path("9")).await, 404, "not_found", "WABA 9");
    check(&sync(&gateway, KEY, SYNC).await, 403, "forbidden", "manage");
    deployment.simulator.fault(Fault::refuse(190).every(3).on_reads());
    check(&sync(&gateway, OPERATOR_KEY, SYNC).await, 502, "upstream_refused", "Meta answered 190");
    deployment.simulator.clear();
    deployment.simulator.fault(Fault::new(FaultAction::Garbage).on_reads());
    check(
        &sync(&gateway, OPERATOR_KEY, SYNC).await,
        502,
        "upstream_unavailable",
        "no template was changed",
    );
    let listed = ask(
        gateway.admin_addr(),
        OPERATOR_KEY,
        Method::GET,
        &format!("/v1/accounts/acme/wabas/{WABA}/templates"),
        "",
    )
    .await;
    assert_eq!(listed.json["items"], json!([]));
    deployment.simulator.shutdown().await;
    check(
        &sync(&gateway, OPERATOR_KEY, SYNC).await,
        502,
        "upstream_unavailable",
        "connection_refused",
    );
    gateway.shutdown().await;
}

#[tokio::test]
async fn the_command_asks_a_running_gateway() {
    let deployment = SyncDeployment::new(templates());
    let file = deployment.home.path().join("tollgate.toml");
    std::fs::write(&file, &deployment.text).unwrap();
    let process = Process::start(&file, &[]);
    let admin = format!("http://{}", process.client.admin);
    let command = ["templates", "sync", "--account", "acme", "--waba", WABA, "--admin", &admin];
    let key_file = deployment.home.path().join("operator");
    std::fs::write(&key_file, format!("{OPERATOR_KEY}\n")).unwrap();
    let with_file = [&command[..], &["--key-file", key_file.to_str().unwrap()]].concat();
    let first = run(&with_file, &[]).await;
    let lines: Vec<&str> = first.stdout.lines().collect();
    assert_eq!(
        (first.code, lines[0]),
        (Some(0), "451 templates read, 448 new or changed, 3 left out"),
        "{}",
        first.stderr
    );
    assert!(lines[1..].iter().all(|line| line.starts_with("left out ")), "{lines:?}");
    assert_eq!(lines.len(), 4, "{lines:?}");
    let again = run(&command, &[("TOLLGATE_OPERATOR_KEY", OPERATOR_KEY)]).await;
    assert_eq!(
        (again.code, again.stdout.lines().next()),
        (Some(0), Some("451 templates read, 0 new or changed, 3 left out")),
        "{}",
        again.stderr
    );
    let path = format!("/v24.0/{NUMBER}/messages");
    let sent = ask(
        process.client.data,
        KEY,
        Method::POST,
        &path,
        &template("+919812345678", "offer_000", "en_US"),
    )
    .await;
    assert_eq!((sent.status, sent.header("tollgate-charge")), (200, MARKETING), "{:?}", sent.json);
    let wrong_key = run(&command, &[("TOLLGATE_OPERATOR_KEY", "some-other-operator-key")]).await;
    assert_eq!((wrong_key.code, wrong_key.stdout.as_str()), (Some(1), ""));
    assert!(wrong_key.stderr.contains("the gateway answered 401"), "{}", wrong_key.stderr);
    let no_key = run(&command, &[]).await;
    assert_eq!(no_key.code, Some(1));
    assert!(no_key.stderr.contains("an operator key is needed"), "{}", no_key.stderr);
}
