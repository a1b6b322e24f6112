//! Redis behind TLS: the server's certificate is checked, and the gateway shows its own.

use std::net::TcpListener;
use std::time::Duration;

use tollgate::clock::Clock;
use tollgate::ledger::StoreTlsFiles;
use tollgate::ledger::open::{LedgerOptions, open};

use crate::support::redis_server::RedisServer;
use crate::support::{Authority, LOCAL};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_reached_by_tls() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let home = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let ca_file = authority.write(home.path());
    let (cert, key) = authority.issue(LOCAL).write(home.path(), "server");
    let client = authority.issue(&["gateway"]).write(home.path(), "client");
    let unknown = stranger.issue(&["gateway"]).write(elsewhere.path(), "client");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = |path: &std::path::Path| path.display().to_string();
    let _server = RedisServer::start_with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &text(&cert),
        "--tls-key-file",
        &text(&key),
        "--tls-ca-cert-file",
        &text(&ca_file),
        "--tls-auth-clients",
        "yes",
    ]);
    let ours = StoreTlsFiles { ca_file: Some(ca_file), client: Some(client.clone()) };
    for (tls, opens) in [
        (ours.clone(), true),
        (StoreTlsFiles { client: None, ..ours.clone() }, false),
        (StoreTlsFiles { client: Some(unknown), ..ours.clone() }, false),
        (StoreTlsFiles { ca_file: Some(stranger.write(elsewhere.path())), ..ours.clone() }, false),
        (StoreTlsFiles { ca_file: None, client: Some(client) }, false),
    ] {
        let options = LedgerOptions {
            deadline: Duration::from_secs(5),
            key_prefix: "tg".to_owned(),
            allow_unsafe: false,
            tls: tls.clone(),
        };
        let url = format!("rediss://127.0.0.1:{port}/0");
        match open(&url, options, Clock::system()).await {
            Ok(ledger) => {
                assert!(opens, "{tls:?}");
                let nobody = "nobody".parse().unwrap();
                assert_eq!(ledger.reads.settings_version(&nobody).await, Ok(0));
            }
            Err(error) => assert!(!opens, "{tls:?}: {error}"),
        }
    }
}
