//! `loadtest run --scenario` with this gateway: good books pass, wrong ones fail the run.

use std::path::Path;

use loadtest::scenario::{self, ScenarioOptions};

const PHASE: &str = "[[phases]]\nseconds = 1\nrate = 50\n[accounts]\ncount = 2\n";

/// Runs a scenario; returns its report as JSON and why it failed.
async fn run(scenario: &str) -> (serde_json::Value, Option<String>) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("short.toml");
    std::fs::write(&file, scenario).unwrap();
    let options = ScenarioOptions {
        file: Some(file.clone()),
        gateway: Path::new(env!("CARGO_BIN_EXE_tollgate")).to_owned(),
        ledger: None,
        report: Some(home.path().to_owned()),
    };
    let result = scenario::run(&file, &options).await;
    let report = std::fs::read(home.path().join("short.json")).unwrap();
    let report = serde_json::from_slice(&report).unwrap();
    (report, result.err().map(|error| error.to_string()))
}

#[tokio::test]
async fn a_run_with_good_books_passes() {
    let (report, failure) = run(&format!("about = \"Short.\"\n{PHASE}")).await;
    assert_eq!(failure, None);
    assert_eq!((&report["sends"]["succeeded"], &report["audited"]), (&50.into(), &2.into()));
}

#[tokio::test]
async fn a_run_with_wrong_books_fails() {
    // Upstream takes every seventh message and says that it did not: nobody is charged for it.
    let faults = "[upstream]\nfaults = [{ action = { refuse = { code = 131026 } }, \
                  when = { every = 7 }, after_accepting = true }]\n\
                  [expect]\nmay_be_refused = true\n";
    let text = format!("about = \"Wrong.\"\naudit_within_s = 1\n{PHASE}{faults}");
    let (report, failure) = run(&text).await;
    assert_eq!(failure.unwrap(), "short failed: the books of 2 accounts are wrong");
    let disagrees = |check: &serde_json::Value| check["agrees"] == false;
    assert!(report["checks"].as_array().unwrap().iter().all(disagrees), "{report}");
}
