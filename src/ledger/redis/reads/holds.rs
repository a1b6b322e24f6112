//! Reads of unresolved holds and of messaging-limit windows.

use std::collections::HashMap;

use super::{Bytes, foreign_cursor, page};
use crate::ids::{AccountId, HoldId, PortfolioId};
use crate::ledger::redis::RedisLedger;
use crate::ledger::redis::keys::{self, AccountKeys, BlockId};
use crate::ledger::redis::{packed, stored_block};
use crate::ledger::{HoldState, HoldView, LedgerFault, Page, PageRequest};

/// Blocks of holds read in one round trip.
const BLOCKS_AT_ONCE: usize = 64;

/// How long a slot stays taken, in minutes after the minute of the last accepted send.
const SLOT_MINUTES: i64 = 1440;

impl RedisLedger {
    pub(super) async fn read_hold(
        &self,
        account: &AccountId,
        id: HoldId,
    ) -> Result<Option<HoldView>, LedgerFault> {
        let (block, _) = keys::block_of(id);
        let found = self.read_blocks(&self.keys.of(account), &[block]).await?;
        Ok(found.into_iter().find(|view| view.id == id))
    }

    /// The unresolved holds of some blocks.
    async fn read_blocks(
        &self,
        keys: &AccountKeys,
        ids: &[BlockId],
    ) -> Result<Vec<HoldView>, LedgerFault> {
        let mut pipe = redis::pipe();
        for block in ids {
            let states = [block.as_slice(), b"s"].concat();
            pipe.cmd("HMGET").arg(keys.block(block)).arg(block).arg(states);
        }
        let replies: Vec<(Option<Bytes>, Option<Bytes>)> = self.pipe(&pipe).await?;
        let mut found = Vec::new();
        for (block, reply) in ids.iter().zip(replies) {
            if let (Some(contents), Some(states)) = reply {
                found.extend(stored_block::holds(block, &contents, &states)?);
            }
        }
        Ok(found)
    }

    pub(super) async fn list_holds(
        &self,
        account: &AccountId,
        state: Option<HoldState>,
        request: &PageRequest,
    ) -> Result<Page<HoldView>, LedgerFault> {
        let after = request
            .cursor
            .as_deref()
            .map(str::parse::<HoldId>)
            .transpose()
            .map_err(|_| foreign_cursor())?;
        let (keys, wanted) = (self.keys.of(account), request.limit.saturating_add(1));
        let mut found = Vec::new();
        for kind in [HoldState::Open, HoldState::InDoubt] {
            if state.is_none_or(|state| state == kind) {
                found.extend(self.holds_after(&keys, kind, after, wanted).await?);
            }
        }
        found.sort_by_key(|view| view.id);
        // A block may have holds of both states, and one that became in doubt was seen twice.
        found.dedup_by_key(|view| view.id);
        Ok(page(found, request.limit, |view: &HoldView| view.id.to_string()))
    }

    /// The first `wanted` holds of one state after `after`, in order, or more.
    async fn holds_after(
        &self,
        keys: &AccountKeys,
        state: HoldState,
        after: Option<HoldId>,
        wanted: usize,
    ) -> Result<Vec<HoldView>, LedgerFault> {
        let index = match state {
            HoldState::Open => keys.open_index(),
            HoldState::InDoubt => keys.doubt_index(),
        };
        // The block of `after` may have more of them.
        let mut from = after
            .map_or(b"-".to_vec(), |after| [b"[".as_slice(), &keys::block_of(after).0].concat());
        let mut found = Vec::new();
        loop {
            let mut pipe = redis::pipe();
            pipe.cmd("ZRANGEBYLEX").arg(&index).arg(&from).arg("+");
            pipe.arg("LIMIT").arg(0).arg(BLOCKS_AT_ONCE);
            let (members,): (Vec<Bytes>,) = self.pipe(&pipe).await?;
            let id = |member: &Bytes| member.first_chunk().copied();
            let ids: Option<Vec<BlockId>> = members.iter().map(id).collect();
            let ids = ids.ok_or_else(|| packed::unreadable("hold"))?;
            let views =
                if ids.is_empty() { Vec::new() } else { self.read_blocks(keys, &ids).await? };
            found.extend(
                views.into_iter().filter(|view| {
                    view.state == state && after.is_none_or(|after| view.id > after)
                }),
            );
            let Some(last) = members.last().filter(|_| members.len() == BLOCKS_AT_ONCE) else {
                return Ok(found);
            };
            if found.len() >= wanted {
                return Ok(found);
            }
            from = [b"(".as_slice(), last].concat();
        }
    }

    pub(super) async fn count_in_doubt(&self, account: &AccountId) -> Result<u64, LedgerFault> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGET").arg(self.keys.of(account).account()).arg("in_doubt");
        let (count,): (Option<u64>,) = self.pipe(&pipe).await?;
        Ok(count.unwrap_or(0))
    }

    pub(super) async fn count_window(
        &self,
        account: &AccountId,
        portfolio: &PortfolioId,
    ) -> Result<u32, LedgerFault> {
        let keys = self.keys.of(account);
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL")
            .arg(keys.counts(portfolio))
            .cmd("HGET")
            .arg(keys.account())
            .arg("last")
            .cmd("TIME");
        let (counts, last, (seconds, _micros)): (HashMap<String, i64>, Option<i64>, (i64, i64)) =
            self.pipe(&pipe).await?;
        let store_ms = self.clock.fixed_now_ms().unwrap_or_else(|| seconds.saturating_mul(1000));
        let minute = store_ms.max(last.unwrap_or(0)).div_euclid(60_000);
        let over = |field: &str| {
            field.parse::<i64>().is_ok_and(|last| minute.saturating_sub(last) > SLOT_MINUTES)
        };
        let gone: i64 =
            counts.iter().filter(|(field, _)| over(field)).map(|(_, slots)| slots).sum();
        Ok(u32::try_from(counts.get("taken").map_or(0, |taken| taken.saturating_sub(gone)))
            .unwrap_or(0))
    }
}
