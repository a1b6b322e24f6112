//! Verdicts and views in words, so that a case can state all of it on one line.

use tollgate::ids::HoldId;
use tollgate::ledger::{
    CampaignState, CampaignView, Entry, EntryKind, Event, HoldState, HoldView, LedgerFault,
    Rejection, UsageRow, Verdict, WalletView,
};

use super::parser::Labels;
use crate::support::time::{CASE_START_MS, DAY};

fn label(labels: &Labels, hold: HoldId) -> String {
    labels
        .iter()
        .find(|(_, id)| **id == hold)
        .map_or_else(|| hold.to_string(), |(label, _)| label.clone())
}

/// Time since the start of the case.
fn since(at_ms: i64) -> String {
    format!("since {}s", (at_ms - CASE_START_MS).div_euclid(1000))
}

/// A whole batch's refusal, without the words that differ between ledgers.
pub fn fault(fault: &LedgerFault) -> &'static str {
    match fault {
        LedgerFault::Unavailable(_) => "unavailable",
        LedgerFault::Refused(_) => "refused",
        LedgerFault::Closed(_) => "closed",
    }
}

pub fn verdict(verdict: &Verdict, labels: &Labels) -> String {
    match verdict {
        Verdict::Reserved { amount, available, observed } => {
            let left = available.map(|left| format!(" left {left}")).unwrap_or_default();
            let why = observed.map(|why| format!(" observed {}", why.name())).unwrap_or_default();
            format!("held {amount}{left}{why}")
        }
        Verdict::Rejected(rejection) => rejected(rejection, labels),
        Verdict::Replayed { hold, message_id, amount } => {
            format!("replayed {} {message_id} {amount}", label(labels, *hold))
        }
        Verdict::StaleSettings => "stale settings".into(),
        Verdict::StalePrice => "stale price".into(),
        Verdict::Settled { amount } => format!("settled {amount}"),
        Verdict::Released { amount } => format!("released {amount}"),
        Verdict::Marked => "marked".into(),
        Verdict::NoHold => "no hold".into(),
        Verdict::Posted { entry, repeated } => {
            let how = if *repeated { "posted before" } else { "posted" };
            format!("{how} {} balance {}", entry.amount, entry.balance_after)
        }
        Verdict::ReferenceConflict => "reference conflict".into(),
        Verdict::WalletUnknown => "wallet unknown".into(),
        Verdict::OutOfRange => "out of range".into(),
        Verdict::Shortfall { needed, available } => {
            format!("shortfall needs {needed} has {available}")
        }
        Verdict::Wallet(view) => wallet(view),
        Verdict::Campaign(view) => campaign(view),
        Verdict::CampaignExists => "campaign exists".into(),
        Verdict::CampaignUnknown => "campaign unknown".into(),
        Verdict::CampaignFinished => "campaign finished".into(),
        Verdict::WalletExhausted => "wallet exhausted".into(),
        Verdict::Document { changed, settings_version } => {
            format!("{} version {settings_version}", if *changed { "changed" } else { "unchanged" })
        }
        Verdict::Counted => "counted".into(),
        Verdict::AliasLearned { changed: true } => "learned".into(),
        Verdict::AliasLearned { changed: false } => "known".into(),
        Verdict::Swept { marked, resolved, more } => {
            format!("swept marked {marked} resolved {resolved}{}", if *more { " more" } else { "" })
        }
    }
}

fn rejected(rejection: &Rejection, labels: &Labels) -> String {
    let name = rejection.name();
    match rejection {
        Rejection::CampaignStopped { reason, since_ms, shortfall } => {
            let lacks = shortfall.map(|missing| format!(" lacks {missing}")).unwrap_or_default();
            format!("{name} {}{lacks} {}", reason.as_str(), since(*since_ms))
        }
        Rejection::CampaignUnknown
        | Rejection::IdempotencyConflict
        | Rejection::IdempotencyInFlight
        | Rejection::AlreadySent => name.into(),
        Rejection::OutcomeUnknown { hold } => format!("{name} {}", label(labels, *hold)),
        Rejection::FrequencyCapped { max, window_s, retry_after_s } => {
            format!("{name} {max} in {window_s}s retry {retry_after_s}s")
        }
        Rejection::MessagingLimitReached { limit, used, retry_after_s: Some(retry) } => {
            format!("{name} {used} of {limit} retry {retry}s")
        }
        Rejection::MessagingLimitReached { limit, used, retry_after_s: None } => {
            format!("{name} {used} of {limit}")
        }
        Rejection::InsufficientBalance { needed, available, ran_out_at } => {
            let why = ran_out_at.map(|price| format!(" ran out at {price}")).unwrap_or_default();
            format!("{name} needs {needed} has {available}{why}")
        }
    }
}

