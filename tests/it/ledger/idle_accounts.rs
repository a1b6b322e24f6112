//! What all accounts cost while nothing happens in them, and that whatever is due is done on time
//! nevertheless.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tollgate::clock::Clock;
use tollgate::ids::AccountId;
use tollgate::ledger::redis::{RedisLedger, RedisOptions};
use tollgate::ledger::{
    Attention, Batch, DocumentKind, DoubtReason, LedgerReads, OldestHolds, OpenLedger, Operation,
};

use crate::support::ledger_script::{Labels, Line, operations};
use crate::support::redis_server::RedisServer;
use crate::support::{LedgerCase, MINUTE, SECOND, Sweeping, on_every_ledger};

on_every_ledger!(
    ten_thousand_accounts_are_swept_in_one_round,
    a_hold_of_an_idle_account_ends_on_time,
    events_are_told_at_once_however_many_there_were_before,
    what_opening_the_ledger_put_in_doubt_is_told,
    the_oldest_holds_are_those_reserved_first
);

/// Creates an account with a wallet of 9.00.
fn founding() -> Vec<Operation> {
    let settings = r#"{"currency":"USD","rate_card":"meta-usd"}"#;
    let document = Operation::PutDocument {
        kind: DocumentKind::Account,
        id: "account".into(),
        body: settings.into(),
        only_if_absent: true,
        replaces: None,
    };
    let wallet = Line::parse("wallet main limit=9.00");
    vec![document, operations::operation(&wallet, 0, &Labels::new())]
}

fn send(label: &str, now_ms: i64) -> Operation {
    Operation::Reserve(Box::new(operations::send(&Line::parse(label), now_ms, 1)))
}

