//! What the Redis ledger costs its server: processor time a send, bytes written a send and memory,
//! by the size of a batch. Starts a private `redis-server` with the production settings.

#![allow(clippy::print_stdout, reason = "its report is its output")]

mod server;

use std::sync::Arc;
use std::time::Duration;

use tollgate::clock::{Clock, Stopwatch};
use tollgate::ids::{AccountId, HoldId};
use tollgate::ledger::redis::{RedisLedger, RedisOptions};
use tollgate::ledger::{
    Batch, CalendarSpan, CampaignUse, CapRule, DocumentKind, Ledger, Operation, Reserve, Verdict,
    WindowRule,
};
use tollgate::pricing::Category;

use server::Server;

const CHANNELS: u64 = 100;
const CAP: CapRule = CapRule { categories: 1, max: 100, window_s: 86_400 };
/// Sends measured in a row of the table.
const SENDS: usize = 20_000;

fn main() {
    // `cargo test --bench ledger -- --test` only shows that it runs.
    let once = std::env::args().any(|argument| argument == "--test");
    let sends = if once { 640 } else { SENDS };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Some(server) = Server::start() else {
        println!("no redis-server: nothing measured");
        return;
    };
    runtime.expect("a runtime").block_on(async {
        let stored: &[u64] = if once { &[0] } else { &[0, 100_000, 1_000_000] };
        let mut bench = Bench::new(&server).await;
        println!("reserve and settle, one account: limit, cap, campaign, {CHANNELS} channels");
        println!("recipients   batch   us/send   AOF bytes/send   sends/s");
        for recipients in stored {
            bench.remember(*recipients).await;
            for size in [1, 8, 26, 32] {
                bench.measure(size, sends, *recipients).await;
            }
        }
    });
}

struct Bench<'a> {
    server: &'a Server,
    ledger: RedisLedger,
    account: AccountId,
    number: u64,
    next: u64,
    open: Vec<HoldId>,
}

impl Bench<'_> {
    async fn new(server: &Server) -> Bench<'_> {
        let options = RedisOptions { deadline: Duration::from_secs(10), ..RedisOptions::default() };
        let ledger = RedisLedger::connect(&server.url(), options).await.expect("a ledger");
        let account = "bench".parse().expect("an id");
        let mut bench = Bench { server, ledger, account, number: 0, next: 0, open: Vec::new() };
        let wallet = || "main".parse().expect("an id");
        bench
            .apply(vec![
                Operation::PutDocument {
                    kind: DocumentKind::Account,
                    id: "account".into(),
                    body: "{}".into(),
                    only_if_absent: false,
                    replaces: None,
                },
                Operation::PutWallet {
                    wallet: wallet(),
                    overdraft_limit: None,
                    low_balance_thresholds: None,
                },
                Operation::TopUp {
                    wallet: wallet(),
                    amount: "1000000".parse().expect("an amount"),
                    reference: "bench".into(),
                },
            ])
            .await;
        bench
    }

    /// The batch under the next number; its clock is read first.
    async fn apply(&mut self, operations: Vec<Operation>) {
        self.number += 1;
        let batch = Batch { writer: 1, number: self.number, clock_ms: now_ms(), operations };
        let verdicts = self.ledger.apply(&self.account, &batch).await.expect("verdicts");
        let admitted = |verdict: &Verdict| !matches!(verdict, Verdict::Rejected(_));
        assert!(verdicts.iter().all(admitted), "a send was refused: {verdicts:?}");
    }

    /// As many sends as settles: those of the last batch.
    async fn step(&mut self, size: usize, recipients: u64) {
        let mut operations = settles(&std::mem::take(&mut self.open));
        let row =
            std::iter::successors(Some(HoldId::first_of_row(now_ms())), |hold| hold.next_in_row());
        for hold in row.take(size) {
            self.next += 1;
            self.open.push(hold);
            let recipient = if recipients > 0 { self.next % recipients } else { self.next };
            operations.push(reserve(hold, self.next, recipient));
        }
        self.apply(operations).await;
    }

    /// Sends to as many recipients.
    async fn remember(&mut self, recipients: u64) {
        let before = self.server.memory();
        for _ in 0..recipients / 32 {
            self.step(32, 0).await;
        }
        let bytes = self.server.memory().saturating_sub(before);
        if let Some(each) = bytes.checked_div(recipients) {
            println!("{recipients} recipients more: {each} bytes each, all in");
        }
    }

    async fn measure(&mut self, size: usize, sends: usize, recipients: u64) {
        let (cpu, written) = (self.server.cpu(), self.server.written());
        let watch = Stopwatch::start();
        for _ in 0..sends / size {
            self.step(size, 0).await;
        }
        let elapsed = watch.elapsed();
        let count = (sends / size * size) as f64;
        println!(
            "{recipients:10}   {size:5}   {:7.1}   {:14.0}   {:7.0}",
            (self.server.cpu() - cpu).as_secs_f64() * 1e6 / count,
            (self.server.written() - written) as f64 / count,
            count / elapsed.as_secs_f64(),
        );
    }
}

fn now_ms() -> i64 {
    Clock::system().now_ms()
}

fn mixed(number: u64) -> [u8; 8] {
    // Recipients are keyed hashes: spread evenly.
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

fn settles(holds: &[HoldId]) -> Vec<Operation> {
    let day = CalendarSpan { index: 20_778, start_ms: 0, end_ms: i64::MAX };
    let message_id: Arc<str> = "wamid.HBgNMTU1NTEyMzQ1NjcVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA".into();
    let settle = |hold: &HoldId| Operation::Settle {
        hold: *hold,
        message_id: Some(message_id.clone()),
        day,
    };
    holds.iter().map(settle).collect()
}

fn reserve(hold: HoldId, number: u64, recipient: u64) -> Operation {
    let mut fingerprint = [7; 16];
    fingerprint[..8].copy_from_slice(&mixed(number ^ 0x5555));
    let channel = 106_540_352_240_000 + number % CHANNELS;
    Operation::Reserve(Box::new(Reserve {
        hold,
        settings_version: 1,
        price_valid_until_ms: i64::MAX,
        wallet: Some("main".parse().expect("an id")),
        campaign: Some(CampaignUse { id: "bench".parse().expect("an id"), auto_create: true }),
        channel: channel.to_string().parse().expect("an id"),
        country: "IN".parse().expect("a country"),
        category: Category::Marketing,
        amount: "0.0118".parse().expect("an amount"),
        allowance: None,
        recipient: mixed(recipient),
        spelled: None,
        window: Some(WindowRule {
            portfolio: "default".parse().expect("an id"),
            limit: 100_000_000,
        }),
        caps: Arc::from([CAP]),
        fingerprint,
        key: None,
        guarding: false,
        observe: false,
        abandoned_replay_s: 86_400,
    }))
}
