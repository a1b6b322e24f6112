//! Statement entries and events: written with the group that made them, in blocks, and never
//! changed.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::compact::{Compact, Input, Malformed};
use super::error::StoreError;
use crate::ids::{AccountId, WalletId};
use crate::ledger::{ChargeDetail, Entry, Event};

/// A block holds entries of one wallet, or events of one account, and is found by the last.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entries (
        account TEXT NOT NULL, wallet TEXT NOT NULL, last INTEGER NOT NULL,
        first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, items BLOB NOT NULL,
        PRIMARY KEY (account, wallet, last));
    CREATE TABLE IF NOT EXISTS events (
        account TEXT NOT NULL, last INTEGER NOT NULL, items BLOB NOT NULL,
        PRIMARY KEY (account, last));
";

/// Entries or events in one block at most: a block fits in a page of the file.
pub(super) const BLOCK: usize = 64;

/// Appends entries of one account in the order of their numbers.
pub(super) fn write_entries(
    connection: &Connection,
    account: &AccountId,
    entries: &[Entry],
) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO entries (account, wallet, last, first_ms, last_ms, items)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut wallets: BTreeMap<&WalletId, Vec<&Entry>> = BTreeMap::new();
    entries.iter().for_each(|entry| wallets.entry(&entry.wallet).or_default().push(entry));
    for (wallet, entries) in wallets {
        for block in entries.chunks(BLOCK) {
            let ([first, ..], [.., last]) = (block, block) else { continue };
            insert.execute(params![
                account.as_str(),
                wallet.as_str(),
                whole(last.sequence),
                first.at_ms,
                last.at_ms,
                entry_block(block)
            ])?;
        }
    }
    Ok(())
}

/// Appends events of one account in the order of their numbers.
pub(super) fn write_events(
    connection: &Connection,
    account: &AccountId,
    events: &[Event],
) -> Result<(), StoreError> {
    let mut insert = connection
        .prepare_cached("INSERT INTO events (account, last, items) VALUES (?1, ?2, ?3)")?;
    for block in events.chunks(BLOCK) {
        let [.., last] = block else { continue };
        let mut items = Vec::new();
        block.iter().for_each(|event| event.put(&mut items));
        insert.execute(params![account.as_str(), whole(last.sequence), items])?;
    }
    Ok(())
}

/// Removes the events of one account before a number; one block may stay for those it ends with.
pub(super) fn drop_events(
    connection: &Connection,
    account: &AccountId,
    before: u64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM events WHERE account = ?1 AND last < ?2")?
        .execute(params![account.as_str(), whole(before)])?;
    Ok(())
}

/// A wallet's entries with `from_ms <= at_ms < to_ms` after the number `after`, at most `limit`.
pub(super) fn entries(
    connection: &Connection,
    account: &AccountId,
    wallet: &WalletId,
    (from_ms, to_ms): (i64, i64),
    after: u64,
    limit: usize,
) -> Result<Vec<Entry>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT items FROM entries WHERE account = ?1 AND wallet = ?2 AND last > ?3
           AND last_ms >= ?4 AND first_ms < ?5 ORDER BY last",
    )?;
    let mut blocks =
        select.query(params![account.as_str(), wallet.as_str(), whole(after), from_ms, to_ms])?;
    let wanted =
        |entry: &Entry| entry.sequence > after && entry.at_ms >= from_ms && entry.at_ms < to_ms;
    let mut found = Vec::new();
    while let (true, Some(block)) = (found.len() < limit, blocks.next()?) {
        let items = read_entry_block(wallet, block.get_ref(0)?.as_blob().map_err(|_| Malformed)?)?;
        found.extend(items.into_iter().filter(wanted));
    }
    found.truncate(limit);
    Ok(found)
}

/// Events after the number `after`, at most `limit`.
pub(super) fn events(
    connection: &Connection,
    account: &AccountId,
    after: u64,
    limit: usize,
) -> Result<Vec<Event>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT items FROM events WHERE account = ?1 AND last > ?2 ORDER BY last",
    )?;
    let mut blocks = select.query(params![account.as_str(), whole(after)])?;
    let mut found: Vec<Event> = Vec::new();
    while let (true, Some(block)) = (found.len() < limit, blocks.next()?) {
        let mut input = Input(block.get_ref(0)?.as_blob().map_err(|_| Malformed)?);
        while !input.0.is_empty() {
            let event = Event::take(&mut input)?;
            found.extend((event.sequence > after).then_some(event));
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// Entries of one wallet, each written as what differs from the one before.
fn entry_block(entries: &[&Entry]) -> Vec<u8> {
    let (mut out, mut sequence, mut at_ms) = (Vec::new(), 0, 0);
    let mut before: Option<&ChargeDetail> = None;
    for entry in entries {
        entry.sequence.saturating_sub(sequence).put(&mut out);
        entry.at_ms.wrapping_sub(at_ms).put(&mut out);
        (sequence, at_ms) = (entry.sequence, entry.at_ms);
        entry.kind.put(&mut out);
        entry.amount.put(&mut out);
        entry.balance_after.put(&mut out);
        entry.charge.is_some().put(&mut out);
        let Some(charge) = &entry.charge else {
            entry.reference.put(&mut out);
            entry.reason.put(&mut out);
            continue;
        };
        charge.hold.put(&mut out);
        charge.country.put(&mut out);
        charge.category.put(&mut out);
        let changed = before.is_none_or(|before| before.channel != charge.channel);
        changed.then_some(&charge.channel).cloned().put(&mut out);
        let changed = before.is_none_or(|before| before.campaign != charge.campaign);
        changed.then_some(&charge.campaign).cloned().put(&mut out);
        before = Some(charge);
    }
    out
}

fn read_entry_block(wallet: &WalletId, bytes: &[u8]) -> Result<Vec<Entry>, Malformed> {
    let mut input = Input(bytes);
    let input = &mut input;
    let (mut entries, mut sequence, mut at_ms) = (Vec::new(), 0_u64, 0_i64);
    let mut before: Option<ChargeDetail> = None;
    while !input.0.is_empty() {
        sequence = sequence.checked_add(u64::take(input)?).ok_or(Malformed)?;
        at_ms = at_ms.wrapping_add(i64::take(input)?);
        let mut entry = Entry {
            sequence,
            at_ms,
            wallet: wallet.clone(),
            kind: Compact::take(input)?,
            amount: Compact::take(input)?,
            balance_after: Compact::take(input)?,
            reference: "".into(),
            reason: "".into(),
            charge: None,
        };
        if bool::take(input)? {
            let (hold, country, category) =
                (Compact::take(input)?, Compact::take(input)?, Compact::take(input)?);
            let channel = match Compact::take(input)? {
                Some(channel) => channel,
                None => before.as_ref().ok_or(Malformed)?.channel.clone(),
            };
            let campaign = match Compact::take(input)? {
                Some::<Option<_>>(campaign) => campaign,
                None => before.as_ref().ok_or(Malformed)?.campaign.clone(),
            };
            before = Some(ChargeDetail { hold, channel, campaign, country, category });
            entry.charge = before.clone();
        } else {
            (entry.reference, entry.reason) = (Compact::take(input)?, Compact::take(input)?);
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// SQLite's integers are signed; sequence numbers and limits never come near the difference.
fn whole(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
