//! `loadtest simulate`: serves with the options given, until it is interrupted.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};

use super::*;

#[tokio::test]
async fn it_prints_its_address_and_serves() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["simulate", "--listen", "127.0.0.1:0", "--token", "good", "--keep", "0"])
        .args(["--fault", r#"{"action":{"refuse":{"code":131026}},"when":{"next":2}}"#])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.next_line().await.unwrap().unwrap();
    let run = |key: &'static str| {
        let url = url.clone();
        async move {
            let arguments = [
                "run",
                "--target",
                &url,
                "--key",
                key,
                "--phone-number-id",
                "7",
                "--rate",
                "50",
                "--duration",
                "100ms",
            ];
            let output = loadtest(&arguments).await;
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
        }
    };
    let bad = run("bad").await;
    assert_eq!(bad["statuses"], serde_json::json!({ "401": 5 }));
    let good = run("good").await;
    assert_eq!(good["statuses"], serde_json::json!({ "200": 3, "400": 2 }));
    child.kill().await.unwrap();
}
