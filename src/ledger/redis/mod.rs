//! The Redis ledger: the rules are written in Lua and run inside the server, one script call per
//! batch; several gateways share it.
//!
//! A missing reply proves nothing about the batch, so batches carry a writer and a number:
//! the same number gets the same verdicts, and the batcher above may repeat it. Nothing is decided
//! while the server is unavailable.

mod block;
mod codes;
mod decode;
mod encode;
mod keys;
mod link;
mod message_id;
mod open;
mod options;
mod packed;
mod reads;
mod script;
mod stored;
mod stored_block;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redis::Value;

use super::fault::clock_skew;
use super::operation::{MAX_BATCH, MAX_CLOCK_SKEW_MS};
use super::{ALIVE_MS, Batch, ClaimKind, LedgerFault, OpenLedger, StoreIdentity, Verdict};
use crate::clock::Clock;
use crate::ids::AccountId;
use decode::Outcome;
use encode::{Call, Known};
use keys::StoreKeys;
use link::{Link, Live};
pub use options::{OpenError, RedisOptions};

/// Accounts remembered at most; one that is not is judged without the comparison.
const REMEMBERED: usize = 100_000;

/// Turns in which a name may be given up between the look at its holder and the claim.
const CLAIM_TRIES: usize = 3;

/// Returns the bytes in which a batch is sent; benchmarks measure what encoding it costs.
pub fn encode(account: &AccountId, batch: &Batch) -> Vec<u8> {
    let keys = StoreKeys::new("tg").of(account);
    let call = Call::new(keys, batch, None, Known::Present);
    call.command(&script::Callee::unnamed(), false).get_packed_command()
}

/// A ledger in a Redis server, shared by every gateway that is given its address.
pub struct RedisLedger {
    identity: StoreIdentity,
    durability: &'static str,
    clock: Clock,
    keys: StoreKeys,
    /// Batches have a connection to themselves, so that no long list delays one.
    writes: Link,
    reads: Link,
    known: Mutex<HashMap<AccountId, bool>>,
    closed: AtomicBool,
    opened_ms: i64,
}

impl RedisLedger {
    /// Connects, checks the server's version and settings, and makes the ledger's identity if
    /// there is none.
    ///
    /// # Errors
    /// If the server is unavailable, too old or unsafe (see [`RedisOptions::allow_unsafe`]), or the
    /// URL cannot be used.
    pub async fn connect(url: &str, options: RedisOptions) -> Result<RedisLedger, OpenError> {
        let opened_ms = options.clock.now_ms();
        let opened = open::open(url, &options).await?;
        let link = || Link::new(opened.client.clone(), options.deadline, opened.expected.clone());
        Ok(RedisLedger {
            identity: opened.identity,
            durability: opened.durability,
            keys: opened.keys.clone(),
            writes: link(),
            reads: link(),
            clock: options.clock,
            known: Mutex::new(HashMap::new()),
            closed: AtomicBool::new(false),
            opened_ms,
        })
    }

    /// The store's name and secret.
    pub fn identity(&self) -> &StoreIdentity {
        &self.identity
    }

