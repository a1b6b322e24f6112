//! A batch that the ledger refuses after an outage: its callers are refused, what nobody waits for
//! is kept, and the account's sends go on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tollgate::clock::Clock;
use tollgate::ids::{AccountId, HoldId};
use tollgate::ledger::batcher::{Batcher, BatcherOptions, CallFault};
use tollgate::ledger::embedded::EmbeddedLedger;
use tollgate::ledger::{
    Batch, CalendarSpan, DocumentKind, Ledger, LedgerFault, LedgerFuture, LedgerReads, Operation,
    PageRequest, Reserve, Verdict,
};
use tollgate::metrics::Metrics;
use tollgate::pricing::Category;

use crate::support::NOON_MS;

const TWO_MINUTES_MS: i64 = 120_000;

/// What happens to one batch between batcher and ledger.
#[derive(Debug, Clone, Copy)]
enum Mishap {
    /// It does not arrive.
    Lost,
    /// It is written, and the verdicts do not arrive.
    Unanswered,
    /// It is refused whole.
    Refused,
}

/// A ledger with the mishaps ahead of it, and what was put to it: writer, number and operations of
/// every try.
struct Unreliable {
    inner: EmbeddedLedger,
    ahead: Mutex<VecDeque<Mishap>>,
    tries: Mutex<Vec<(u64, u64, usize)>>,
}

impl Ledger for Unreliable {
    fn apply<'a>(
        &'a self,
        account: &'a AccountId,
        batch: &'a Batch,
    ) -> LedgerFuture<'a, Vec<Verdict>> {
        self.tries.lock().unwrap().push((batch.writer, batch.number, batch.operations.len()));
        let mishap = self.ahead.lock().unwrap().pop_front();
        Box::pin(async move {
            let unavailable = || LedgerFault::Unavailable("as the test wants it".into());
            match mishap {
                Some(Mishap::Lost) => Err(unavailable()),
                Some(Mishap::Unanswered) => {
                    self.inner.apply(account, batch).await.and(Err(unavailable()))
                }
                Some(Mishap::Refused) => Err(LedgerFault::Refused("as the test wants it".into())),
                None => self.inner.apply(account, batch).await,
            }
        })
    }

    fn close(&self) -> LedgerFuture<'_, ()> {
        self.inner.close()
    }
}

/// A batcher before such a ledger, each with a clock of its own, and an account with 1.00 in it.
struct Bench {
    ledger: Arc<Unreliable>,
    batcher: Batcher,
    account: AccountId,
    gateway_clock: Clock,
    ledger_clock: Clock,
    _directory: TempDir,
}

impl Bench {
    async fn set_up() -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let (gateway_clock, ledger_clock) = (Clock::fixed(NOON_MS), Clock::fixed(NOON_MS));
        let inner =
            EmbeddedLedger::open(&directory.path().join("ledger"), ledger_clock.clone()).unwrap();
        let ledger =
            Arc::new(Unreliable { inner, ahead: Mutex::default(), tries: Mutex::default() });
        let options = BatcherOptions { deadline: Duration::from_secs(10), queue: 100 };
        let batcher = Batcher::new(
            ledger.clone(),
            gateway_clock.clone(),
            Arc::new(Metrics::new(10)),
            options,
        );
        let bench = Bench {
            ledger,
            batcher,
            account: "acme".parse().unwrap(),
            gateway_clock,
            ledger_clock,
            _directory: directory,
        };
        let founding = Operation::PutDocument {
            kind: DocumentKind::Account,
            id: "account".into(),
            body: r#"{"currency":"USD"}"#.into(),
            only_if_absent: true,
            replaces: None,
        };
        let wallet = || "main".parse().unwrap();
        let wallet_made = Operation::PutWallet {
            wallet: wallet(),
            overdraft_limit: None,
            low_balance_thresholds: None,
        };
        let top_up = Operation::TopUp {
            wallet: wallet(),
            amount: "1.00".parse().unwrap(),
            reference: "first".into(),
        };
        for operation in [founding, wallet_made, top_up] {
            bench.batcher.call(&bench.account, operation).await.unwrap();
        }
        bench
    }

    /// What lies ahead of the next batches; the tries are counted from here.
    fn ahead(&self, mishaps: &[Mishap]) {
        self.ledger.ahead.lock().unwrap().extend(mishaps);
    }

    async fn reserve(&self, amount: &str) -> (HoldId, Result<Verdict, CallFault>) {
        let hold = HoldId::new(self.gateway_clock.now_ms());
        let mut recipient = [0u8; 8];
        recipient.copy_from_slice(&hold.as_bytes()[8..]);
        let reserve = Reserve {
            hold,
            settings_version: 1,
            price_valid_until_ms: i64::MAX,
            wallet: Some("main".parse().unwrap()),
            campaign: None,
            channel: "106540352242922".parse().unwrap(),
            country: "IN".parse().unwrap(),
            category: Category::Marketing,
            amount: amount.parse().unwrap(),
            allowance: None,
            recipient,
            spelled: None,
            window: None,
            caps: Arc::default(),
            fingerprint: *hold.as_bytes(),
            key: None,
            guarding: false,
            observe: false,
            abandoned_replay_s: 86_400,
        };
        (hold, self.batcher.call(&self.account, Operation::Reserve(Box::new(reserve))).await)
    }

    /// A hold that the ledger gave.
    async fn held(&self, amount: &str) -> HoldId {
        let (hold, verdict) = self.reserve(amount).await;
        assert!(matches!(verdict, Ok(Verdict::Reserved { .. })), "{verdict:?}");
        hold
    }

    /// Upstream accepted: nobody waits for this.
    fn settle(&self, hold: HoldId) {
        let day = CalendarSpan::day(&jiff::tz::TimeZone::UTC, self.gateway_clock.now_ms());
        self.batcher.post(
            &self.account,
            Operation::Settle { hold, message_id: Some("wamid.1".into()), day },
        );
    }

    /// `settled` and `held` of the wallet once the queue is empty.
    async fn books(&self) -> (String, String) {
        self.batcher.drain(&self.account).await.unwrap();
        let wallets = self.ledger.inner.wallets(&self.account).await.unwrap();
        (wallets[0].settled.to_string(), wallets[0].held.to_string())
    }

    async fn charges(&self) -> usize {
        let page = PageRequest { cursor: None, limit: 100 };
        let entries = self
            .ledger
            .inner
            .entries(&self.account, &"main".parse().unwrap(), 0, i64::MAX, &page)
            .await
            .unwrap();
        entries.items.iter().filter(|entry| entry.charge.is_some()).count()
    }

    /// Every writer's numbers go 1, 2, 3 and on, a number is only used again for the same batch,
    /// and no writer comes back. Returns how many writers there were.
    fn writers(&self) -> usize {
        let mut last: BTreeMap<u64, (u64, usize)> = BTreeMap::new();
        let mut present = None;
        for (writer, number, operations) in self.ledger.tries.lock().unwrap().iter().copied() {
            if present != Some(writer) {
                assert!(!last.contains_key(&writer), "writer {writer} came back");
                present = Some(writer);
            }
            let (before, same) = last.insert(writer, (number, operations)).unwrap_or_default();
            let repeated = number == before && operations == same;
            assert!(
                repeated || number == before + 1,
                "writer {writer} used number {number} after {before}"
            );
        }
        last.len()
    }
}

