//! What a ledger case runs on: an empty ledger, one account, and a clock that moves only if the
//! case moves it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tollgate::clock::Clock;
use tollgate::ids::AccountId;
use tollgate::ledger::embedded::EmbeddedLedger;
use tollgate::ledger::redis::{RedisLedger, RedisOptions};
use tollgate::ledger::{
    Batch, DocumentKind, LedgerFault, OpenLedger, Operation, Page, PageRequest, Verdict,
};

use super::ledgers::{Backend, OnLedger};
use super::printed::{self, Watch};
use super::redis_server::{self, RedisServer};
use super::time::CASE_START_MS;

/// Bytes of an embedded ledger's journal that make a generation: so few that they are brought into
/// the table while a case runs.
const GENERATION: usize = 6 << 10;

/// Keeps what a ledger must find again when it is opened once more.
enum Home {
    Directory(TempDir),
    /// A key prefix of its own, in the server that all tests share or in one of its own.
    Prefix(String, Option<RedisServer>),
}

impl Home {
    fn new(backend: Backend) -> Home {
        match backend {
            Backend::Embedded => Home::Directory(tempfile::tempdir().unwrap()),
            Backend::Redis => Home::Prefix(format!("test{}", fresh_writer()), None),
        }
    }

    async fn open(&self, clock: &Clock) -> OpenLedger {
        match self {
            Home::Directory(directory) => {
                EmbeddedLedger::open_sized(directory.path(), clock.clone(), GENERATION)
                    .unwrap()
                    .into_open()
            }
            Home::Prefix(prefix, server) => {
                // Other tests keep the machine busy; what happens at the real deadline is another
                // test's subject.
                let deadline = Duration::from_secs(20);
                let options = RedisOptions {
                    deadline,
                    key_prefix: prefix.clone(),
                    clock: clock.clone(),
                    ..RedisOptions::default()
                };
                RedisLedger::connect(&server_of(server).url(), options).await.unwrap().into_open()
            }
        }
    }
}

/// A ledger under test and what a gateway in front of it would know.
pub struct LedgerCase {
    pub ledger: OpenLedger,
    pub clock: Clock,
    pub account: AccountId,
    /// The settings version sends carry: the last one a verdict named.
    pub settings_version: u64,
    writer: u64,
    number: u64,
    home: Home,
    _watch: Watch,
}

impl OnLedger for LedgerCase {
    async fn on_ledger(backend: Backend) -> LedgerCase {
        LedgerCase::new(backend).await
    }
}

impl LedgerCase {
    /// An empty ledger with the account `acme` in it.
    pub async fn new(backend: Backend) -> LedgerCase {
        let mut case = LedgerCase::without_account(backend).await;
        case.found().await;
        case
    }

    /// Makes the account.
    async fn found(&mut self) {
        let founding = Operation::PutDocument {
            kind: DocumentKind::Account,
            id: "account".into(),
            body: r#"{"currency":"USD"}"#.into(),
            only_if_absent: true,
            replaces: None,
        };
        assert_eq!(
            self.apply(vec![founding]).await.unwrap(),
            [Verdict::Document { changed: true, settings_version: 1 }]
        );
    }

    /// An empty ledger.
    pub async fn without_account(backend: Backend) -> LedgerCase {
        LedgerCase::at(Home::new(backend), Clock::fixed(CASE_START_MS)).await
    }

    /// The account `acme` in a ledger that nobody else uses, in a server of its own.
    pub async fn alone(backend: Backend) -> LedgerCase {
        let home = match Home::new(backend) {
            Home::Prefix(prefix, _) => Home::Prefix(prefix, Some(RedisServer::start())),
            home => home,
        };
        let mut case = LedgerCase::at(home, Clock::fixed(CASE_START_MS)).await;
        case.found().await;
        case
    }

    /// The embedded ledger whose files are in the directory.
    pub async fn in_directory(directory: TempDir) -> LedgerCase {
        LedgerCase::at(Home::Directory(directory), Clock::fixed(CASE_START_MS)).await
    }