/// Creates accounts, a few at the same time, each with these operations.
async fn create(
    ledger: &OpenLedger,
    clock: &Clock,
    count: usize,
    and: impl Fn(usize) -> Vec<Operation>,
) {
    let mut creating = JoinSet::new();
    for n in 0..count {
        let (ledger, clock_ms) = (ledger.ledger.clone(), clock.now_ms());
        let operations = [founding(), and(n)].concat();
        creating.spawn(async move {
            let account: AccountId = format!("account-{n}").parse().unwrap();
            let batch = Batch { writer: 1, number: 1, clock_ms, operations };
            ledger.apply(&account, &batch).await.unwrap();
        });
        if creating.len() > 100 {
            creating.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(created) = creating.join_next().await {
        created.unwrap();
    }
}

/// Waits until all of the first accounts are so.
async fn until_all(reads: &dyn LedgerReads, count: usize, so: impl Fn(&Attention) -> bool) {
    let ids: Vec<AccountId> = (0..count).map(|n| format!("account-{n}").parse().unwrap()).collect();
    let begin = Instant::now();
    loop {
        let found = reads.attention(&ids).await.unwrap().accounts;
        let left = found.iter().filter(|found| !so(&found.as_ref().unwrap().unwrap())).count();
        if left == 0 {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{left} accounts are left");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn ten_thousand_accounts_are_swept_in_one_round(case: LedgerCase) {
    let now_ms = case.clock.now_ms();
    create(&case.ledger, &case.clock, 10_000, |n| vec![send(&format!("send {n}"), now_ms)]).await;
    case.clock.advance(MINUTE);
    let begin = Instant::now();
    let sweeping = Sweeping::start(&case.ledger, &case.clock, Duration::from_secs(3600));
    let in_doubt = |account: &Attention| account.in_doubt == 1;
    until_all(&*case.ledger.reads, 10_000, in_doubt).await;
    println!("10,000 accounts were swept within {:?}", begin.elapsed());
    sweeping.end().await;
}

async fn a_hold_of_an_idle_account_ends_on_time(mut case: LedgerCase) {
    case.turn_to("bakery");
    case.apply(founding()).await.unwrap();
    let sweeping = Sweeping::start(&case.ledger, &case.clock, Duration::from_millis(100));
    // As seldom as an idle account is looked at: with 32 rounds behind, each 16th.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    case.clock.advance(SECOND);
    // By somebody who is gone before it ends.
    let now_ms = case.clock.now_ms();
    case.apply(vec![send("send a", now_ms)]).await.unwrap();
    case.clock.advance(37 * SECOND);
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    assert!(sweeping.shows("tollgate_holds_in_doubt 0"), "it is not due yet");
    case.clock.advance(SECOND);
    let time = sweeping.until("tollgate_holds_in_doubt 1").await;
    assert!(time < Duration::from_secs(5), "a second past its time it was open for {time:?}");
    // A day later it is charged, though nothing has happened meanwhile.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    case.clock.advance(24 * 60 * MINUTE);
    let time = sweeping.until("tollgate_holds_in_doubt 0").await;
    assert!(time < Duration::from_secs(5), "it was in doubt for {time:?} too long");
    sweeping.until("tollgate_wallet_available_credits{account=\"bakery\",wallet=\"main\"} 8").await;
    sweeping.end().await;
}

async fn events_are_told_at_once_however_many_there_were_before(mut case: LedgerCase) {
    case.turn_to("bakery");
    case.apply(founding()).await.unwrap();
    let campaign = |line| operations::operation(&Line::parse(line), 0, &Labels::new());
    case.apply(vec![campaign("create diwali")]).await.unwrap();
    let (stop, restart) = (|| campaign("stop diwali operator"), || campaign("restart diwali"));
    for _ in 0..100 {
        let again = (0..16).flat_map(|_| [stop(), restart()]);
        case.apply(again.collect()).await.unwrap();
    }
    case.clock.advance(SECOND);
    case.reopen().await;
    let sweeping = Sweeping::start(&case.ledger, &case.clock, Duration::from_millis(500));
    sweeping.until("tollgate_wallet_available_credits{account=\"bakery\",wallet=\"main\"} 9").await;
    case.clock.advance(SECOND);
    case.apply(vec![stop()]).await.unwrap();
    let time = sweeping.until("tollgate_events_total{event=\"campaign_stopped\"} 1").await;
    // Page by page it were four rounds.
    assert!(time < Duration::from_millis(1_900), "it was told after {time:?}");
    assert!(!sweeping.shows("tollgate_events_total{event=\"campaign_restarted\"} 1"));
    sweeping.end().await;
}

async fn what_opening_the_ledger_put_in_doubt_is_told(mut case: LedgerCase) {
    case.turn_to("bakery");
    case.apply([founding(), vec![send("send a", case.clock.now_ms())]].concat()).await.unwrap();
    case.clock.advance(MINUTE);
    case.reopen().await;
    case.clock.advance(SECOND);
    let sweeping = Sweeping::start(&case.ledger, &case.clock, Duration::from_millis(100));
    sweeping.until("tollgate_events_total{event=\"hold_in_doubt\"} 1").await;
    sweeping.end().await;
}

async fn the_oldest_holds_are_those_reserved_first(mut case: LedgerCase) {
    case.turn_to("bakery");
    case.apply(founding()).await.unwrap();
    let oldest = async |reads: &dyn LedgerReads| {
        let OldestHolds { open_ms, in_doubt_ms } =
            reads.oldest_holds(&"bakery".parse().unwrap()).await.unwrap();
        (open_ms, in_doubt_ms)
    };
    let reads = case.ledger.reads.clone();
    assert_eq!(oldest(&*reads).await, (None, None));
    // Of a gateway whose clock is ahead: by its id it is the last.
    let first_ms = case.clock.now_ms();
    let first = operations::send(&Line::parse("send a clock=30s"), first_ms, 1);
    let id = first.hold;
    case.apply(vec![Operation::Reserve(Box::new(first))]).await.unwrap();
    case.clock.advance(SECOND);
    let second_ms = case.clock.now_ms();
    case.apply(vec![send("send b", second_ms)]).await.unwrap();
    assert_eq!(oldest(&*reads).await, (Some(first_ms), None));
    let mark = Operation::MarkInDoubt { hold: id, reason: DoubtReason::Deadline };
    case.apply(vec![mark]).await.unwrap();
    assert_eq!(oldest(&*reads).await, (Some(second_ms), Some(first_ms)));
    let nobody = reads.oldest_holds(&"nobody".parse().unwrap()).await.unwrap();
    assert_eq!(nobody, OldestHolds::default());
}

/// Calls of each command that the server has had.
fn calls(server: &RedisServer) -> BTreeMap<String, u64> {
    let stats = server.text("INFO commandstats");
    let call = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    stats.lines().filter_map(call).collect()
}

fn number(server: &RedisServer, section: &str, name: &str) -> u64 {
    let text = server.text(&format!("INFO {section}"));
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().parse().unwrap()
}

/// Changes and bytes of the append-only file.
fn written(server: &RedisServer) -> (u64, u64) {
    let changes = number(server, "persistence", "rdb_changes_since_last_save");
    (changes, number(server, "persistence", "aof_current_size"))
}

const IDLE: usize = 2_000;
const ROUND: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_accounts_are_not_written_to_and_seldom_read() {
    let server = RedisServer::start();
    let clock = Clock::system();
    let connect = async || {
        let deadline = Duration::from_secs(20);
        let options = RedisOptions { deadline, ..RedisOptions::default() };
        RedisLedger::connect(&server.url(), options).await.unwrap().into_open()
    };
    let ledger = connect().await;
    create(&ledger, &clock, IDLE, |_| Vec::new()).await;
    let one = Sweeping::start(&ledger, &clock, ROUND);
    // New accounts are swept once, by whoever sees them first.
    until_all(&*ledger.reads, IDLE, |account| account.swept_ms.is_some()).await;
    let before = written(&server);
    let another = Sweeping::start(&connect().await, &clock, ROUND);
    // Now both look at each account in each sixteenth round.
    tokio::time::sleep(ROUND * 32).await;
    let calls_before = calls(&server);
    let rounds = 32;
    tokio::time::sleep(ROUND * rounds).await;
    let calls_after = calls(&server);
    assert_eq!(written(&server), before, "changes and bytes written for idle accounts");
    let mut made = calls_after;
    made.retain(|name, calls| {
        *calls -= calls_before.get(name).copied().unwrap_or(0);
        *calls > 0
    });
    println!("{made:?}");
    // Twice in 32 rounds by two gateways, and once more at the edges.
    let looks = made.remove("hmget").unwrap();
    assert!((1..=6 * IDLE as u64).contains(&looks), "{looks} looks");
    // A page of accounts a round.
    let listed = made.remove("exists").unwrap();
    assert!(listed <= 2 * 256 * u64::from(rounds + 4), "{listed} accounts were listed");
    for few in ["time", "zrangebylex", "info"] {
        let calls = made.remove(few).unwrap();
        assert!(calls <= 20 * u64::from(rounds), "{calls} of {few}");
    }
    assert!(made.is_empty(), "idle accounts need nothing else, not {made:?}");
    one.end().await;
    another.end().await;
}
