//! Commands that end by themselves: the demo, the check of a configuration, a start that is
//! refused.

use std::path::Path;

use crate::support::{free_address, run_in};

/// Line and key of each mistake in `fixtures/ten_mistakes.toml`.
const MISTAKES: [(u32, &str); 10] = [
    (4, "listen.data"),
    (5, "listen.opps"),
    (8, "upstream.url"),
    (9, "upstream.answer_timeout_ms"),
    (12, "ledger.in_doubt_policy"),
    (15, "shutdown.drain_s"),
    (17, "lgo"),
    (22, "accounts[0].currency"),
    (23, "accounts[0].time_zone"),
    (30, "accounts[0].channels[0].wallet"),
];

#[tokio::test]
async fn the_demo_runs_its_story_and_ends_well() {
    let directory = tempfile::tempdir().unwrap();
    let demo = run_in(directory.path(), &["demo", "--exit"], &[]).await;
    assert_eq!(demo.code, Some(0), "{}\n{}", demo.stdout, demo.stderr);
    for expected in [
        "insufficient_balance",
        "campaign_stopped",
        "credits_exhausted",
        "Idempotency-Replayed: true",
        "the books add up",
    ] {
        assert!(
            demo.stdout.contains(expected),
            "the demo does not show {expected}:\n{}",
            demo.stdout
        );
    }
    assert_eq!(
        std::fs::read_dir(directory.path()).unwrap().count(),
        0,
        "the demo left something behind"
    );
}

#[tokio::test]
async fn every_mistake_is_reported_at_once() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/ten_mistakes.toml");
    let fixture = fixture.to_str().unwrap();
    let directory = tempfile::tempdir().unwrap();
    for command in ["check", "serve"] {
        let refused = run_in(directory.path(), &[command, "--config", fixture], &[]).await;
        assert_eq!(refused.code, Some(64), "{command}: {}", refused.stderr);
        for (line, key) in MISTAKES {
            let begin = format!("{fixture}:{line}: {key}: ");
            let found =
                refused.stderr.lines().filter(|written| written.starts_with(&begin)).count();
            assert_eq!(found, 1, "{command} and {begin}\n{}", refused.stderr);
        }
        assert!(refused.stderr.contains("10 mistakes"), "{command}: {}", refused.stderr);
        assert!(!refused.stderr.contains("serves"), "{command}: {}", refused.stderr);
    }
    assert_eq!(
        std::fs::read_dir(directory.path()).unwrap().count(),
        0,
        "a refused start opened its ledger"
    );
}

#[tokio::test]
async fn a_start_that_fails_states_why() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = directory.path().join("tollgate.toml");
    let text = format!(
        "[listen]\ndata = \"{}\"\nadmin = \"{}\"\n",
        taken.local_addr().unwrap(),
        free_address()
    );
    std::fs::write(&file, text).unwrap();
    let refused =
        run_in(directory.path(), &["serve", "--config", file.to_str().unwrap()], &[]).await;
    assert!(refused.code.is_some_and(|code| code != 0 && code != 64), "{:?}", refused.code);
    assert!(
        refused.stderr.contains(&taken.local_addr().unwrap().to_string()),
        "{}",
        refused.stderr
    );
    let missing = run_in(directory.path(), &["check", "--config", "no-such-file.toml"], &[]).await;
    assert_eq!(missing.code, Some(64));
    assert!(missing.stderr.contains("no-such-file.toml"), "{}", missing.stderr);
}