    async fn at(home: Home, clock: Clock) -> LedgerCase {
        printed::watch_this_process();
        let ledger = home.open(&clock).await;
        LedgerCase {
            ledger,
            clock,
            account: "acme".parse().unwrap(),
            settings_version: 0,
            writer: fresh_writer(),
            number: 0,
            home,
            _watch: Watch,
        }
    }

    /// Puts the operations to the ledger as one batch, under the next number.
    pub async fn apply(&mut self, operations: Vec<Operation>) -> Result<Vec<Verdict>, LedgerFault> {
        let batch = self.batch(operations);
        let verdicts = self
            .ledger
            .ledger
            .apply(&self.account, &batch)
            .await
            .inspect_err(|_| self.number -= 1)?;
        for verdict in &verdicts {
            if let Verdict::Document { settings_version, .. } = verdict {
                self.settings_version = *settings_version;
            }
        }
        Ok(verdicts)
    }

    /// The next batch of this case's writer, at the case's time.
    pub fn batch(&mut self, operations: Vec<Operation>) -> Batch {
        self.number += 1;
        Batch {
            writer: self.writer,
            number: self.number,
            clock_ms: self.clock.now_ms(),
            operations,
        }
    }

    /// For a batch that was refused whole.
    pub fn give_number_back(&mut self) {
        self.number -= 1;
    }

    /// Turns to another account, as a new writer.
    pub fn turn_to(&mut self, account: &str) {
        self.account = account.parse().unwrap();
        (self.writer, self.number) = (fresh_writer(), 0);
    }

    /// Closes the ledger and opens it again, as a restarted gateway does: a new writer.
    pub async fn reopen(&mut self) {
        self.ledger.ledger.close().await.unwrap();
        self.reopen_after_close().await;
    }

    /// Goes on with a copy of the files as they are now: what a machine that stopped at this moment
    /// has kept.
    pub async fn crash(&mut self) {
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(self.directory()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        self.home = Home::Directory(copy);
        self.reopen_after_close().await;
    }

    /// Opens the ledger again that a case has closed.
    pub async fn reopen_after_close(&mut self) {
        self.ledger = self.home.open(&self.clock).await;
        (self.writer, self.number) = (fresh_writer(), 0);
    }

    /// Whether a ledger that is opened again puts open holds in doubt: nobody else can be about to
    /// settle them.
    pub fn doubts_open_holds_on_opening(&self) -> bool {
        matches!(self.home, Home::Directory(_))
    }

    /// How many fields one of the account's hashes has in Redis.
    pub fn fields_in_redis(&self, name: &str) -> usize {
        let (prefix, server) = self.redis();
        let length = server.command(&format!("HLEN {prefix}{name}"));
        length.trim_start_matches(':').parse().unwrap()
    }

    /// What the account's keys in Redis begin with, and the server that has them.
    pub fn redis(&self) -> (String, &RedisServer) {
        let Home::Prefix(prefix, server) = &self.home else {
            panic!("an embedded ledger has no server")
        };
        (format!("{prefix}:{{{}}}:", self.account), server_of(server))
    }

    /// The directory of an embedded ledger.
    pub fn directory(&self) -> &std::path::Path {
        let Home::Directory(directory) = &self.home else {
            panic!("only an embedded ledger has a directory")
        };
        directory.path()
    }
}

fn server_of(own: &Option<RedisServer>) -> &RedisServer {
    own.as_ref().unwrap_or_else(|| redis_server::shared())
}

fn fresh_writer() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// Reads a list to its end in pages of `limit`; fails if a page is longer or a cursor leads in a
/// circle.
pub async fn all<T>(limit: usize, mut page_at: impl AsyncFnMut(PageRequest) -> Page<T>) -> Vec<T> {
    let (mut items, mut cursor) = (Vec::new(), None);
    for _ in 0..100_000 {
        let page = page_at(PageRequest { cursor, limit }).await;
        assert!(
            page.items.len() <= limit,
            "a page of {} where {limit} were asked for",
            page.items.len()
        );
        items.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return items;
        }
    }
    panic!("the list has no end");
}
