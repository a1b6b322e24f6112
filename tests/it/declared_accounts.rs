//! What the configuration declares is there after a start, once, whoever else starts at the same
//! time; and the first operator key.

use std::collections::HashSet;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate::catalog::keys::KeyHasher;
use tollgate::clock::Clock;
use tollgate::config::Config;
use tollgate::gateway::bootstrap::{BootstrapError, bootstrap};
use tollgate::gateway::{Gateway, StartError};
use tollgate::ledger::open::{LedgerOptions, open};
use tollgate::ledger::{ClaimKind, OpenLedger, StoreTlsFiles};

use crate::support::{
    Backend, KEY, OPERATOR_KEY, OnLedger, ask, on_every_ledger, printed, redis_server,
};

const WITH_OPERATOR: &str = "[admin]\nbootstrap_key = \"operator-key-0123456789\"\n";

const ACME: &str = r#"
[[accounts]]
id = "acme"
currency = "USD"
messaging_limit = 250
caps = [{ categories = ["marketing"], max = 100, window_s = 2592000 }]
markup = { percent = "5" }
[[accounts.wallets]]
id = "main"
overdraft_limit = "2"
low_balance_thresholds = ["1"]
opening_top_up = "10"
[[accounts.wallets]]
id = "alerts"
opening_top_up = "3"
[[accounts.wabas]]
id = "7"
time_zone = "Asia/Kolkata"
portfolio = "group"
[[accounts.channels]]
phone_number_id = "71"
waba = "7"
token_file = "token"
[[accounts.templates]]
waba = "7"
name = "offer"
language = "en_US"
category = "marketing"
[[accounts.keys]]
id = "engine"
key = "engine-key-0123456789"
scopes = ["send", "read"]
[[accounts.campaigns]]
id = "diwali"
wallet = "main"
budget = "5"
"#;

on_every_ledger!(
    what_is_declared_is_created_once,
    what_a_person_removed_stays_removed,
    one_bootstrap_key_is_in_force
);

/// A ledger's store that outlives its gateways.
struct LedgerLocation {
    url: String,
    prefix: String,
    home: TempDir,
}

impl OnLedger for LedgerLocation {
    async fn on_ledger(backend: Backend) -> LedgerLocation {
        let home = tempfile::tempdir().unwrap();
        match backend {
            Backend::Embedded => LedgerLocation {
                url: format!("embedded:{}/ledger", home.path().display()),
                prefix: "tg".to_owned(),
                home,
            },
            // A part of its own of the server that all tests share.
            Backend::Redis => LedgerLocation {
                url: redis_server::shared().url(),
                prefix: uuid::Uuid::new_v4().simple().to_string()[..16].to_owned(),
                home,
            },
        }
    }
}

impl LedgerLocation {
    async fn start(&self, text: &str) -> Result<Gateway, StartError> {
        let home = self.home.path().display();
        let text = format!(
            "[listen]\ndata = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[ledger]\nurl = \"{}\"\n\
             key_prefix = \"{}\"\n[secrets]\ndir = \"{home}\"\n\
             [shutdown]\ndrain_s = 5\n{text}",
            self.url, self.prefix
        );
        printed::watch_this_process();
        printed::learn_configuration(&text, &[], self.home.path());
        Gateway::start(
            &Config::from_parts(&text, "the test's configuration", []).unwrap(),
            Clock::system(),
        )
        .await
    }

    async fn open(&self) -> OpenLedger {
        let options = LedgerOptions {
            deadline: Duration::from_secs(5),
            key_prefix: self.prefix.clone(),
            allow_unsafe: false,
            tls: StoreTlsFiles::default(),
        };
        open(&self.url, options, Clock::system()).await.unwrap()
    }
}

async fn get(gateway: &Gateway, key: &str, path: &str) -> Value {
    let reply = ask(gateway.admin_addr(), key, Method::GET, path, "").await;
    assert_eq!(reply.status, 200, "{path}: {:?}", reply.json);
    reply.json
}

