//! Reads of the two streams: statement entries and events.

use super::{Bytes, foreign_cursor, page};
use crate::ids::{AccountId, WalletId};
use crate::ledger::redis::RedisLedger;
use crate::ledger::redis::{packed, stored};
use crate::ledger::{Entry, Event, LedgerFault, Page, PageRequest};

/// Journal records read in one round trip, and round trips in one page: a page may be short, but it
/// always gets further.
const RECORDS_AT_ONCE: usize = 200;
const ROUNDS: usize = 20;

impl RedisLedger {
    /// A cursor is the position of the last entry in the journal: its record's time, and its
    /// sequence.
    pub(super) async fn list_entries(
        &self,
        account: &AccountId,
        wallet: &WalletId,
        range: (i64, i64),
        request: &PageRequest,
    ) -> Result<Page<Entry>, LedgerFault> {
        let position = |text: &str| {
            let (at, sequence) = text.split_once('-')?;
            Some((at.parse::<i64>().ok()?, sequence.parse::<u64>().ok()?))
        };
        let cursor = request
            .cursor
            .as_deref()
            .map(|text| position(text).ok_or_else(foreign_cursor))
            .transpose()?;
        let mut from = match cursor {
            Some((at, sequence)) if at >= range.0 => format!("{at}-{sequence}"),
            _ => format!("{}-0", range.0.max(0)),
        };
        let after = cursor.map_or(0, |(_, sequence)| sequence);
        let to = range.1.saturating_sub(1);
        if to < 0 || to < range.0 {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let mut found: Vec<Entry> = Vec::new();
        let mut reached = None;
        for _ in 0..ROUNDS {
            let mut pipe = redis::pipe();
            pipe.cmd("XRANGE")
                .arg(self.keys.of(account).journal())
                .arg(&from)
                .arg(to)
                .arg("COUNT")
                .arg(RECORDS_AT_ONCE);
            let (records,): (Vec<(String, Vec<Bytes>)>,) = self.pipe(&pipe).await?;
            for (id, fields) in &records {
                let (at_ms, last) =
                    position(id).ok_or_else(|| packed::unreadable("statement entry"))?;
                let packed = fields.get(1).ok_or_else(|| packed::unreadable("statement entry"))?;
                let entries = stored::entries(last, at_ms, packed)?;
                let wanted = |entry: &Entry| entry.wallet == *wallet && entry.sequence > after;
                found.extend(entries.into_iter().filter(wanted));
                reached = Some((at_ms, last));
            }
            if records.len() < RECORDS_AT_ONCE {
                reached = None;
                break;
            }
            if found.len() > request.limit {
                break;
            }
            if let Some((at, last)) = reached {
                from = format!("({at}-{last}");
            }
        }
        let mut page = page(found, request.limit, |entry: &Entry| {
            format!("{}-{}", entry.at_ms, entry.sequence)
        });
        page.next = page.next.or(reached.map(|(at, last)| format!("{at}-{last}")));
        Ok(page)
    }

    pub(super) async fn list_events(
        &self,
        account: &AccountId,
        request: &PageRequest,
    ) -> Result<Page<Event>, LedgerFault> {
        let after: u64 = request
            .cursor
            .as_deref()
            .map_or(Ok(0), |text| text.parse().map_err(|_| foreign_cursor()))?;
        let mut pipe = redis::pipe();
        let from = format!("{}-0", after.saturating_add(1));
        pipe.cmd("XRANGE")
            .arg(self.keys.of(account).events())
            .arg(from)
            .arg("+")
            .arg("COUNT")
            .arg(request.limit.saturating_add(1));
        let (records,): (Vec<(String, Vec<Bytes>)>,) = self.pipe(&pipe).await?;
        let event = |(id, fields): &(String, Vec<Bytes>)| {
            let sequence = id.split_once('-').and_then(|(sequence, _)| sequence.parse().ok());
            let packed = fields.get(1);
            let (sequence, packed) =
                sequence.zip(packed).ok_or_else(|| packed::unreadable("event"))?;
            stored::event(sequence, packed)
        };
        let events = records.iter().map(event).collect::<Result<_, _>>()?;
        Ok(page(events, request.limit, |event: &Event| event.sequence.to_string()))
    }
}
