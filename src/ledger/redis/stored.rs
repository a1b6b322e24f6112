//! The contents of the store, read back: what state.lua, money.lua and blocks.lua pack, as views,
//! entries and events.

use std::collections::HashMap;
use std::sync::Arc;

use super::codes::{entry as entry_code, field};
use super::packed::{Packed, Parts, country_and_category, unreadable};
use crate::amount::Amount;
use crate::ids::{CampaignId, HoldId, WalletId};
use crate::ledger::entry::ChargeDetail;
use crate::ledger::view::UsageSum;
use crate::ledger::{
    CampaignState, CampaignView, Entry, EntryKind, Event, EventKind, LedgerFault, RefusalCode,
    StopReason, UsageRow, WalletView,
};
use crate::pricing::{Category, Country};

/// Fields of a hash; values may be bytes.
pub(super) type Fields = HashMap<String, Vec<u8>>;

fn stop_reason(name: &str) -> Option<StopReason> {
    StopReason::ALL.into_iter().find(|reason| reason.as_str() == name)
}

fn entry_kind(name: &str) -> Option<EntryKind> {
    EntryKind::ALL.into_iter().find(|kind| kind.as_str() == name)
}

/// Of a wallet, what its campaigns' states hang on.
#[derive(Clone, Copy)]
pub(super) struct Exhaustion {
    pub(super) epoch: u64,
    pub(super) since_ms: i64,
}

/// Messages and credits.
fn usage_sum(packed: &[u8], what: &'static str) -> Result<UsageSum, LedgerFault> {
    let mut packed = Packed::new(packed, what);
    Ok(UsageSum { messages: packed.count()?, credits: packed.amount()? })
}

/// A wallet's record.
pub(super) fn wallet(id: WalletId, packed: &[u8]) -> Result<(WalletView, Exhaustion), LedgerFault> {
    let mut packed = Packed::new(packed, "wallet");
    let (settled, held, overdraft_limit) = (packed.amount()?, packed.amount()?, packed.amount()?);
    let (epoch, since_ms, _refused) = (packed.count()?, packed.number()?, packed.amount()?);
    let exhausted = packed.flag()?;
    let thresholds = std::str::from_utf8(packed.rest).map_err(|_| packed.fault())?;
    let below = |threshold: &str| {
        let (below, _armed) = threshold.split_once(':')?;
        Some(Amount::saturating_from_micros(below.parse().ok()?))
    };
    let low_balance_thresholds = thresholds
        .split(',')
        .filter(|text| !text.is_empty())
        .map(below)
        .collect::<Option<_>>()
        .ok_or_else(|| packed.fault())?;
    let available =
        Amount::saturating_from_micros(settled.micros() + overdraft_limit.micros() - held.micros());
    let view = WalletView {
        id,
        settled,
        held,
        overdraft_limit,
        available,
        exhausted,
        low_balance_thresholds,
    };
    Ok((view, Exhaustion { epoch, since_ms }))
}

/// A campaign's hash; `exhaustion` returns that of its wallet.
pub(super) fn campaign(
    id: CampaignId,
    fields: &Fields,
    exhaustion: impl FnOnce(&WalletId) -> Option<Exhaustion>,
) -> Result<CampaignView, LedgerFault> {
    let fault = || unreadable("campaign");
    let mut packed = Packed::new(fields.get(field::CAMPAIGN).ok_or_else(fault)?, "campaign");
    let (since_ms, epoch, budget) = (packed.number()?, packed.count()?, packed.amount()?);
    let (spent, held) = (packed.amount()?, packed.amount()?);
    let (accepted, unknown) = (packed.count()?, packed.count()?);
    let budget = packed.flag()?.then_some(budget);
    let (dedupe_recipients, exempt_from_caps) = (packed.flag()?, packed.flag()?);
    let wallet: Option<WalletId> = packed.name()?;
    let reason = std::str::from_utf8(packed.rest).map_err(|_| fault())?;
    let state = match stop_reason(reason) {
        Some(StopReason::Finished) => CampaignState::Finished { since_ms },
        Some(reason) => CampaignState::Stopped { reason, since_ms },
        None => match wallet.as_ref().and_then(exhaustion) {
            Some(wallet) if wallet.epoch != epoch => CampaignState::Stopped {
                reason: StopReason::CreditsExhausted,
                since_ms: wallet.since_ms,
            },
            _ => CampaignState::Active,
        },
    };
    let name = fields
        .get(field::NAME)
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .unwrap_or_default();
    let mut view = CampaignView {
        id,
        name,
        wallet,
        state,
        budget,
        dedupe_recipients,
        exempt_from_caps,
        spent,
        held,
        accepted,
        unknown,
        rejected: Default::default(),
        refused: Default::default(),
        usage: Default::default(),
    };
    for (name, value) in fields {
        if name == field::CAMPAIGN || name == field::NAME {
            continue;
        }
        let Some(counter) = Counter::named(name) else { continue };
        counter.set(&mut view, value).ok_or_else(fault)?;
    }
    Ok(view)
}

