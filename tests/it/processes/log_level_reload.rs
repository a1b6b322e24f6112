//! SIGHUP: the file is read again; what can change while running does, a mistake changes nothing
//! and is logged.

use std::time::Duration;

use crate::support::{Backend, Deployment, Process, Setup, indian, marketing};

const LEVEL: &str = "[log]\nlevel = \"info\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sighup_changes_the_log_level_or_states_why_not() {
    let deployment = Deployment::prepare(Setup::on(Backend::Embedded).section(LEVEL));
    let process = Process::serve(&deployment, &[]);
    let send = async |id: &'static str, n: usize| {
        assert_eq!(
            process.client.send(marketing(&indian(n))).header("x-request-id", id).await.status,
            200
        );
    };
    let file = deployment.home.path().join("tollgate.toml");
    let change = async |text: String, until: &str| {
        std::fs::write(&file, text).unwrap();
        process.signal("HUP");
        for _ in 0..200 {
            if process.log().contains(until) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nothing of `{until}` in\n{}", process.log());
    };
    send("req-quiet", 1).await;
    change(deployment.text.replace("info", "debug"), "the log level is in force").await;
    send("req-debug", 2).await;
    change(deployment.text.replace("info", "loud"), "log.level").await;
    send("req-still-debug", 3).await;
    process.terminate();
    assert_eq!(process.ended(Duration::from_secs(10)).await.code(), Some(0));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let log = process.log();
    assert!(!log.contains("req-quiet"), "{log}");
    assert!(log.contains("req-debug") && log.contains("req-still-debug"), "{log}");
}
