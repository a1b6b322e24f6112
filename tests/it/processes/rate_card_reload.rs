//! SIGHUP takes over the log level and the rate cards of the directory, or keeps what it has and
//! logs why.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use tempfile::TempDir;
use tollgate_simulator::{Simulator, SimulatorOptions};

use crate::support::{KEY, NUMBER, OPERATOR_KEY, Process, ask, template};

const CARD: &str = include_str!("../../../config/rates/meta-usd-2026-10-01.csv");
const FILE: &str = "own-2026-07-01.csv";
/// The market mapping of this card's date; it is in force whatever day the test runs on.
const JULY: &str = include_str!("../../../config/rates/meta-usd-2026-07-01.csv");

struct CardDeployment {
    simulator: Simulator,
    home: TempDir,
}

impl CardDeployment {
    fn new() -> CardDeployment {
        let deployment = CardDeployment {
            simulator: Simulator::start(SimulatorOptions::default()).unwrap(),
            home: tempfile::tempdir().unwrap(),
        };
        fs::write(deployment.home.path().join("token"), "EAAtoken").unwrap();
        fs::create_dir(deployment.home.path().join("cards")).unwrap();
        deployment
    }

    fn configure(&self, level: &str) -> PathBuf {
        self.configure_with(level, 3600)
    }

    fn configure_with(&self, level: &str, interval: u32) -> PathBuf {
        let home = self.home.path().display();
        let text = format!(
            "[listen]\ndata = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[upstream]\nurl = \"{}\"\n\
             [ledger]\nurl = \"embedded:{home}/ledger\"\n\
             [secrets]\ndir = \"{home}\"\n[admin]\nbootstrap_key = \"{OPERATOR_KEY}\"\n[pricing]\n\
             rate_card_dir = \"{home}/cards\"\nrate_card_interval_s = {interval}\n\
             [log]\nlevel = \"{level}\"\n\
             [[accounts]]\nid = \"acme\"\ncurrency = \"USD\"\nrate_card = \"own\"\n\
             [[accounts.wallets]]\nid = \"main\"\nopening_top_up = \"10\"\n\
             [[accounts.wabas]]\nid = \"1\"\n[[accounts.templates]]\nwaba = \"1\"\n\
             name = \"offer\"\nlanguage = \"en\"\ncategory = \"marketing\"\n\
             [[accounts.channels]]\nphone_number_id = \"{NUMBER}\"\nwaba = \"1\"\n\
             token_file = \"token\"\n\
             [[accounts.keys]]\nid = \"engine\"\nkey = \"{KEY}\"\n",
            self.simulator.url()
        );
        let file = self.home.path().join("tollgate.toml");
        fs::write(&file, text).unwrap();
        file
    }

    /// A card in which a marketing message to India costs this.
    fn put_card(&self, name: &str, price: &str) {
        let line = |line: &str| {
            if line.starts_with("India,") {
                line.replacen("0.0118", price, 1)
            } else {
                line.to_owned()
            }
        };
        let text: Vec<String> = JULY.lines().map(line).collect();
        fs::write(self.home.path().join("cards").join(name), text.join("\n")).unwrap();
    }
}

/// What a marketing message to India costs now.
async fn price(process: &Process) -> String {
    let path = format!("/v24.0/{NUMBER}/messages");
    let sent = ask(
        process.client.data,
        KEY,
        Method::POST,
        &path,
        &template("+919812345678", "offer", "en"),
    )
    .await;
    assert_eq!(sent.status, 200, "{:?}", sent.json);
    sent.header("tollgate-charge").to_owned()
}