/// What a field of a campaign counts.
enum Counter<'a> {
    Rejected(&'a str),
    Refused(RefusalCode),
    Usage(Country, Category),
}

impl<'a> Counter<'a> {
    /// `None` for a field of a later version.
    fn named(name: &'a str) -> Option<Counter<'a>> {
        let (counter, what) = name.split_at_checked(field::REJECTED.len())?;
        match counter {
            field::REJECTED => Some(Counter::Rejected(what)),
            field::REFUSED => what.parse().ok().map(Counter::Refused),
            field::USAGE => {
                country_and_category(what).map(|(country, sort)| Counter::Usage(country, sort))
            }
            _ => None,
        }
    }

    /// `None` if the value is nothing that can be counted.
    fn set(self, view: &mut CampaignView, value: &[u8]) -> Option<()> {
        let count = || std::str::from_utf8(value).ok()?.parse::<u64>().ok();
        match self {
            Counter::Rejected(rejection) => {
                view.rejected.insert(rejection.to_owned(), count()?);
            }
            Counter::Refused(code) => {
                view.refused.insert(code, count()?);
            }
            Counter::Usage(country, category) => {
                let sum = usage_sum(value, "campaign").ok()?;
                view.usage.insert((country, category), sum);
            }
        }
        Some(())
    }
}

/// The statement entries of one journal record, the last of which has the number `last`.
pub(super) fn entries(last: u64, at_ms: i64, packed: &[u8]) -> Result<Vec<Entry>, LedgerFault> {
    let mut rest = Packed::new(packed, "statement entry");
    let mut found = Vec::new();
    while !rest.rest.is_empty() {
        let size = rest.short()?;
        let mut packed = Packed::new(rest.take(size)?, "statement entry");
        match i64::from(packed.byte()?) {
            entry_code::CHARGES => charges(at_ms, packed, &mut found)?,
            entry_code::POST => found.push(entry(at_ms, &packed)?),
            _ => return Err(packed.fault()),
        }
    }
    let first = (last + 1).saturating_sub(u64::try_from(found.len()).unwrap_or(u64::MAX));
    for (sequence, entry) in (first..).zip(&mut found) {
        entry.sequence = sequence;
    }
    Ok(found)
}

/// One statement entry; its number is not part of it.
fn entry(at_ms: i64, packed: &Packed<'_>) -> Result<Entry, LedgerFault> {
    let mut parts = Parts::new(packed.rest, "statement entry");
    let (wallet, kind) =
        (parts.parsed()?, entry_kind(parts.text()?).ok_or_else(|| unreadable("statement entry"))?);
    let (amount, balance_after) = (parts.amount()?, parts.amount()?);
    let length: usize = parts.parsed()?;
    let texts = std::str::from_utf8(parts.rest).map_err(|_| parts.fault())?;
    let (reference, reason) = texts.split_at_checked(length).ok_or_else(|| parts.fault())?;
    Ok(Entry {
        sequence: 0,
        at_ms,
        wallet,
        kind,
        amount,
        balance_after,
        reference: Arc::from(reference),
        reason: Arc::from(reason),
        charge: None,
    })
}

/// Charges of one wallet, campaign and block that follow each other: what they share, with the
/// balance before the first, then of each its position in the block, amount and usage row.
fn charges(at_ms: i64, mut packed: Packed<'_>, found: &mut Vec<Entry>) -> Result<(), LedgerFault> {
    let mut balance = packed.amount()?;
    let block: [u8; 15] = packed.array()?;
    let size = usize::from(packed.byte()?);
    let mut names = Parts::new(packed.take(size)?, "statement entry");
    let (wallet, campaign): (WalletId, _) = (names.parsed()?, names.optional()?);
    while !packed.rest.is_empty() {
        let mut hold = [0; 16];
        hold[..15].copy_from_slice(&block);
        hold[15] = packed.byte()?;
        let size = usize::from(packed.byte()?);
        let amount = packed.amount()?.micros();
        balance = Amount::saturating_from_micros(balance.micros().saturating_sub(amount));
        let mut row = Parts::new(packed.take(size)?, "statement entry");
        let channel = row.parsed()?;
        let (country, category) = row.country_and_category()?;
        let hold = HoldId::from_bytes(hold);
        found.push(Entry {
            sequence: 0,
            at_ms,
            wallet: wallet.clone(),
            kind: EntryKind::Charge,
            amount: Amount::saturating_from_micros(amount.saturating_neg()),
            balance_after: balance,
            reference: Arc::from(""),
            reason: Arc::from(""),
            charge: Some(ChargeDetail {
                hold,
                channel,
                campaign: campaign.clone(),
                country,
                category,
            }),
        });
    }
    Ok(())
}

/// The kind of an entry, by its contract name.
pub(super) fn kind_of_entry(name: &str) -> Result<EntryKind, LedgerFault> {
    entry_kind(name).ok_or_else(|| unreadable("statement entry"))
}

/// The reason of a stop, by its contract name.
pub(super) fn reason_of_stop(name: &str) -> Result<StopReason, LedgerFault> {
    stop_reason(name).ok_or_else(|| unreadable("campaign"))
}

/// One event.
pub(super) fn event(sequence: u64, packed: &[u8]) -> Result<Event, LedgerFault> {
    let mut parts = Parts::new(packed, "event");
    let (at_ms, kind) = (parts.parsed()?, parts.text()?);
    let kind = EventKind::ALL
        .into_iter()
        .find(|known| known.as_str() == kind)
        .ok_or_else(|| unreadable("event"))?;
    let (wallet, campaign) = (parts.optional()?, parts.optional()?);
    let (amount, available) = (parts.optional_amount()?, parts.optional_amount()?);
    let reason = parts.text()?;
    let reason = if reason.is_empty() { None } else { Some(reason_of_stop(reason)?) };
    let hold = if parts.rest.is_empty() { None } else { Some(parts.hold_id()?) };
    Ok(Event { sequence, at_ms, kind, wallet, campaign, hold, amount, available, reason })
}

/// A usage row, `day|channel|country and category`, if it falls in the days asked for; none for
/// what makes a table of its hash.
pub(super) fn usage_row(
    name: &str,
    packed: &[u8],
    days: (i32, i32),
) -> Result<Option<UsageRow>, LedgerFault> {
    if name == field::TABLE {
        return Ok(None);
    }
    let mut parts = Parts::new(name.as_bytes(), "usage row");
    let day: i32 = parts.parsed()?;
    if day < days.0 || day > days.1 {
        return Ok(None);
    }
    let (channel, (country, category)) = (parts.parsed()?, parts.country_and_category()?);
    let sum = usage_sum(packed, "usage row")?;
    Ok(Some(UsageRow { day, channel, country, category, sum }))
}

#[cfg(test)]
mod tests {
    use super::{Fields, campaign, entries, entry_code, event, field, usage_row, wallet};
    use crate::ids::HoldId;
    use crate::ledger::{EntryKind, EventKind};

