//! Hostile and odd requests, byte for byte: what each gets, and by upstream's own log that nothing
//! passed that was not paid for.

mod bodies;
mod heads;
mod passed;
mod paths;
mod request;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use request::Row;

use crate::support::{Backend, World, on_every_ledger};

on_every_ledger!(nothing_odd_passes_unmetered);

/// Sends the bytes on a connection of their own; status and rejection of the first reply, `closed`
/// if there is none.
async fn reply(world: &World, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.data).await.unwrap();
    // The gateway may have refused and closed before it has everything.
    drop(stream.write_all(request).await);
    drop(stream.shutdown().await);
    let mut read = Vec::new();
    let reading = stream.read_to_end(&mut read);
    drop(tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it ends"));
    let read = String::from_utf8_lossy(&read).to_lowercase();
    let head = read.split("\r\n\r\n").next().unwrap_or_default();
    let Some(status) = head.lines().next().and_then(|line| line.split(' ').nth(1)) else {
        return "closed".to_owned();
    };
    let rejection = head.lines().find_map(|line| line.strip_prefix("tollgate-rejection: "));
    format!("{status} {}", rejection.unwrap_or_default()).trim_end().to_owned()
}

async fn nothing_odd_passes_unmetered(backend: Backend) {
    let world = World::on(backend).await;
    let rows: Vec<Row> = heads::rows()
        .into_iter()
        .chain(paths::rows())
        .chain(bodies::rows())
        .chain(passed::rows())
        .collect();
    assert!(rows.len() >= 200, "{} rows", rows.len());
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), rows.len(), "a name is given twice");
    let (mut wrong, mut accepted) = (Vec::new(), 0);
    for row in &rows {
        let before = world.simulator.requests_count();
        let got = reply(&world, &row.request).await;
        let passed = world.simulator.requests_count() - before;
        let metered = u64::from(row.reply == "200");
        if got != row.reply || passed != metered {
            wrong.push(format!("{}: {got}, {passed} passed, not {}", row.name, row.reply));
        }
        accepted += metered;
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert_eq!(world.simulator.accepted_count(), accepted);
    // Every accepted one was held and settled: the messages of the month's usage are those.
    let usage =
        world.operate(http::Method::GET, "/usage?group_by=country", serde_json::Value::Null);
    let messages = usage.await["total"]["messages"].as_u64();
    assert_eq!(messages, Some(accepted), "what was accepted is what was counted");
}