/// What is zero or empty is left out, except the three numbers every case needs.
pub fn wallet(view: &WalletView) -> String {
    let mut words =
        format!("settled {} held {} available {}", view.settled, view.held, view.available);
    if !view.overdraft_limit.is_zero() {
        words += &format!(" limit {}", view.overdraft_limit);
    }
    if !view.low_balance_thresholds.is_empty() {
        words += &format!(" low {:?}", view.low_balance_thresholds);
    }
    if view.exhausted {
        words += " exhausted";
    }
    words
}

/// State first; what is zero or empty is left out.
pub fn campaign(view: &CampaignView) -> String {
    let mut words = match view.state {
        CampaignState::Active => "active".to_owned(),
        CampaignState::Stopped { reason, since_ms } => {
            format!("stopped {} {}", reason.as_str(), since(since_ms))
        }
        CampaignState::Finished { since_ms } => format!("finished {}", since(since_ms)),
    };
    if !view.name.is_empty() {
        words += &format!(" '{}'", view.name);
    }
    if let Some(wallet) = &view.wallet {
        words += &format!(" of {wallet}");
    }
    if let Some(budget) = view.budget {
        words += &format!(" budget {budget}");
    }
    for word in [("dedupe", view.dedupe_recipients), ("exempt", view.exempt_from_caps)]
        .iter()
        .filter(|word| word.1)
    {
        words += &format!(" {}", word.0);
    }
    let numbers = [("spent", view.spent), ("held", view.held)];
    for (name, amount) in numbers.iter().filter(|(_, amount)| !amount.is_zero()) {
        words += &format!(" {name} {amount}");
    }
    let counts = [("accepted", view.accepted), ("unknown", view.unknown)];
    for (name, count) in counts.iter().filter(|(_, count)| *count > 0) {
        words += &format!(" {name} {count}");
    }
    for (rejection, count) in &view.rejected {
        words += &format!(" rejected {rejection} {count}");
    }
    for (code, count) in &view.refused {
        words += &format!(" refused {code} {count}");
    }
    for ((country, category), sum) in &view.usage {
        words += &format!(" used {country} {category} {} {}", sum.messages, sum.credits);
    }
    words
}

pub fn entry(entry: &Entry, labels: &Labels) -> String {
    let what = match (&entry.charge, entry.kind) {
        (Some(charge), EntryKind::Charge) => {
            let campaign = charge
                .campaign
                .as_ref()
                .map(|campaign| format!(" for {campaign}"))
                .unwrap_or_default();
            format!(
                "charge {} {} {} {}{campaign}",
                label(labels, charge.hold),
                charge.channel,
                charge.country,
                charge.category
            )
        }
        (None, EntryKind::TopUp) => format!("top_up {}", entry.reference),
        (None, EntryKind::Adjustment) => {
            format!("adjustment {} '{}'", entry.reference, entry.reason)
        }
        (charge, kind) => format!("{kind:?} with {charge:?}"),
    };
    format!("{} {what} {} balance {}", entry.sequence, entry.amount, entry.balance_after)
}

/// Only what belongs to the event's kind is set, so all of it is shown.
pub fn event(event: &Event, labels: &Labels) -> String {
    let mut words = event.kind.as_str().to_owned();
    for id in [
        event.wallet.as_ref().map(ToString::to_string),
        event.campaign.as_ref().map(ToString::to_string),
    ]
    .iter()
    .flatten()
    {
        words += &format!(" {id}");
    }
    if let Some(hold) = event.hold {
        words += &format!(" {}", label(labels, hold));
    }
    if let Some(amount) = event.amount {
        words += &format!(" {amount}");
    }
    if let Some(available) = event.available {
        words += &format!(" available {available}");
    }
    if let Some(reason) = event.reason {
        words += &format!(" {}", reason.as_str());
    }
    words
}

pub fn hold(view: &HoldView, labels: &Labels) -> String {
    let state = match view.state {
        HoldState::Open => "open",
        HoldState::InDoubt => "in doubt",
    };
    let mut words = format!(
        "{} {state} {} {} {} {}",
        label(labels, view.id),
        view.amount,
        view.channel,
        view.country,
        view.category
    );
    if let Some(wallet) = &view.wallet {
        words += &format!(" of {wallet}");
    }
    if let Some(campaign) = &view.campaign {
        words += &format!(" for {campaign}");
    }
    if let Some(reason) = view.doubt {
        words += &format!(" by {}", reason.as_str());
    }
    words + " " + &since(view.reserved_ms)
}

/// The day is counted from the case's first.
pub fn usage(row: &UsageRow) -> String {
    let first = CASE_START_MS.div_euclid(DAY);
    let day = i64::from(row.day) - first;
    format!(
        "day {day} {} {} {} {} {}",
        row.channel, row.country, row.category, row.sum.messages, row.sum.credits
    )
}