    fn numbers(values: &[i64]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_be_bytes()).collect()
    }

    fn post(text: &str) -> Vec<u8> {
        let length = u16::try_from(text.len() + 1).unwrap().to_be_bytes();
        let kind = u8::try_from(entry_code::POST).unwrap();
        [length.as_slice(), &[kind], text.as_bytes()].concat()
    }

    #[test]
    fn fields_of_a_later_version_are_skipped() {
        let packed = [numbers(&[0, 0, 0, 5, 0, 7, 0]), b"\x00\x01\x00\x04main".to_vec()].concat();
        let read = |more: &[(String, &[u8])]| {
            let mut fields = Fields::new();
            fields.insert(field::CAMPAIGN.to_owned(), packed.clone());
            for (name, value) in more {
                fields.insert(name.clone(), value.to_vec());
            }
            campaign("diwali".parse().unwrap(), &fields, |_| None)
        };
        let usage = |sort: &str| format!("{}{sort}", field::USAGE);
        let refused = format!("{}later-131", field::REFUSED);
        let sum = numbers(&[3, 30]);
        let later: [(String, &[u8]); 6] = [
            ("delivered".to_owned(), b"2026-11-27"),
            ("é".to_owned(), b"1"),
            (String::new(), b"1"),
            (usage("IN9"), &sum),
            (usage("IN0"), &sum),
            (refused, b"1"),
        ];
        let view = read(&later).unwrap();
        assert_eq!((view.accepted, view.usage.len(), view.refused.len()), (7, 1, 0));
        assert!(view.dedupe_recipients && view.budget.is_none());
        assert!(read(&[(usage("IN0"), b"many")]).is_err(), "what it knows must be right");
    }

