//! Looks at many accounts at once: one command for each, which writes nothing.

use redis::RedisResult;

use super::Bytes;
use crate::ids::AccountId;
use crate::ledger::redis::{RedisLedger, packed};
use crate::ledger::{Attention, Attentions, LedgerFault, OldestHolds};

/// Fields of an account, in the order of [`Head`].
const FIELDS: [&str; 5] = ["last", "entries", "events", "in_doubt", "swept"];

type Head = (Option<i64>, Option<u64>, Option<u64>, Option<u64>, Option<i64>);

impl RedisLedger {
    pub(super) async fn read_attention(
        &self,
        accounts: &[AccountId],
    ) -> Result<Attentions, LedgerFault> {
        let mut pipe = redis::pipe();
        // An account that cannot be read hides no other.
        pipe.ignore_errors().cmd("TIME");
        for account in accounts {
            pipe.cmd("HMGET").arg(self.keys.of(account).account()).arg(&FIELDS);
        }
        let mut replies = self.pipe::<Vec<RedisResult<redis::Value>>>(&pipe).await?.into_iter();
        let unreadable = || packed::unreadable("account");
        let time = replies.next().ok_or_else(unreadable)?.map_err(|error| refused(&error))?;
        let (seconds, micros): (i64, i64) =
            redis::from_redis_value(time).map_err(|_| unreadable())?;
        let store_ms = seconds.saturating_mul(1000).saturating_add(micros.div_euclid(1000));
        let now_ms = self.clock.fixed_now_ms().unwrap_or(store_ms);
        let attention = |reply: RedisResult<redis::Value>| {
            let reply = reply.map_err(|error| refused(&error))?;
            let head: Head = redis::from_redis_value(reply).map_err(|_| unreadable())?;
            let (last_ms, entries, events, in_doubt, swept_ms) = head;
            Ok(last_ms.map(|last_ms| Attention {
                last_ms,
                entries: entries.unwrap_or(0),
                events: events.unwrap_or(0),
                in_doubt: in_doubt.unwrap_or(0),
                swept_ms,
            }))
        };
        Ok(Attentions { now_ms, accounts: replies.map(attention).collect() })
    }

    pub(super) async fn read_oldest_holds(
        &self,
        account: &AccountId,
    ) -> Result<OldestHolds, LedgerFault> {
        let keys = self.keys.of(account);
        let mut pipe = redis::pipe();
        for index in [keys.open_index(), keys.doubt_index()] {
            pipe.cmd("ZRANGE").arg(index).arg(0).arg(OldestHolds::LOOKED_AT.saturating_sub(1));
        }
        let (open, in_doubt): (Vec<Bytes>, Vec<Bytes>) = self.pipe(&pipe).await?;
        Ok(OldestHolds { open_ms: oldest(&open)?, in_doubt_ms: oldest(&in_doubt)? })
    }
}

/// The least of the times that the members of an index end with.
fn oldest(members: &[Bytes]) -> Result<Option<i64>, LedgerFault> {
    let reserved_ms = |member: &Bytes| {
        let time = member.last_chunk::<6>().ok_or_else(|| packed::unreadable("hold"))?;
        Ok(time.iter().fold(0i64, |ms, byte| (ms << 8) | i64::from(*byte)))
    };
    let times = members.iter().map(reserved_ms).collect::<Result<Vec<i64>, LedgerFault>>()?;
    Ok(times.into_iter().min())
}

fn refused(error: &redis::RedisError) -> LedgerFault {
    LedgerFault::Refused(format!("the account could not be read: {error}").into())
}
