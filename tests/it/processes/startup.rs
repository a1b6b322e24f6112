//! How `tollgate serve` begins: it names what it runs on, or why it does not run, in one sentence
//! and with the right exit status.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::redis_server::RedisServer;
use crate::support::{Authority, Finished, LOCAL, Process, run};

const LISTEN: &str = "[listen]\ndata = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n";

fn file(home: &TempDir, text: &str) -> PathBuf {
    let file = home.path().join("tollgate.toml");
    fs::write(&file, format!("{LISTEN}{text}")).unwrap();
    file
}

async fn refused(text: &str) -> Finished {
    let home = tempfile::tempdir().unwrap();
    run(&["serve", "--config", file(&home, text).to_str().unwrap()], &[]).await
}

/// What is neither a log line nor empty.
fn sentences(finished: &Finished) -> Vec<&str> {
    finished.stderr.lines().filter(|line| !line.starts_with('{') && !line.is_empty()).collect()
}

#[tokio::test]
async fn the_durability_tier_is_named_at_start() {
    let home = tempfile::tempdir().unwrap();
    let embedded =
        file(&home, &format!("[ledger]\nurl = \"embedded:{}/ledger\"\n", home.path().display()));
    let process = Process::start(&embedded, &[]);
    let line = process.wait_for(" serves: data ");
    assert!(line.ends_with(", durability fsync"), "{line}");
    assert!(process.log().contains("\"durability\":\"fsync\""), "{}", process.log());
    assert!(process.log().contains("    tg_live_"), "the key that was made is shown");

    let redis = RedisServer::start();
    let stored = file(&home, &format!("[ledger]\nurl = \"{}\"\n", redis.url()));
    let line = Process::start(&stored, &[]).wait_for(" serves: data ");
    assert!(line.ends_with(", durability everysec"), "{line}");
}

#[tokio::test]
async fn an_unavailable_store_is_one_sentence() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let finished = refused(&format!("[ledger]\nurl = \"redis://:hunter2@{nobody}/0\"\n")).await;
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let sentences = sentences(&finished);
    assert_eq!(sentences.len(), 1, "{}", finished.stderr);
    assert!(
        sentences[0]
            .starts_with("tollgate: the ledger cannot be opened: the server does not answer: "),
        "{}",
        finished.stderr
    );
    assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
}

#[tokio::test]
async fn a_store_that_may_lose_money_is_refused() {
    let redis = RedisServer::start_with(&[
        "--appendonly",
        "no",
        "--maxmemory",
        "100mb",
        "--maxmemory-policy",
        "allkeys-lru",
    ]);
    let url = format!("[ledger]\nurl = \"{}\"\n", redis.url());
    let finished = refused(&url).await;
    assert_eq!((finished.code, sentences(&finished).len()), (Some(1), 1), "{}", finished.stderr);
    for expected in ["maxmemory-policy is allkeys-lru", "appendonly is off"] {
        assert!(finished.stderr.contains(expected), "{expected}: {}", finished.stderr);
    }
    let home = tempfile::tempdir().unwrap();
    let line = Process::start(&file(&home, &format!("{url}allow_unsafe = true\n")), &[])
        .wait_for(" serves: data ");
    assert!(line.ends_with(", durability memory"), "{line}");
}

#[tokio::test]
async fn what_is_not_in_this_version_is_a_mistake_of_the_file() {
    for (text, expected) in [
        (
            "[ledger]\nurl = \"redis-sentinel://a:1,b:2\"\n",
            "ledger.url: redis-sentinel:// is not in this version",
        ),
        (
            "[ledger]\nurl = \"redis-cluster://a:1,b:2\"\n",
            "ledger.url: redis-cluster:// is not in this version",
        ),
    ] {
        let finished = refused(text).await;
        assert_eq!(finished.code, Some(64), "{}", finished.stderr);
        assert!(
            finished.stderr.contains(expected)
                && finished.stderr.ends_with("1 mistake in the configuration\n"),
            "{}",
            finished.stderr
        );
    }
}

#[tokio::test]
async fn the_production_example_is_right_where_its_secrets_are() {
    const SECRETS: &str = "/run/secrets/tollgate";
    let home = tempfile::tempdir().unwrap();
    let example = include_str!("../../../config/production.toml");
    let file = home.path().join("production.toml");
    fs::write(&file, example.replace(SECRETS, home.path().to_str().unwrap())).unwrap();
    let command = ["check", "--config", file.to_str().unwrap()];
    let without = run(&command, &[]).await;
    assert_eq!(without.code, Some(64), "{}", without.stdout);
    for expected in [
        "ledger.url_file: ",
        "admin.bootstrap_key_file: ",
        "META_TOKEN_ACME_ALERTS is not set",
        "keys[0].key_file: ",
    ] {
        assert!(without.stderr.contains(expected), "{expected}: {}", without.stderr);
    }

    let redis = RedisServer::start();
    for (name, secret) in [
        ("ledger_url", redis.url()),
        ("bootstrap_key", "bootstrap-0123456789".into()),
        ("acme_engine_key", "engine-0123456789".into()),
    ] {
        fs::write(home.path().join(name), format!("{secret}\n")).unwrap();
    }
    let token = [("META_TOKEN_ACME_ALERTS", "EAAtoken")];
    let without = run(&command, &token).await;
    assert_eq!(without.code, Some(64), "{}", without.stdout);
    assert!(without.stderr.contains("listen.tls: "), "{}", without.stderr);
    let tls = home.path().join("tls");
    fs::create_dir(&tls).unwrap();
    let issued = Authority::new().issue(LOCAL);
    fs::write(tls.join("tls.crt"), issued.cert).unwrap();
    fs::write(tls.join("tls.key"), issued.key).unwrap();
    let checked = run(&command, &token).await;
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "{}", checked.stdout);
    assert!(checked.stdout.ends_with("no mistakes, 1 declared accounts\n"), "{}", checked.stdout);
    // It does not only read well: a gateway starts with it, ports aside.
    let cards = home.path().join("rate-cards");
    let elsewhere = [
        ("TOLLGATE__LISTEN__DATA", "127.0.0.1:0"),
        ("TOLLGATE__LISTEN__ADMIN", "127.0.0.1:0"),
        ("TOLLGATE__LISTEN__OPS", "127.0.0.1:0"),
        ("TOLLGATE__PRICING__RATE_CARD_DIR", cards.to_str().unwrap()),
        token[0],
    ];
    let line = Process::start(&file, &elsewhere).wait_for(" serves: data ");
    assert!(line.contains(", ops 127.0.0.1:"), "{line}");
}