    #[test]
    fn a_reference_may_hold_any_text() {
        let texts = ["main|top_up|100|100|1|a", "main|adjustment|-3|97|9|gift|2026\nbecause | so"];
        let record = texts.map(post).concat();
        let found = entries(7, 5, &record).unwrap();
        let last = &found[1];
        assert_eq!(
            (last.sequence, last.kind, last.reference.as_ref(), last.reason.as_ref()),
            (7, EntryKind::Adjustment, "gift|2026", "\nbecause | so")
        );
        assert_eq!(found[0].sequence, 6);
        assert!(entries(7, 5, &post("main|adjustment|-3|97|90|short")).is_err());
        assert!(entries(7, 5, &record[..record.len() - 1]).is_err(), "a torn record");
    }

    #[test]
    fn charges_read_back() {
        let kind = u8::try_from(entry_code::CHARGES).unwrap();
        let shared = [&[kind][..], &numbers(&[100]), &[b'|'; 15], b"\x06main||"].concat();
        let charge = |position: u8, amount: i64, row: &str| {
            let size = u8::try_from(row.len()).unwrap();
            [&[position, size][..], &numbers(&[amount]), row.as_bytes()].concat()
        };
        let charges = [shared, charge(b'|', 5, "106|IN0"), charge(0, 7, "107|US1")].concat();
        let record = |charges: &[u8]| {
            let length = u16::try_from(charges.len()).unwrap().to_be_bytes();
            entries(9, 5, &[length.as_slice(), charges].concat())
        };
        let found = record(&charges).unwrap();
        let numbers = |entry: &crate::ledger::Entry| {
            (entry.sequence, entry.amount.micros(), entry.balance_after.micros())
        };
        assert_eq!([numbers(&found[0]), numbers(&found[1])], [(8, -5, 95), (9, -7, 88)]);
        let detail = found[0].charge.as_ref().unwrap();
        assert_eq!((detail.hold, &detail.campaign), (HoldId::from_bytes([b'|'; 16]), &None));
        assert_eq!(found[1].charge.as_ref().unwrap().channel.as_str(), "107");
        assert!(record(&charges[..charges.len() - 1]).is_err(), "a torn record");
        assert!(record(&[9, 9]).is_err(), "of a kind that is not known");
    }

    #[test]
    fn a_holds_bytes_may_look_like_a_separator() {
        let hold = [b'|'; 16];
        let packed = [b"5|hold_in_doubt|main||11800|||".as_slice(), &hold].concat();
        let found = event(1, &packed).unwrap();
        assert_eq!(
            (found.kind, found.hold.map(|id| *id.as_bytes())),
            (EventKind::HoldInDoubt, Some(hold))
        );
    }

    #[test]
    fn a_wallet_reads_back() {
        let packed = [numbers(&[100, 30, 5, 2, 77, 9]), b"\x0150:1,20:0".to_vec()].concat();
        let (view, exhaustion) = wallet("main".parse().unwrap(), &packed).unwrap();
        assert_eq!(
            (view.available.micros(), view.exhausted, view.low_balance_thresholds.len()),
            (75, true, 2)
        );
        assert_eq!((exhaustion.epoch, exhaustion.since_ms), (2, 77));
        assert!(wallet("main".parse().unwrap(), &packed[..20]).is_err());
    }

    #[test]
    fn usage_of_other_days_is_passed_over() {
        let row = |days| usage_row("20778|106|IN0", &numbers(&[2, 30]), days).unwrap();
        assert_eq!(row((20_778, 20_778)).map(|row| row.sum.messages), Some(2));
        assert!(row((20_779, 20_780)).is_none());
    }
}
