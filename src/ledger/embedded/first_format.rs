//! The first format of the store: rows, entries and events as JSON under text keys whose parts are
//! separated by `/`. Such a store is taken over when it is opened.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::history::{self, BLOCK};
use super::shapes;
use crate::ids::AccountId;
use crate::ledger::state::{AccountState, Content, Row};
use crate::ledger::{DocumentKind, Entry, Event};

/// Why a stored row cannot be read.
#[derive(Debug, thiserror::Error)]
enum RowError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("malformed key")]
    Key,
    #[error("unknown kind")]
    Kind,
}

const ACCOUNT: u8 = 0;
const WALLET: u8 = 1;
const CAMPAIGN: u8 = 2;
const HOLD: u8 = 3;
const SLOT: u8 = 4;
const CAP_HITS: u8 = 5;
const ALLOWANCE: u8 = 6;
const KEY: u8 = 7;
const SENT: u8 = 8;
const USAGE: u8 = 9;
const REFERENCE: u8 = 10;
const DOCUMENT: u8 = 11;
const UNHEARD: u8 = 12;
const ALIAS: u8 = 13;

/// Puts everything into the tables of `schema`, in the transaction in hand. Claims and identity
/// stay as they are.
pub(super) fn take_over(connection: &Connection, schema: &str) -> Result<(), StoreError> {
    connection.execute_batch(
        "ALTER TABLE rows RENAME TO first_rows;
         DROP INDEX IF EXISTS entries_of_wallet;
         ALTER TABLE entries RENAME TO first_entries;
         ALTER TABLE events RENAME TO first_events;",
    )?;
    connection.execute_batch(schema)?;
    take_rows(connection)?;
    take_history(connection, "first_entries", |account, entries: &[Entry]| {
        history::write_entries(connection, account, entries)
    })?;
    take_history(connection, "first_events", |account, events: &[Event]| {
        history::write_events(connection, account, events)
    })?;
    connection.execute_batch(
        "DROP TABLE first_rows; DROP TABLE first_entries; DROP TABLE first_events;",
    )?;
    Ok(())
}

fn account_of(name: &str) -> Result<AccountId, StoreError> {
    name.parse().map_err(|error| StoreError::Record(format!("account {name}: {error}")))
}

fn take_rows(connection: &Connection) -> Result<(), StoreError> {
    let mut insert = connection.prepare("INSERT INTO rows (key, value) VALUES (?1, ?2)")?;
    let mut select = connection.prepare("SELECT account, kind, key, value FROM first_rows")?;
    let mut rows = select.query([])?;
    while let Some(found) = rows.next()? {
        let (account, kind, text): (String, u8, String) =
            (found.get(0)?, found.get(1)?, found.get(2)?);
        let account = account_of(&account)?;
        let (row, content) = decode(kind, &text, &found.get::<_, String>(3)?)
            .map_err(|error| StoreError::Record(format!("{kind}/{text}: {error}")))?;
        let mut state = AccountState::default();
        state.put(row.clone(), Some(content));
        let (mut key, mut value) = (shapes::account_key(&account), Vec::new());
        shapes::put_key(&row, &mut key);
        shapes::put_content(&state, &row, &mut value);
        insert.execute(params![key, value])?;
    }
    Ok(())
}