/// Whether each of the keys opens anything: the call is an operator's, and 403 for an account's.
async fn opened_by(gateway: &Gateway, keys: &[&str]) -> Vec<bool> {
    let mut opened = Vec::new();
    for key in keys {
        let status = ask(gateway.admin_addr(), key, Method::GET, "/v1/accounts", "").await.status;
        assert!(matches!(status, 200 | 401 | 403), "{status}");
        opened.push(status != 401);
    }
    opened
}

/// Fails unless every path of the Admin API has the value at the JSON pointer.
async fn expect(gateway: &Gateway, values: &[(&str, &str, Value)]) {
    for (path, pointer, value) in values {
        let shown = get(gateway, OPERATOR_KEY, path).await;
        assert_eq!(shown.pointer(pointer), Some(value), "{path}");
    }
}

const ACCOUNT: &str = "/v1/accounts/acme";
const WALLET: &str = "/v1/accounts/acme/wallets/main";
const WABA: &str = "/v1/accounts/acme/wabas/7";
const TEMPLATE: &str = "/v1/accounts/acme/wabas/7/templates/offer/en_US";
const CHANNEL: &str = "/v1/accounts/acme/channels/71";
const CAMPAIGN: &str = "/v1/accounts/acme/campaigns/diwali";

async fn what_is_declared_is_created_once(location: LedgerLocation) {
    let gateway = location.start(&format!("{WITH_OPERATOR}{ACME}")).await.unwrap();
    let caps = json!([{"categories": ["marketing"], "max": 100, "window_s": 2_592_000}]);
    let created = [
        (ACCOUNT, "/messaging_limit", json!(250)),
        (ACCOUNT, "/caps", caps),
        (ACCOUNT, "/markup/percent", json!("5")),
        (WALLET, "/settled", json!("10.00")),
        (WALLET, "/overdraft_limit", json!("2.00")),
        (WALLET, "/low_balance_thresholds", json!(["1.00"])),
        ("/v1/accounts/acme/wallets/alerts", "/settled", json!("3.00")),
        (WABA, "/portfolio", json!("group")),
        (CHANNEL, "/token_file", json!("token")),
        (TEMPLATE, "/category", json!("marketing")),
        (CAMPAIGN, "/budget", json!("5.00")),
    ];
    expect(&gateway, &created).await;
    assert_eq!(get(&gateway, KEY, ACCOUNT).await["id"], "acme");
    // What a person changes afterwards is the state.
    for (method, path, body) in [
        (Method::PATCH, ACCOUNT, r#"{"messaging_limit":null}"#),
        (Method::PATCH, WALLET, r#"{"overdraft_limit":"0"}"#),
        (Method::POST, "/v1/accounts/acme/campaigns/diwali/finish", ""),
    ] {
        let changed = ask(gateway.admin_addr(), OPERATOR_KEY, method, path, body).await;
        assert_eq!(changed.status, 200, "{path}");
    }
    assert!(gateway.shutdown().await.clean);
    what_is_there_stays_as_it_is(&location).await;
}

/// A start with other values for what exists, and with a wallet that does not.
async fn what_is_there_stays_as_it_is(location: &LedgerLocation) {
    let changed = ACME
        .replace("id = \"7\"\ntime_zone = \"Asia/Kolkata\"", "id = \"7\"\ntime_zone = \"UTC\"")
        .replace("\"marketing\"\n", "\"utility\"\n")
        .replace("opening_top_up = \"10\"", "opening_top_up = \"20\"")
        .replace("token_file = \"token\"", "token_file = \"other\"")
        .replace("budget = \"5\"", "budget = \"6\"")
        .replace(KEY, "another-key-0123456789");
    let third = "[[accounts.wallets]]\nid = \"third\"\nopening_top_up = \"1\"\n";
    let gateway = location.start(&format!("{WITH_OPERATOR}{changed}{third}")).await.unwrap();
    let unchanged = [
        (ACCOUNT, "/messaging_limit", Value::Null),
        (WALLET, "/settled", json!("10.00")),
        (WALLET, "/overdraft_limit", json!("0.00")),
        (WABA, "/time_zone", json!("Asia/Kolkata")),
        (TEMPLATE, "/category", json!("marketing")),
        (CHANNEL, "/token_file", json!("token")),
        (CAMPAIGN, "/state", json!("finished")),
        ("/v1/accounts/acme/wallets/third", "/settled", json!("1.00")),
    ];
    expect(&gateway, &unchanged).await;
    assert_eq!(get(&gateway, KEY, ACCOUNT).await["id"], "acme");
    assert!(gateway.shutdown().await.clean);
}

/// Calls that a person makes between two starts, each with the status of its reply.
async fn operate(gateway: &Gateway, calls: &[(Method, &str, &str, u16)]) -> Vec<Value> {
    let mut replies = Vec::new();
    for (method, path, body, status) in calls {
        let reply = ask(gateway.admin_addr(), OPERATOR_KEY, method.clone(), path, body).await;
        assert_eq!(reply.status, *status, "{method} {path}: {:?}", reply.json);
        replies.push(reply.json);
    }
    replies
}

const ENGINE: &str = "/v1/accounts/acme/keys/engine";
const KEYS: &str = "/v1/accounts/acme/keys";

async fn what_a_person_removed_stays_removed(location: LedgerLocation) {
    let declared = format!("{WITH_OPERATOR}{ACME}");
    let gateway = location.start(&declared).await.unwrap();
    let rival = "/v1/accounts/rival/channels/71";
    operate(
        &gateway,
        &[
            (Method::DELETE, ENGINE, "", 204),
            (Method::DELETE, CHANNEL, "", 204),
            (Method::DELETE, TEMPLATE, "", 204),
            // The number belongs to somebody else now.
            (Method::POST, "/v1/accounts", r#"{"id":"rival","currency":"USD"}"#, 201),
            (Method::PUT, rival, r#"{"token_file":"token"}"#, 201),
        ],
    )
    .await;
    gateway.shutdown().await;

    let gone = [(Method::GET, CHANNEL, "", 404), (Method::GET, TEMPLATE, "", 404)];
    let gateway = location.start(&declared).await.unwrap();
    assert_eq!(opened_by(&gateway, &[KEY, OPERATOR_KEY]).await, [false, true]);
    operate(&gateway, &gone).await;
    assert_eq!(get(&gateway, OPERATOR_KEY, KEYS).await["items"], json!([]));
    // A key of that id is made anew; what was revoked does not come with it.
    let made = r#"{"id":"engine","scopes":["read"]}"#;
    let made = operate(&gateway, &[(Method::POST, KEYS, made, 201)]).await;
    let made = made[0]["key"].as_str().unwrap().to_owned();
    gateway.shutdown().await;

    // Nor under another id.
    let renamed = declared.replace("\"engine\"", "\"engine-2\"");
    for text in [&declared, &renamed] {
        let gateway = location.start(text).await.unwrap();
        assert_eq!(opened_by(&gateway, &[KEY, &made]).await, [false, true]);
        operate(&gateway, &gone).await;
        gateway.shutdown().await;
    }
    // What a person sets up again is there, and goes again.
    let gateway = location.start(&declared).await.unwrap();
    let template = r#"{"category":"utility"}"#;
    operate(&gateway, &[(Method::PUT, TEMPLATE, template, 201)]).await;
    operate(&gateway, &[(Method::DELETE, TEMPLATE, "", 204), (Method::DELETE, ENGINE, "", 204)])
        .await;
    gateway.shutdown().await;
    let gateway = location.start(&declared).await.unwrap();
    operate(&gateway, &gone).await;
    assert_eq!(opened_by(&gateway, &[KEY, &made]).await, [false, false]);
    gateway.shutdown().await;

    // A revoked key is no operator's either, and another text under its id is a key of its own.
    let operator = declared.replace("operator-key-0123456789", KEY);
    let refused = location.start(&operator).await.err().unwrap().to_string();
    assert!(refused.contains("is revoked"), "{refused}");
    let gateway = location.start(&declared.replace(KEY, "another-key-0123456789")).await.unwrap();
    assert_eq!(opened_by(&gateway, &[KEY, "another-key-0123456789"]).await, [false, true]);
    gateway.shutdown().await;
}

#[tokio::test]
async fn a_declared_key_that_ended_stays_so() {
    let location = LedgerLocation::on_ledger(Backend::Embedded).await;
    let declared = format!("{WITH_OPERATOR}{ACME}");
    let gateway = location.start(&declared).await.unwrap();
    let at_once = r#"{"overlap_s":0}"#;
    let rotate = "/v1/accounts/acme/keys/engine/rotate";
    let rotated = operate(&gateway, &[(Method::POST, rotate, at_once, 201)]).await;
    // The next rotation removes what has ended.
    let again = format!("{KEYS}/{}/rotate", rotated[0]["id"].as_str().unwrap());
    let again = operate(&gateway, &[(Method::POST, &again, "", 201)]).await;
    assert_eq!(get(&gateway, OPERATOR_KEY, KEYS).await["items"].as_array().unwrap().len(), 2);
    gateway.shutdown().await;
    let gateway = location.start(&declared).await.unwrap();
    let newest = again[0]["key"].as_str().unwrap();
    assert_eq!(opened_by(&gateway, &[KEY, newest]).await, [false, true]);
    gateway.shutdown().await;
}

#[tokio::test]
async fn the_checks_are_those_of_the_admin_api() {
    let location = LedgerLocation::on_ledger(Backend::Embedded).await;
    let check = async |text: &str, expected: &str| {
        let refused = location
            .start(&format!("{WITH_OPERATOR}{text}"))
            .await
            .err()
            .unwrap_or_else(|| panic!("{expected}"));
        assert!(refused.to_string().contains(expected), "{expected}: {refused}");
    };
    check(
        &ACME.replace("\"USD\"", "\"INR\""),
        "declared account acme: The content does not fit: rate_card: \
         there is no rate card meta-inr",
    )
    .await;
    check(
        &ACME.replace("\"USD\"", "\"EUR\"\nrate_card = \"meta-usd\""),
        "meta-usd is in USD, the account counts in EUR",
    )
    .await;
    let bad_checksum = format!("tg_live_{}", "0".repeat(33));
    check(&ACME.replace(KEY, &bad_checksum), "key engine: The content does not fit: key: ").await;
    let gateway = location.start(&format!("{WITH_OPERATOR}{ACME}")).await.unwrap();
    assert!(gateway.shutdown().await.clean);
    // Names that belong to another account.
    let rival = |what: &str| ACME.replace("\"acme\"", "\"rival\"").replace(what, "");
    check(&rival(""), "declared account rival, WABA 7: It belongs to another account").await;
    check(
        &rival("portfolio = \"group\"\n"),
        "declared account rival, channel 71: It belongs to another account",
    )
    .await;
    let own = rival("portfolio = \"group\"\n").replace("\"71\"", "\"72\"");
    check(&own, "declared account rival, key engine: It belongs to another account").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_start_together_declare_everything_once() {
    for _ in 0..5 {
        let location = LedgerLocation::on_ledger(Backend::Redis).await;
        let (one, two, three) =
            tokio::join!(location.start(ACME), location.start(ACME), location.start(ACME));
        let gateways = [one.unwrap(), two.unwrap(), three.unwrap()];
        let made: Vec<&str> =
            gateways.iter().filter_map(|gateway| gateway.made_operator_key.as_deref()).collect();
        let [key] = made[..] else { panic!("{} keys were made", made.len()) };
        for gateway in &gateways {
            assert_eq!(
                get(gateway, key, "/v1/accounts/acme/wallets/main").await["settled"],
                "10.00"
            );
            assert_eq!(
                get(gateway, key, "/v1/accounts/acme/wallets/alerts").await["settled"],
                "3.00"
            );
            assert_eq!(get(gateway, KEY, "/v1/accounts/acme").await["id"], "acme");
        }
        let entries = get(&gateways[0], key, "/v1/accounts/acme/wallets/main/statement").await;
        assert_eq!(entries["items"].as_array().unwrap().len(), 1, "{entries}");
        for gateway in gateways {
            gateway.shutdown().await;
        }
    }
}

#[tokio::test]
async fn a_key_is_made_once_and_a_configured_one_replaces_it() {
    let location = LedgerLocation::on_ledger(Backend::Embedded).await;
    // A start that fails shows no key, so it must not have made one.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "[listen]\ndata = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nops = \"{}\"\n[ledger]\n\
         url = \"{}\"\n",
        taken.local_addr().unwrap(),
        location.url
    );
    let config = Config::from_parts(&text, "the test's configuration", []).unwrap();
    assert!(Gateway::start(&config, Clock::system()).await.is_err());

    let gateway = location.start("").await.unwrap();
    let made = gateway.made_operator_key.clone().unwrap();
    assert_eq!(opened_by(&gateway, &[&made, OPERATOR_KEY]).await, [true, false]);
    gateway.shutdown().await;
    let gateway = location.start("").await.unwrap();
    assert_eq!(
        (gateway.made_operator_key.as_deref(), opened_by(&gateway, &[&made]).await),
        (None, vec![true])
    );
    gateway.shutdown().await;
    let gateway = location.start(WITH_OPERATOR).await.unwrap();
    assert_eq!(
        (gateway.made_operator_key.as_deref(), opened_by(&gateway, &[&made, OPERATOR_KEY]).await),
        (None, vec![false, true])
    );
    gateway.shutdown().await;
    let gateway = location.start(&WITH_OPERATOR.replace("operator", "new-operator")).await.unwrap();
    assert_eq!(
        opened_by(&gateway, &[&made, OPERATOR_KEY, "new-operator-key-0123456789"]).await,
        [false, false, true]
    );
    gateway.shutdown().await;
    let gateway = location.start("").await.unwrap();
    assert_eq!(
        opened_by(&gateway, &[&made, OPERATOR_KEY, "new-operator-key-0123456789"]).await,
        [false, false, true]
    );
    gateway.shutdown().await;
}

async fn one_bootstrap_key_is_in_force(location: LedgerLocation) {
    let ledger = location.open().await;
    let hasher = KeyHasher::new(&ledger.identity.pepper);
    let known = async |key: &str| {
        ledger
            .claims
            .claimed(ClaimKind::Key, &tollgate::catalog::keys::hex(&hasher.key(key)))
            .await
            .unwrap()
            .is_some()
    };
    let (one, two, three) = tokio::join!(
        bootstrap(&*ledger.claims, &hasher, None),
        bootstrap(&*ledger.claims, &hasher, None),
        bootstrap(&*ledger.claims, &hasher, None)
    );
    let made: HashSet<String> = [one, two, three]
        .into_iter()
        .filter_map(|made| made.unwrap().map(|key| key.as_str().to_owned()))
        .collect();
    assert_eq!(made.len(), 1);
    let made = made.into_iter().next().unwrap();
    let (one, two) = tokio::join!(
        bootstrap(&*ledger.claims, &hasher, Some(OPERATOR_KEY)),
        bootstrap(&*ledger.claims, &hasher, Some(OPERATOR_KEY))
    );
    assert!(one.is_ok() && two.is_ok());
    assert_eq!((known(&made).await, known(OPERATOR_KEY).await), (false, true));
    let account_key = "key-of-an-account-012345";
    ledger
        .claims
        .claim(
            ClaimKind::Key,
            &tollgate::catalog::keys::hex(&hasher.key(account_key)),
            "acme/engine",
        )
        .await
        .unwrap();
    assert!(matches!(
        bootstrap(&*ledger.claims, &hasher, Some(account_key)).await,
        Err(BootstrapError::Taken)
    ));
    assert!(matches!(
        bootstrap(&*ledger.claims, &hasher, Some(&format!("tg_live_{}", "0".repeat(33)))).await,
        Err(BootstrapError::Malformed)
    ));
    assert!(known(OPERATOR_KEY).await, "what was in force stays");
    // Half of a change, as a crash leaves it: the old key is gone, its claim on the name is not.
    ledger
        .claims
        .unclaim(
            ClaimKind::Key,
            &tollgate::catalog::keys::hex(&hasher.key(OPERATOR_KEY)),
            "*/bootstrap",
        )
        .await
        .unwrap();
    bootstrap(&*ledger.claims, &hasher, Some(OPERATOR_KEY)).await.unwrap();
    assert!(known(OPERATOR_KEY).await);
    ledger.ledger.close().await.unwrap();
}
