//! Which store a gateway starts on, and what a start that ended half-way has left to do: the
//! ledger's own name, and opening top-ups.

use http::Method;
use serde_json::Value;
use tollgate::clock::Clock;
use tollgate::config::Config;
use tollgate::gateway::{Gateway, StartError};
use tollgate::ledger::StoreTlsFiles;
use tollgate::ledger::open::{LedgerOptions, open};

use crate::support::{
    Backend, Client, Deployment, NOON_MS, Setup, environment_name, on_every_ledger,
};

on_every_ledger!(
    only_the_ledger_of_that_name_is_taken,
    a_wallet_without_entries_gets_its_opening_top_up_once
);

const OPENING: &str = "opening_top_up = \"100.00\"";

fn configuration(deployment: &Deployment, text: &str, ledger_id: Option<&str>) -> Config {
    let mut environment = deployment.environment.clone();
    environment.extend(ledger_id.map(|id| (environment_name("ledger.id"), id.to_owned())));
    Config::from_parts(text, "world.toml", environment).unwrap()
}

async fn start(
    deployment: &Deployment,
    text: &str,
    ledger_id: Option<&str>,
) -> Result<Gateway, StartError> {
    Gateway::start(&configuration(deployment, text, ledger_id), Clock::fixed(NOON_MS)).await
}

/// The name of the ledger behind a configuration.
async fn name_of_ledger(deployment: &Deployment) -> String {
    let config = configuration(deployment, &deployment.text, None).ledger;
    let options = LedgerOptions {
        deadline: config.deadline,
        key_prefix: config.key_prefix,
        allow_unsafe: config.allow_unsafe,
        tls: StoreTlsFiles::default(),
    };
    let ledger = open(config.url.expose(), options, Clock::fixed(NOON_MS)).await.unwrap();
    let name = ledger.identity.ledger_id.clone();
    ledger.ledger.close().await.unwrap();
    name
}

async fn only_the_ledger_of_that_name_is_taken(backend: Backend) {
    let deployment = Deployment::prepare(Setup::on(backend));
    let first = start(&deployment, &deployment.text, None).await.unwrap();
    assert!(first.shutdown().await.clean);
    let name = name_of_ledger(&deployment).await;
    let wrong = if name == "0".repeat(32) { "1".repeat(32) } else { "0".repeat(32) };
    let message = start(&deployment, &deployment.text, Some(&wrong))
        .await
        .err()
        .expect("a gateway started on another ledger")
        .to_string();
    assert_eq!(
        message,
        format!(
            "the store is ledger {name}, not {wrong} as ledger.id says: it is empty, or another one"
        )
    );
    // The refused start has left the store free and as it was.
    let again = start(&deployment, &deployment.text, Some(&name)).await.unwrap();
    let client = Client::new(again.data_addr(), again.admin_addr());
    assert_eq!(client.books().await.settled, 100_000_000);
    assert!(again.shutdown().await.clean);
    // An empty store is not taken for a wallet without credits, nor filled with what is declared.
    let empty = Deployment::prepare(Setup::on(backend));
    let message = start(&empty, &empty.text, Some(&name))
        .await
        .err()
        .expect("a gateway started on an empty store")
        .to_string();
    assert!(message.contains(&format!("not {name} as ledger.id says")), "{message}");
    let config = configuration(&empty, &empty.text, None).ledger;
    let options = LedgerOptions {
        deadline: config.deadline,
        key_prefix: config.key_prefix,
        allow_unsafe: config.allow_unsafe,
        tls: StoreTlsFiles::default(),
    };
    let ledger = open(config.url.expose(), options, Clock::fixed(NOON_MS)).await.unwrap();
    assert!(
        ledger
            .reads
            .accounts(&tollgate::ledger::PageRequest { cursor: None, limit: 10 })
            .await
            .unwrap()
            .items
            .is_empty()
    );
    ledger.ledger.close().await.unwrap();
}

#[tokio::test]
async fn a_name_that_no_ledger_has_is_a_mistake_of_the_file() {
    let deployment = Deployment::prepare(Setup::on(Backend::Embedded));
    for id in ["abc", "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcdeg"] {
        let environment = [(environment_name("ledger.id"), id.to_owned())];
        let mistakes = Config::from_parts(&deployment.text, "world.toml", environment)
            .err()
            .unwrap_or_else(|| panic!("{id} was taken"));
        let message = mistakes.iter().map(ToString::to_string).collect::<String>();
        assert!(
            message.contains("ledger.id") && message.contains("32 hexadecimal digits"),
            "{message}"
        );
    }
}

async fn a_wallet_without_entries_gets_its_opening_top_up_once(backend: Backend) {
    let deployment = Deployment::prepare(Setup::on(backend));
    let without = deployment.text.replace(OPENING, "");
    assert_ne!(without, deployment.text);
    // A wallet that was made, with its top-up not booked: what a crash between the two leaves
    // behind.
    for (text, entries, settled) in
        [(&without, 0, 0), (&deployment.text, 1, 100_000_000), (&deployment.text, 1, 100_000_000)]
    {
        let gateway = start(&deployment, text, None).await.unwrap();
        let client = Client::new(gateway.data_addr(), gateway.admin_addr());
        let statement = client.operate(Method::GET, "/wallets/main/statement", Value::Null).await;
        assert_eq!(statement["items"].as_array().map(Vec::len), Some(entries), "{statement}");
        assert_eq!(client.books().await.settled, settled);
        assert!(gateway.shutdown().await.clean);
    }
    // A wallet with entries of its own gets none, whatever is in the file by now.
    let used = Deployment::prepare(Setup::on(backend));
    let without = used.text.replace(OPENING, "");
    let gateway = start(&used, &without, None).await.unwrap();
    Client::new(gateway.data_addr(), gateway.admin_addr()).top_up("5.00", "a payment").await;
    assert!(gateway.shutdown().await.clean);
    let gateway = start(&used, &used.text, None).await.unwrap();
    assert_eq!(
        Client::new(gateway.data_addr(), gateway.admin_addr()).books().await.settled,
        5_000_000
    );
    assert!(gateway.shutdown().await.clean);
}
