//! Every example body is priced and forwarded byte for byte, or rejected by the name of the rule it
//! breaks: one table.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::{Backend, META_TOKEN, World, on_every_ledger};

on_every_ledger!(every_example_is_priced_and_forwarded_or_rejected);

const MESSAGES: &str = "/v24.0/106540352242922/messages";
const MARKETING: &str = "/v24.0/106540352242922/marketing_messages";

/// Example body, path, and the reply in short.
const TABLE: &[(&str, &str, &str)] = &[
    ("send-text", MESSAGES, "200 0.00 USD service North America"),
    ("send-text-reply", MESSAGES, "200 0.00 USD service North America"),
    ("send-image", MESSAGES, "200 0.00 USD service North America"),
    ("send-audio", MESSAGES, "200 0.00 USD service North America"),
    ("send-video", MESSAGES, "200 0.00 USD service North America"),
    ("send-document", MESSAGES, "200 0.00 USD service North America"),
    ("send-sticker", MESSAGES, "200 0.00 USD service North America"),
    ("send-location", MESSAGES, "200 0.00 USD service North America"),
    ("send-contacts", MESSAGES, "200 0.00 USD service North America"),
    ("send-reaction", MESSAGES, "200 0.00 USD service North America"),
    ("send-interactive-buttons", MESSAGES, "200 0.00 USD service North America"),
    ("send-interactive-list", MESSAGES, "200 0.00 USD service North America"),
    ("send-interactive-address", MESSAGES, "200 0.00 USD service India"),
    ("send-interactive-contact-request", MESSAGES, "200 0.00 USD service North America"),
    ("send-to-bsuid", MESSAGES, "200 0.00 USD service North America"),
    ("send-to-phone-and-bsuid", MESSAGES, "200 0.00 USD service North America"),
    ("send-template-marketing", MESSAGES, "200 0.025 USD marketing North America"),
    ("send-template-utility-named", MESSAGES, "200 0.0068 USD utility Brazil"),
    ("send-template-authentication", MESSAGES, "200 0.0014 USD authentication India"),
    ("send-marketing-messages-api", MARKETING, "200 0.025 USD marketing North America"),
    // The other endpoint's bodies.
    ("send-marketing-messages-api", MESSAGES, "400 malformed"),
    ("send-template-marketing", MARKETING, "200 0.025 USD marketing North America"),
    ("send-text", MARKETING, "400 malformed"),
    ("send-read-receipt-typing", MARKETING, "400 malformed"),
    // Nothing is sent, so nothing is charged.
    ("send-read-receipt-typing", MESSAGES, "200"),
    // One request, many charges.
    ("send-to-group", MESSAGES, "422 recipient_unsupported"),
    ("send-group-pin", MESSAGES, "422 recipient_unsupported"),
    // Paths round the meter: those that pass, and those that do not.
    ("send-encrypted", "/v24.0/106540352242922/messages_encrypted", "403 path_not_allowed"),
    ("send-encrypted", MESSAGES, "400 malformed"),
    ("send-call-connect", "/v24.0/106540352242922/calls", "403 path_not_allowed"),
    ("send-call-connect", MESSAGES, "400 malformed"),
    ("graph-batch-smuggle", "/", "403 path_not_allowed"),
    ("graph-batch-smuggle", "/v24.0", "403 path_not_allowed"),
    ("graph-batch-smuggle", "/v24.0/", "403 path_not_allowed"),
    ("graph-batch-smuggle", "/v24.0/106540352242922", "403 path_not_allowed"),
    ("graph-batch-smuggle", MESSAGES, "400 malformed"),
];

async fn every_example_is_priced_and_forwarded_or_rejected(backend: Backend) {
    let world = World::on(backend).await;
    let mut wrong = Vec::new();
    let (mut accepted, mut charged) = (0, 0);
    for (name, path, expected) in TABLE {
        let body = std::fs::read(directory().join(format!("{name}.json"))).unwrap();
        let requests = world.simulator.requests_count();
        let reply = world.post(path, body.clone()).await;
        let summary = reply.summary();
        if summary != *expected {
            wrong.push(format!(
                "{name} to {path}: {summary} instead of {expected} {}",
                reply.json["error"]["error_data"]["details"]
            ));
            continue;
        }
        let forwarded = world.simulator.requests_count() - requests;
        assert_eq!(forwarded, u64::from(reply.status == 200), "{name} to {path}");
        if reply.message_id().is_empty() {
            continue;
        }
        accepted += 1;
        charged += reply.charge();
        let arrived = world.simulator.accepted().pop().unwrap();
        assert_eq!(arrived.body, body, "{name} did not arrive as it was sent");
        assert_eq!(arrived.path, *path);
        assert_eq!(arrived.message_id, reply.message_id());
        assert_eq!(arrived.headers["authorization"], format!("Bearer {META_TOKEN}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(world.simulator.stats().read_receipts, 1);
    assert_eq!(world.simulator.accepted_count(), accepted);
    let books = world.books().await;
    assert_eq!((books.settled, books.held), (100_000_000 - charged, 0));
}

#[test]
fn the_table_holds_every_example() {
    let names = |name: &str| name.starts_with("send-") || name.starts_with("graph-");
    let files: BTreeSet<String> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| file.strip_suffix(".json").filter(|name| names(name)).map(str::to_owned))
        .collect();
    let rows: BTreeSet<String> = TABLE.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(rows, files);
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/payloads")
}