/// Hands over the lines of a table, in order and in blocks of one account.
fn take_history<T: serde::de::DeserializeOwned>(
    connection: &Connection,
    table: &str,
    write: impl Fn(&AccountId, &[T]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let lines = format!("SELECT account, value FROM {table} ORDER BY account, sequence");
    let mut select = connection.prepare(&lines)?;
    let mut rows = select.query([])?;
    let mut block: (Option<AccountId>, Vec<T>) = (None, Vec::new());
    while let Some(found) = rows.next()? {
        let account = account_of(&found.get::<_, String>(0)?)?;
        let line = serde_json::from_str(&found.get::<_, String>(1)?)
            .map_err(|error| StoreError::Record(error.to_string()))?;
        if block.0.as_ref() != Some(&account) || block.1.len() >= BLOCK {
            flush(&mut block, &write)?;
        }
        block.0 = Some(account);
        block.1.push(line);
    }
    flush(&mut block, &write)
}

fn flush<T>(
    block: &mut (Option<AccountId>, Vec<T>),
    write: impl Fn(&AccountId, &[T]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (account, lines) = std::mem::take(block);
    account.map_or(Ok(()), |account| write(&account, &lines))
}

fn unhex<const N: usize>(text: &str) -> Result<[u8; N], RowError> {
    let mut bytes = [0u8; N];
    if text.len() != N * 2 || !text.is_ascii() {
        return Err(RowError::Key);
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte =
            u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| RowError::Key)?;
    }
    Ok(bytes)
}

fn part<T: std::str::FromStr>(text: &str) -> Result<T, RowError> {
    text.parse().map_err(|_| RowError::Key)
}

/// Reads a stored row.
fn decode(kind: u8, key: &str, value: &str) -> Result<(Row, Content), RowError> {
    let pair = || key.split_once('/').ok_or(RowError::Key);
    Ok(match kind {
        ACCOUNT => (Row::Account, Content::Account(serde_json::from_str(value)?)),
        WALLET => (Row::Wallet(part(key)?), Content::Wallet(serde_json::from_str(value)?)),
        CAMPAIGN => (Row::Campaign(part(key)?), Content::Campaign(serde_json::from_str(value)?)),
        HOLD => (Row::Hold(part(key)?), Content::Hold(serde_json::from_str(value)?)),
        SLOT => {
            let (portfolio, recipient) = pair()?;
            let row = Row::Slot(part(portfolio)?, unhex(recipient)?);
            (row, Content::Slot(serde_json::from_str(value)?))
        }
        CAP_HITS => (Row::CapHits(unhex(key)?), Content::CapHits(serde_json::from_str(value)?)),
        ALLOWANCE => (Row::Allowance(part(key)?), Content::Allowance(serde_json::from_str(value)?)),
        KEY => (Row::Key(unhex(key)?), Content::Key(serde_json::from_str(value)?)),
        UNHEARD => (Row::Unheard(unhex(key)?), Content::Unheard(serde_json::from_str(value)?)),
        SENT => {
            let (campaign, recipient) = pair()?;
            (Row::Sent(part(campaign)?, unhex(recipient)?), Content::Sent)
        }
        ALIAS => (Row::Alias(unhex(key)?), Content::Alias(serde_json::from_str(value)?)),
        USAGE => {
            let parts: Vec<&str> = key.split('/').collect();
            let [day, channel, country, category] = parts[..] else { return Err(RowError::Key) };
            let key = (part(day)?, part(channel)?, part(country)?, part(category)?);
            (Row::Usage(key), Content::Usage(serde_json::from_str(value)?))
        }
        REFERENCE => {
            let (wallet, reference) = pair()?;
            let row = Row::Reference(part(wallet)?, Arc::from(reference));
            (row, Content::Reference(serde_json::from_str(value)?))
        }
        DOCUMENT => {
            let (kind, id) = pair()?;
            let kind = DocumentKind::from_name(kind).ok_or(RowError::Kind)?;
            (Row::Document(kind, Arc::from(id)), Content::Document(Arc::from(value)))
        }
        _ => return Err(RowError::Kind),
    })
}

#[cfg(test)]
mod tests {
    use super::{HOLD, decode};
    use crate::ids::HoldId;
    use crate::ledger::state::AccountState;
    use crate::ledger::{DoubtReason, HoldState};

    #[test]
    fn holds_of_an_older_version_have_no_reason() {
        let id = HoldId::from_bytes([1; 16]);
        let mut hold = serde_json::json!({
            "state": "in_doubt", "amount": "1.00", "wallet": "main", "campaign": null,
            "channel": "106", "country": "IN", "category": "marketing",
            "recipient": [0, 0, 0, 0, 0, 0, 0, 0], "window": null, "allowance_month": null,
            "mark_s": null, "deduped": false, "key": null, "fingerprint": vec![0; 16],
            "guarding": true, "reserved_ms": 77,
        });
        let mut state = AccountState::default();
        let mut restore = |hold: &serde_json::Value| {
            let (row, content) = decode(HOLD, &id.to_string(), &hold.to_string()).unwrap();
            state.put(row, Some(content));
            state.hold_view(id).unwrap()
        };
        let view = restore(&hold);
        assert_eq!((view.state, view.doubt), (HoldState::InDoubt, None));
        hold["doubt"] = "gave_up".into();
        assert_eq!(restore(&hold).doubt, Some(DoubtReason::GaveUp));
    }
}