fn refused(verdict: &Result<Verdict, CallFault>) -> bool {
    matches!(verdict, Err(CallFault::Ledger(LedgerFault::Refused(_))))
}

#[tokio::test]
async fn an_account_goes_on_after_a_refusal() {
    after_a_refusal(&[Mishap::Lost, Mishap::Refused]).await;
}

#[tokio::test]
async fn an_account_goes_on_after_a_refusal_of_what_was_written() {
    after_a_refusal(&[Mishap::Unanswered, Mishap::Refused]).await;
}

async fn after_a_refusal(mishaps: &[Mishap]) {
    let bench = Bench::set_up().await;
    let sent = bench.held("0.10").await;
    let before = bench.ledger.tries.lock().unwrap().len();
    bench.ahead(mishaps);
    bench.settle(sent);
    let (_, verdict) = bench.reserve("0.20").await;
    assert!(refused(&verdict), "{verdict:?}");
    let shared: Vec<usize> = bench.ledger.tries.lock().unwrap()[before..]
        .iter()
        .map(|(_, _, operations)| *operations)
        .collect();
    assert_eq!(shared[..2], [2, 2], "settle and reserve were meant to share a batch");
    // The account is not locked out, and what was refused holds nothing.
    let next = bench.held("0.30").await;
    assert_eq!(bench.books().await, ("0.90".to_owned(), "0.30".to_owned()));
    bench.settle(next);
    assert_eq!(bench.books().await, ("0.60".to_owned(), "0.00".to_owned()));
    assert_eq!((bench.charges().await, bench.writers()), (2, 2));
}

#[tokio::test]
async fn clocks_that_part_during_an_outage_lock_nobody_out() {
    let bench = Bench::set_up().await;
    let sent = bench.held("0.10").await;
    bench.ahead(&[Mishap::Lost]);
    bench.gateway_clock.advance(TWO_MINUTES_MS);
    bench.settle(sent);
    let (_, verdict) = bench.reserve("0.20").await;
    assert!(refused(&verdict), "the ledger's own refusal, after the outage: {verdict:?}");
    // As long as they differ, every batch is refused, each caller gets that, and the settle waits.
    let (_, verdict) = bench.reserve("0.20").await;
    assert!(refused(&verdict), "{verdict:?}");
    assert_eq!(bench.charges().await, 0);
    let drained = tokio::time::timeout(Duration::from_secs(2), bench.batcher.drain(&bench.account));
    assert!(drained.await.is_err(), "drained, though the settle still waits");
    bench.ledger_clock.advance(TWO_MINUTES_MS);
    bench.held("0.30").await;
    assert_eq!(bench.books().await, ("0.90".to_owned(), "0.30".to_owned()));
    assert_eq!(bench.charges().await, 1);
    assert!(bench.writers() > 1);
}
