//! How rows look as bytes: a key, whose order keeps together what is written together, and what it
//! holds.

use std::sync::Arc;

use super::compact::{Compact, Input, Malformed, fields};
use crate::ids::AccountId;
use crate::ledger::state::{
    AccountState, Alias, Campaign, CapHit, Content, Head, Hold, KeyOutcome, KeyRecord, Pruned, Row,
    Slot, Threshold, Unheard, Wallet,
};
use crate::ledger::{ChargeDetail, DocumentKind, Entry, Event, UsageSum};

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
const EVENT_DAY: u8 = 14;

fields! {
    Head { last_ms, settings_version, entry_sequence, event_sequence; pruned }
    Pruned { usage, events, campaigns, references, first_event }
    Threshold { below, armed }
    Wallet {
        settled, held, overdraft_limit, epoch, exhausted, exhausted_since_ms, refused_price,
        thresholds,
    }
    UsageSum { messages, credits }
    Campaign {
        name, wallet, stopped, epoch, budget, dedupe_recipients, exempt_from_caps, spent, held,
        accepted, unknown, rejected, refused, usage; used_day
    }
    Hold {
        state, amount, wallet, campaign, channel, country, category, recipient, window,
        allowance_month, cap_hit_s, deduped, key, fingerprint, guarding, reserved_ms, doubt,
    }
    Slot { minute, open }
    CapHit { at_s, category }
    KeyRecord { hold, fingerprint, amount, half_day, outcome }
    Unheard { hold, amount, message_id, at_ms }
    Alias { day, others }
    Entry { sequence, at_ms, wallet, kind, amount, balance_after, reference, reason, charge }
    ChargeDetail { hold, channel, campaign, country, category }
    Event { sequence, at_ms, kind, wallet, campaign, hold, amount, available, reason }
}

impl Compact for KeyOutcome {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            KeyOutcome::Open => out.push(0),
            KeyOutcome::InDoubt => out.push(1),
            KeyOutcome::Accepted(message_id) => {
                out.push(2);
                message_id.put(out);
            }
        }
    }

    fn take(input: &mut Input<'_>) -> Result<KeyOutcome, Malformed> {
        match input.bytes(1)?[0] {
            0 => Ok(KeyOutcome::Open),
            1 => Ok(KeyOutcome::InDoubt),
            2 => Arc::take(input).map(KeyOutcome::Accepted),
            _ => Err(Malformed),
        }
    }
}

/// Days in the order of their bytes.
fn put_day(day: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(&(day ^ i32::MIN).to_be_bytes());
}

fn take_day(input: &mut Input<'_>) -> Result<i32, Malformed> {
    Ok(i32::from_be_bytes(Compact::take(input)?) ^ i32::MIN)
}

/// What the keys of an account's rows begin with.
pub(super) fn account_key(account: &AccountId) -> Vec<u8> {
    let mut key = account.as_str().as_bytes().to_vec();
    key.push(0);
    key
}

/// Writes a row's key: its kind, then what distinguishes it from others of the kind. Names that are
/// not the last part end with a zero byte, which none contains.
pub(super) fn put_key(row: &Row, out: &mut Vec<u8>) {
    let name = |kind: u8, name: &str, out: &mut Vec<u8>| {
        out.push(kind);
        out.extend_from_slice(name.as_bytes());
    };
    match row {
        Row::Account => out.push(ACCOUNT),
        Row::Wallet(id) => name(WALLET, id.as_str(), out),
        Row::Campaign(id) => name(CAMPAIGN, id.as_str(), out),
        Row::Hold(id) => {
            out.push(HOLD);
            id.put(out);
        }
        Row::Slot(portfolio, recipient) => {
            name(SLOT, portfolio.as_str(), out);
            out.push(0);
            recipient.put(out);
        }
        Row::CapHits(recipient) => {
            out.push(CAP_HITS);
            recipient.put(out);
        }
        Row::Allowance(channel) => name(ALLOWANCE, channel.as_str(), out),
        Row::Key(key) => {
            out.push(KEY);
            key.put(out);
        }
        Row::Unheard(body) => {
            out.push(UNHEARD);
            body.put(out);
        }
        Row::Sent(campaign, recipient) => {
            name(SENT, campaign.as_str(), out);
            out.push(0);
            recipient.put(out);
        }
        Row::Alias(recipient) => {
            out.push(ALIAS);
            recipient.put(out);
        }
        Row::Usage((day, channel, country, category)) => {
            out.push(USAGE);
            put_day(*day, out);
            country.put(out);
            category.put(out);
            out.extend_from_slice(channel.as_str().as_bytes());
        }
        Row::EventDay(day) => {
            out.push(EVENT_DAY);
            day.put(out);
        }
        Row::Reference(wallet, reference) => {
            name(REFERENCE, wallet.as_str(), out);
            out.push(0);
            out.extend_from_slice(reference.as_bytes());
        }
        Row::Document(kind, id) => {
            name(DOCUMENT, kind.as_str(), out);
            out.push(0);
            out.extend_from_slice(id.as_bytes());
        }
    }
}