#[tokio::test]
async fn what_is_right_is_taken_over_and_what_is_wrong_is_not() {
    let deployment = CardDeployment::new();
    deployment.put_card(FILE, "0.25");
    let process = Process::start(&deployment.configure("info"), &[]);
    assert_eq!(price(&process).await, "0.25 USD");

    deployment.put_card(FILE, "0.5");
    deployment.put_card("second-2026-07-01.csv", "1");
    deployment.configure("debug");
    process.signal("HUP");
    process.wait_for("so are the rate cards");
    assert_eq!(price(&process).await, "0.50 USD");
    process.wait_for("\"level\":\"DEBUG\"");
    let second =
        ask(process.client.admin, OPERATOR_KEY, Method::GET, "/v1/rate-cards/second", "").await;
    assert_eq!(second.status, 200, "{:?}", second.json);

    // One good change and two bad files: the good one is taken over, the others are named.
    deployment.put_card(FILE, "0.75");
    fs::write(deployment.home.path().join("cards/second-2026-07-01.csv"), "market\n").unwrap();
    fs::write(deployment.home.path().join("cards/third.csv"), CARD).unwrap();
    process.signal("HUP");
    let named = process.wait_for("\"file\":\"second-2026-07-01.csv\"");
    assert!(named.contains("\"level\":\"WARN\""), "{named}");
    assert!(named.contains("no header line"), "{named}");
    process.wait_for("\"file\":\"third.csv\"");
    becomes(&process, "0.75 USD").await;
    let second =
        ask(process.client.admin, OPERATOR_KEY, Method::GET, "/v1/rate-cards/second", "").await;
    assert_eq!(second.status, 200, "what was accepted before stays: {:?}", second.json);

    // A card that accounts may be priced by does not vanish, and keeps no other change away.
    fs::remove_file(deployment.home.path().join("cards/second-2026-07-01.csv")).unwrap();
    fs::remove_file(deployment.home.path().join("cards/third.csv")).unwrap();
    deployment.put_card(FILE, "0.5");
    process.signal("HUP");
    process.wait_for("no file has this card any more");
    becomes(&process, "0.50 USD").await;

    deployment.put_card("second-2026-07-01.csv", "1");
    deployment.configure("loud");
    process.signal("HUP");
    process.wait_for("log.level: must be");
    assert_eq!(price(&process).await, "0.50 USD");
    deployment.put_card(FILE, "0.75");
    deployment.configure("info");
    process.signal("HUP");
    becomes(&process, "0.75 USD").await;
}

async fn becomes(process: &Process, expected: &str) {
    let begin = std::time::Instant::now();
    while price(process).await != expected {
        assert!(begin.elapsed().as_secs() < 30, "{}", process.log());
    }
}

#[tokio::test]
async fn versions_that_were_put_are_there_after_a_start() {
    let deployment = CardDeployment::new();
    deployment.put_card(FILE, "0.25");
    let file = deployment.configure("info");
    // A new card of today's rates, put as Meta's file is: by hand into the directory, while nothing
    // runs.
    deployment.put_card("other-2026-07-01.csv", "2");
    let process = Process::start(&file, &[]);
    let listed = ask(process.client.admin, OPERATOR_KEY, Method::GET, "/v1/rate-cards", "").await;
    let ids: Vec<&str> = listed.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|card| card["id"].as_str())
        .collect();
    assert_eq!(ids, ["message", "meta-eur", "meta-usd", "other", "own"]);
}

#[tokio::test]
async fn wrong_cards_stop_no_start_and_change_no_price() {
    let deployment = CardDeployment::new();
    deployment.put_card(FILE, "0.25");
    let file = deployment.configure("info");
    let process = Process::start(&file, &[]);
    assert_eq!(price(&process).await, "0.25 USD");
    process.terminate();
    process.ended(Duration::from_secs(30)).await;
    // In force since July, and spoiled while nothing runs.
    fs::write(deployment.home.path().join("cards").join(FILE), "market\n").unwrap();
    fs::write(deployment.home.path().join("cards/nameless.csv"), CARD).unwrap();
    deployment.put_card("other-2026-07-01.CSV", "2");
    let process = Process::start(&file, &[]);
    for name in [FILE, "nameless.csv"] {
        let line = process.wait_for(&format!("\"file\":\"{name}\""));
        assert!(line.contains("\"level\":\"WARN\""), "{line}");
    }
    assert_eq!(price(&process).await, "0.25 USD");
    let other =
        ask(process.client.admin, OPERATOR_KEY, Method::GET, "/v1/rate-cards/other", "").await;
    assert_eq!(other.status, 200, "{:?}", other.json);
    let page = ask(process.client.admin, OPERATOR_KEY, Method::GET, "/metrics", "").await;
    let page = String::from_utf8_lossy(&page.body).into_owned();
    assert!(page.contains("\ntollgate_rate_card_files_skipped 2\n"), "{page}");
}

#[tokio::test]
async fn a_first_card_that_is_wrong_leaves_its_account_for_the_next_start() {
    let deployment = CardDeployment::new();
    let file = deployment.configure("info");
    fs::write(deployment.home.path().join("cards").join(FILE), "market\n").unwrap();
    let process = Process::start(&file, &[]);
    process.wait_for("waits for the next start");
    process.kill();
    deployment.put_card(FILE, "0.25");
    let process = Process::start(&file, &[]);
    assert_eq!(price(&process).await, "0.25 USD");
}

#[tokio::test]
async fn what_changes_in_the_directory_is_in_use_without_a_signal() {
    let deployment = CardDeployment::new();
    deployment.put_card(FILE, "0.25");
    let process = Process::start(&deployment.configure_with("info", 1), &[]);
    assert_eq!(price(&process).await, "0.25 USD");
    // The first look only learns what is there.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    deployment.put_card(FILE, "0.5");
    process.wait_for("rate cards changed and are in use");
    assert_eq!(price(&process).await, "0.50 USD");
}
