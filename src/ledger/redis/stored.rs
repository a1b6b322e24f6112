//! The contents of the store, read back: the packed texts of state.lua and money.lua as views,
//! entries and events.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use super::codes::{doubt_code, field, usage};
use crate::amount::Amount;
use crate::ids::{CampaignId, HoldId, WalletId};
use crate::ledger::entry::ChargeDetail;
use crate::ledger::view::UsageSum;
use crate::ledger::{
    CampaignState, CampaignView, DoubtReason, Entry, EntryKind, Event, EventKind, HoldState,
    HoldView, LedgerFault, RefusalCode, StopReason, UsageRow, WalletView,
};
use crate::pricing::{Category, Country};

/// Fields of a hash; values may be bytes.
pub(super) type Fields = HashMap<String, Vec<u8>>;

/// The store holds something this version did not write.
pub(super) fn unreadable(what: &str) -> LedgerFault {
    LedgerFault::Closed(format!("it holds a {what} this version cannot read").into())
}

/// The parts of a packed record, in order.
struct Parts<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Parts<'a> {
    const fn new(packed: &'a [u8], what: &'static str) -> Parts<'a> {
        Parts { rest: packed, what }
    }

    fn fault(&self) -> LedgerFault {
        unreadable(self.what)
    }

    /// Up to the next separator, or all that is left.
    fn text(&mut self) -> Result<&'a str, LedgerFault> {
        let end = self.rest.iter().position(|byte| *byte == b'|');
        let (part, rest) = match end {
            Some(end) => (self.rest.get(..end), self.rest.get(end + 1..)),
            None => (Some(self.rest), None),
        };
        self.rest = rest.unwrap_or_default();
        part.and_then(|part| std::str::from_utf8(part).ok()).ok_or_else(|| self.fault())
    }

    fn parsed<T: FromStr>(&mut self) -> Result<T, LedgerFault> {
        self.text()?.parse().map_err(|_| self.fault())
    }

    fn optional<T: FromStr>(&mut self) -> Result<Option<T>, LedgerFault> {
        match self.text()? {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| self.fault()),
        }
    }

    fn amount(&mut self) -> Result<Amount, LedgerFault> {
        Ok(Amount::saturating_from_micros(self.parsed()?))
    }

    fn optional_amount(&mut self) -> Result<Option<Amount>, LedgerFault> {
        Ok(self.optional()?.map(Amount::saturating_from_micros))
    }

    fn flag(&mut self) -> Result<bool, LedgerFault> {
        Ok(self.text()? == "1")
    }

    fn category(&mut self) -> Result<Category, LedgerFault> {
        Category::from_index(self.parsed()?).ok_or_else(|| self.fault())
    }

    fn country_and_category(&mut self) -> Result<(Country, Category), LedgerFault> {
        country_and_category(self.text()?).ok_or_else(|| self.fault())
    }

    fn hold_id(&self) -> Result<HoldId, LedgerFault> {
        hold_id(self.rest).ok_or_else(|| self.fault())
    }
}

/// `IN0`: a country and the number of a category.
fn country_and_category(text: &str) -> Option<(Country, Category)> {
    let country = text.get(..2)?.parse().ok()?;
    Some((country, Category::from_index(text.get(2..)?.parse().ok()?)?))
}

/// A hold's sixteen bytes.
pub(super) fn hold_id(bytes: &[u8]) -> Option<HoldId> {
    Some(HoldId::from_bytes(bytes.try_into().ok()?))
}

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