/// Writes what a row holds; returns whether there is such a row.
pub(super) fn put_content(state: &AccountState, row: &Row, out: &mut Vec<u8>) -> bool {
    fn put<T: Compact>(found: Option<&T>, out: &mut Vec<u8>) -> bool {
        found.map(|found| found.put(out)).is_some()
    }
    match row {
        Row::Account => put(Some(&state.head), out),
        Row::Wallet(id) => put(state.wallets.get(id), out),
        Row::Campaign(id) => put(state.campaigns.get(id), out),
        Row::Hold(id) => put(state.holds.get(id), out),
        Row::Slot(portfolio, recipient) => put(state.slot(portfolio, recipient).as_ref(), out),
        Row::CapHits(recipient) => put(state.cap_hits.get(recipient), out),
        Row::Allowance(channel) => put(state.allowances.get(channel), out),
        Row::Key(key) => put(state.keys.get(key), out),
        Row::Unheard(body) => put(state.unheard.get(body), out),
        Row::Sent(campaign, recipient) => state.has_sent(campaign, recipient),
        Row::Alias(recipient) => put(state.aliases.get(recipient), out),
        Row::Usage(key) => put(state.usage.get(key), out),
        Row::EventDay(day) => put(state.event_days.get(day), out),
        Row::Reference(wallet, reference) => {
            put(state.references.get(&(wallet.clone(), reference.clone())), out)
        }
        Row::Document(kind, id) => put(state.documents.get(&(*kind, id.clone())), out),
    }
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T, Malformed> {
    text.parse().map_err(|_| Malformed)
}

/// Reads a row's key.
pub(super) fn row(key: &[u8]) -> Result<Row, Malformed> {
    let mut input = Input(key);
    let input = &mut input;
    Ok(match input.bytes(1)?[0] {
        ACCOUNT => Row::Account,
        WALLET => Row::Wallet(id(input.rest_as_text()?)?),
        CAMPAIGN => Row::Campaign(id(input.rest_as_text()?)?),
        HOLD => Row::Hold(Compact::take(input)?),
        SLOT => Row::Slot(id(input.text_until_zero()?)?, Compact::take(input)?),
        CAP_HITS => Row::CapHits(Compact::take(input)?),
        ALLOWANCE => Row::Allowance(id(input.rest_as_text()?)?),
        KEY => Row::Key(Compact::take(input)?),
        UNHEARD => Row::Unheard(Compact::take(input)?),
        SENT => Row::Sent(id(input.text_until_zero()?)?, Compact::take(input)?),
        ALIAS => Row::Alias(Compact::take(input)?),
        USAGE => {
            let (day, country, category) =
                (take_day(input)?, Compact::take(input)?, Compact::take(input)?);
            Row::Usage((day, id(input.rest_as_text()?)?, country, category))
        }
        EVENT_DAY => Row::EventDay(Compact::take(input)?),
        REFERENCE => Row::Reference(id(input.text_until_zero()?)?, input.rest_as_text()?.into()),
        DOCUMENT => {
            let kind = DocumentKind::from_name(input.text_until_zero()?).ok_or(Malformed)?;
            Row::Document(kind, input.rest_as_text()?.into())
        }
        _ => return Err(Malformed),
    })
}

/// Reads what a row holds.
pub(super) fn content(row: &Row, bytes: &[u8]) -> Result<Content, Malformed> {
    let mut input = Input(bytes);
    let input = &mut input;
    Ok(match row {
        Row::Account => Content::Account(Compact::take(input)?),
        Row::Wallet(_) => Content::Wallet(Compact::take(input)?),
        Row::Campaign(_) => Content::Campaign(Box::new(Compact::take(input)?)),
        Row::Hold(_) => Content::Hold(Box::new(Compact::take(input)?)),
        Row::Slot(..) => Content::Slot(Compact::take(input)?),
        Row::CapHits(_) => Content::CapHits(Compact::take(input)?),
        Row::Allowance(_) => Content::Allowance(Compact::take(input)?),
        Row::Key(_) => Content::Key(Box::new(Compact::take(input)?)),
        Row::Unheard(_) => Content::Unheard(Compact::take(input)?),
        Row::Sent(..) => Content::Sent,
        Row::Alias(_) => Content::Alias(Compact::take(input)?),
        Row::Usage(_) => Content::Usage(Compact::take(input)?),
        Row::EventDay(_) => Content::EventDay(Compact::take(input)?),
        Row::Reference(..) => Content::Reference(Box::new(Compact::take(input)?)),
        Row::Document(..) => Content::Document(Compact::take(input)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::compact::{Compact, Input};
    use super::{Campaign, Head, Pruned};

    #[test]
    fn what_an_earlier_version_wrote_lacks_the_last_fields() {
        let mut bytes = Vec::new();
        (5_i64, 2_u64).put(&mut bytes);
        (7_u64, 9_u64).put(&mut bytes);
        let head = Head::take(&mut Input(&bytes)).unwrap();
        assert_eq!((head.last_ms, head.event_sequence), (5, 9));
        assert_eq!(head.pruned, Pruned::default());
        let campaign = Campaign { used_day: 20_000, ..Campaign::new("Lights".to_owned()) };
        let mut bytes = Vec::new();
        campaign.put(&mut bytes);
        assert_eq!(Campaign::take(&mut Input(&bytes)).unwrap(), campaign);
        let mut day = Vec::new();
        campaign.used_day.put(&mut day);
        bytes.truncate(bytes.len() - day.len());
        let read = Campaign::take(&mut Input(&bytes)).unwrap();
        assert_eq!(read, Campaign { used_day: 0, ..campaign });
    }
}