    /// The durability tier that the server's settings give: what survives which fault.
    pub fn durability(&self) -> &'static str {
        self.durability
    }

    /// The ledger as its parts.
    pub fn into_open(self) -> OpenLedger {
        let (identity, durability) = (self.identity.clone(), self.durability);
        let opened_ms = self.opened_ms;
        OpenLedger::new(self, identity, durability, opened_ms)
    }

    fn open(&self) -> Result<(), LedgerFault> {
        if self.closed.load(Ordering::Acquire) {
            Err(LedgerFault::Closed("it was shut down".into()))
        } else {
            Ok(())
        }
    }

    async fn apply_batch(
        &self,
        account: &AccountId,
        batch: &Batch,
    ) -> Result<Vec<Verdict>, LedgerFault> {
        self.open()?;
        if batch.operations.len() > MAX_BATCH {
            let text = format!("{} operations, at most {MAX_BATCH}", batch.operations.len());
            return Err(LedgerFault::Refused(text.into()));
        }
        // First, so that no account is missing from the list; one whose batch then fails is left
        // out when the list is read.
        let unlisted = batch.creates_account() && !self.list_account(account).await?;
        let call =
            Call::new(self.keys.of(account), batch, self.clock.fixed_now_ms(), self.known(account));
        let needs_memory = batch.needs_memory();
        let run = async |live: Arc<Live>| {
            let connection = &mut live.connection.clone();
            if needs_memory && !unlisted {
                let answer =
                    call.command(&live.script.growing, false).query_async(connection).await;
                if !answer.as_ref().is_err_and(script::is_out_of_memory) {
                    return answer;
                }
            }
            // An earlier try may have run though its answer was lost; then a full server must
            // return what it decided.
            call.command(&live.script.always, needs_memory).query_async(connection).await
        };
        let reply: Value = self.writes.run(run).await?;
        match decode::outcome(reply, batch)? {
            Outcome::Decided { verdicts, exists } => {
                self.remember(account, exists);
                Ok(verdicts)
            }
            Outcome::Refused(fault) => Err(fault),
        }
    }

    /// Returns `false` if the server is full.
    async fn list_account(&self, account: &AccountId) -> Result<bool, LedgerFault> {
        let mut command = redis::cmd("ZADD");
        command.arg(self.keys.accounts()).arg(0).arg(account.as_str());
        match self
            .writes
            .run(async |live| command.exec_async(&mut live.connection.clone()).await)
            .await
        {
            Ok(()) => Ok(true),
            Err(LedgerFault::Refused(_)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    fn known(&self, account: &AccountId) -> Known {
        match self.known.lock().unwrap_or_else(PoisonError::into_inner).get(account) {
            None => Known::Nothing,
            Some(false) => Known::Absent,
            Some(true) => Known::Present,
        }
    }

    fn remember(&self, account: &AccountId, exists: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = known.get_mut(account) {
            *before = exists;
        } else if known.len() < REMEMBERED {
            known.insert(account.clone(), exists);
        }
    }

    async fn take_claim(
        &self,
        kind: ClaimKind,
        name: &str,
        owner: &str,
    ) -> Result<String, LedgerFault> {
        self.open()?;
        let mut command = redis::cmd("HSETNX");
        command.arg(self.keys.claims(kind)).arg(name).arg(owner);
        for _ in 0..CLAIM_TRIES {
            // Reading needs no memory: a claim that exists is found on a full server too.
            if let Some(holder) = self.read_claim(kind, name).await? {
                return Ok(holder);
            }
            // By itself, because what a full server refuses in a transaction has another name.
            let taken: bool = self
                .writes
                .run(async |live| command.query_async(&mut live.connection.clone()).await)
                .await?;
            if taken {
                return Ok(owner.to_owned());
            }
        }
        Err(LedgerFault::Unavailable("a name was taken and given up each time".into()))
    }

    async fn give_claim(
        &self,
        kind: ClaimKind,
        name: &str,
        owner: &str,
    ) -> Result<(), LedgerFault> {
        self.open()?;
        let mut command = redis::cmd("EVAL");
        command.arg(script::UNCLAIM).arg(1).arg(self.keys.claims(kind)).arg(name).arg(owner);
        self.writes.run(async |live| command.exec_async(&mut live.connection.clone()).await).await
    }

    /// Proves that a batch could be decided: a write is taken, by the right store, at a time that
    /// batches of this gateway would be taken at.
    async fn probe_store(&self) -> Result<(), LedgerFault> {
        self.open()?;
        let now_ms = Clock::system().now_ms();
        let mut command = redis::cmd("EVAL");
        command.arg(script::PROBE).arg(2).arg(self.keys.probe()).arg(self.keys.identity());
        command.arg(now_ms);
        let (identity, store_ms): (Vec<u8>, i64) = self
            .writes
            .run(async |live| command.query_async(&mut live.connection.clone()).await)
            .await?;
        self.writes.check_identity((!identity.is_empty()).then_some(identity.as_slice()))?;
        let skew_ms = store_ms.saturating_sub(now_ms);
        // A fixed clock is the store's as well.
        if self.clock.fixed_now_ms().is_none() && skew_ms.saturating_abs() > MAX_CLOCK_SKEW_MS {
            return Err(clock_skew(skew_ms));
        }
        Ok(())
    }

    async fn count_gateways(&self, gateway: &str) -> Result<u32, LedgerFault> {
        self.open()?;
        let mut command = redis::cmd("EVAL");
        command.arg(script::ALIVE).arg(1).arg(self.keys.gateways()).arg(gateway).arg(ALIVE_MS);
        self.writes.run(async |live| command.query_async(&mut live.connection.clone()).await).await
    }
}