/// A wallet's record.
pub(super) fn wallet(id: WalletId, packed: &[u8]) -> Result<(WalletView, Exhaustion), LedgerFault> {
    let mut parts = Parts::new(packed, "wallet");
    let (settled, held, overdraft_limit) = (parts.amount()?, parts.amount()?, parts.amount()?);
    let (epoch, exhausted, since_ms, _refused) =
        (parts.parsed()?, parts.flag()?, parts.parsed()?, parts.amount()?);
    let thresholds = parts.text()?;
    let below = |threshold: &str| {
        let (below, _armed) = threshold.split_once(':')?;
        Some(Amount::saturating_from_micros(below.parse().ok()?))
    };
    let low_balance_thresholds = thresholds
        .split(',')
        .filter(|text| !text.is_empty())
        .map(below)
        .collect::<Option<_>>()
        .ok_or_else(|| unreadable("wallet"))?;
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
    let mut parts = Parts::new(fields.get(field::CAMPAIGN).ok_or_else(fault)?, "campaign");
    let (wallet, reason, since_ms) =
        (parts.optional::<WalletId>()?, parts.text()?, parts.parsed()?);
    let (epoch, budget): (u64, _) = (parts.parsed()?, parts.optional_amount()?);
    let (dedupe_recipients, exempt_from_caps, spent, held) =
        (parts.flag()?, parts.flag()?, parts.amount()?, parts.amount()?);
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
        accepted: 0,
        unknown: 0,
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
    Accepted,
    Unknown,
    Rejected(&'a str),
    Refused(RefusalCode),
    Messages(Country, Category),
    Credits(Country, Category),
}

impl<'a> Counter<'a> {
    /// `None` for a field of a later version.
    fn named(name: &'a str) -> Option<Counter<'a>> {
        match name {
            field::ACCEPTED => return Some(Counter::Accepted),
            field::UNKNOWN => return Some(Counter::Unknown),
            _ => {}
        }
        let (counter, what) = name.split_at_checked(field::REJECTED.len())?;
        let sort = || country_and_category(what);
        match counter {
            field::REJECTED => Some(Counter::Rejected(what)),
            field::REFUSED => what.parse().ok().map(Counter::Refused),
            field::MESSAGES => sort().map(|(country, sort)| Counter::Messages(country, sort)),
            field::CREDITS => sort().map(|(country, sort)| Counter::Credits(country, sort)),
            _ => None,
        }
    }

    /// `None` if the value is no number that can be counted.
    fn set(self, view: &mut CampaignView, value: &[u8]) -> Option<()> {
        let number: i64 = std::str::from_utf8(value).ok()?.parse().ok()?;
        let count = u64::try_from(number).ok()?;
        match self {
            Counter::Accepted => view.accepted = count,
            Counter::Unknown => view.unknown = count,
            Counter::Rejected(rejection) => drop(view.rejected.insert(rejection.to_owned(), count)),
            Counter::Refused(code) => drop(view.refused.insert(code, count)),
            Counter::Messages(country, category) => {
                view.usage.entry((country, category)).or_default().messages = count
            }
            Counter::Credits(country, category) => {
                view.usage.entry((country, category)).or_default().credits =
                    Amount::saturating_from_micros(number)
            }
        }
        Some(())
    }
}

/// A hold's record.
pub(super) fn hold(id: HoldId, state: HoldState, packed: &[u8]) -> Result<HoldView, LedgerFault> {
    let mut parts = Parts::new(packed, "hold");
    let (amount, wallet, campaign, channel) =
        (parts.amount()?, parts.optional()?, parts.optional()?, parts.parsed()?);
    let (country, category) = (parts.parsed()?, parts.category()?);
    for _portfolio_month_cap_hit in 0..3 {
        parts.text()?;
    }
    let flags = parts.text()?;
    let doubt = DoubtReason::ALL.into_iter().find(|reason| flags.contains(doubt_code(*reason)));
    let _half_day = parts.text()?;
    let reserved_ms = parts.parsed()?;
    Ok(HoldView {
        id,
        state,
        amount,
        wallet,
        campaign,
        channel,
        country,
        category,
        reserved_ms,
        doubt,
    })
}

/// One statement entry as the journal holds it.
pub(super) fn entry(sequence: u64, at_ms: i64, packed: &[u8]) -> Result<Entry, LedgerFault> {
    let mut parts = Parts::new(packed, "statement entry");
    let (wallet, kind) =
        (parts.parsed()?, entry_kind(parts.text()?).ok_or_else(|| unreadable("statement entry"))?);
    let (amount, balance_after) = (parts.amount()?, parts.amount()?);
    let mut entry = Entry {
        sequence,
        at_ms,
        wallet,
        kind,
        amount,
        balance_after,
        reference: Arc::from(""),
        reason: Arc::from(""),
        charge: None,
    };
    if kind == EntryKind::Charge {
        let (channel, campaign, (country, category)) =
            (parts.parsed()?, parts.optional()?, parts.country_and_category()?);
        entry.charge =
            Some(ChargeDetail { hold: parts.hold_id()?, channel, campaign, country, category });
    } else {
        let length: usize = parts.parsed()?;
        let texts = std::str::from_utf8(parts.rest).map_err(|_| parts.fault())?;
        let (reference, reason) = texts.split_at_checked(length).ok_or_else(|| parts.fault())?;
        entry.reference = Arc::from(reference);
        entry.reason = Arc::from(reason);
    }
    Ok(entry)
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

/// Usage rows of a bucket that fall in the days asked for: `day|channel|country and category|m or
/// c`.
pub(super) fn usage_row(
    rows: &mut HashMap<String, UsageRow>,
    name: &str,
    value: i64,
    days: (i32, i32),
) -> Result<(), LedgerFault> {
    let fault = || unreadable("usage row");
    let (row, column) = name
        .len()
        .checked_sub(usage::MESSAGES.len())
        .and_then(|end| name.split_at_checked(end))
        .ok_or_else(fault)?;
    let mut parts = Parts::new(row.as_bytes(), "usage row");
    let day: i32 = parts.parsed()?;
    if day < days.0 || day > days.1 {
        return Ok(());
    }
    let (channel, (country, category)) = (parts.parsed()?, parts.country_and_category()?);
    let new = UsageRow { day, channel, country, category, sum: UsageSum::default() };
    let sum = &mut rows.entry(row.to_owned()).or_insert(new).sum;
    match column {
        usage::MESSAGES => sum.messages = u64::try_from(value).map_err(|_| fault())?,
        usage::CREDITS => sum.credits = Amount::saturating_from_micros(value),
        _ => return Err(fault()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Fields, campaign, entry, event, field, hold, wallet};
    use crate::ids::HoldId;
    use crate::ledger::{DoubtReason, EntryKind, EventKind, HoldState};

    #[test]
    fn holds_of_an_older_version_have_no_reason() {
        let read = |flags: &str| {
            let packed = format!("100|main|diwali|106|IN|0|p1|||{flags}||77|");
            let id = HoldId::from_bytes([1; 16]);
            hold(id, HoldState::InDoubt, packed.as_bytes()).unwrap()
        };
        for (flags, reason) in [
            ("", None),
            ("g", None),
            ("dg", None),
            ("gD", Some(DoubtReason::Deadline)),
            ("dgR", Some(DoubtReason::Unreported)),
        ] {
            let view = read(flags);
            assert_eq!((view.doubt, view.reserved_ms), (reason, 77), "{flags}");
        }
    }

    #[test]
    fn fields_of_a_later_version_are_skipped() {
        let packed = "main||0|0||1|0|5|0".to_owned();
        let read = |more: &[(String, &str)]| {
            let mut fields = Fields::new();
            fields.insert(field::CAMPAIGN.to_owned(), packed.clone().into());
            fields.insert(field::ACCEPTED.to_owned(), b"7".to_vec());
            for (name, value) in more {
                fields.insert(name.clone(), value.as_bytes().to_vec());
            }
            campaign("diwali".parse().unwrap(), &fields, |_| None)
        };
        let messages = |sort: &str| format!("{}{sort}", field::MESSAGES);
        let refused = format!("{}later-131", field::REFUSED);
        let later = [
            ("delivered".to_owned(), "2026-11-27"),
            ("é".to_owned(), "1"),
            (String::new(), "1"),
            (messages("IN9"), "3"),
            (messages("IN0"), "3"),
            (refused, "1"),
        ];
        let view = read(&later).unwrap();
        assert_eq!((view.accepted, view.usage.len(), view.refused.len()), (7, 1, 0));
        assert!(read(&[(messages("IN0"), "many")]).is_err(), "what it knows must be right");
    }

    #[test]
    fn a_reference_may_hold_any_text() {
        let found =
            entry(7, 5, "main|adjustment|-3|97|9|gift|2026\nbecause | so".as_bytes()).unwrap();
        assert_eq!(
            (found.kind, found.reference.as_ref(), found.reason.as_ref()),
            (EntryKind::Adjustment, "gift|2026", "\nbecause | so")
        );
        assert!(entry(7, 5, b"main|adjustment|-3|97|90|short").is_err());
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
        let (view, exhaustion) =
            wallet("main".parse().unwrap(), b"100|30|5|2|1|77|9|50:1,20:0").unwrap();
        assert_eq!(
            (view.available.micros(), view.exhausted, view.low_balance_thresholds.len()),
            (75, true, 2)
        );
        assert_eq!((exhaustion.epoch, exhaustion.since_ms), (2, 77));
    }
}
