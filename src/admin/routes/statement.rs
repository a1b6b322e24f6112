//! Statements: a wallet's entries, oldest first, each with the balance after it; JSON or CSV.

use std::str::FromStr;

use axum::body::Body;
use http::Response;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::table;
use crate::admin::call::{self, Call, bad_parameter};
use crate::admin::problem::{self, Problem};
use crate::amount::Amount;
use crate::catalog::zone;
use crate::control::wallet;
use crate::ids::{CampaignId, ChannelId, HoldId, WalletId};
use crate::ledger::calendar::midnight_ms;
use crate::ledger::{Entry, EntryKind};
use crate::pricing::{Category, Country};

/// An entry as replies show it. What does not belong to its kind is left out.
#[derive(Serialize)]
pub(super) struct EntryView<'a> {
    sequence: u64,
    at: String,
    wallet: &'a WalletId,
    kind: EntryKind,
    amount: Amount,
    balance_after: Amount,
    currency: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reference: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge: Option<ChargeView<'a>>,
}

#[derive(Serialize)]
struct ChargeView<'a> {
    hold: HoldId,
    channel: &'a ChannelId,
    campaign: Option<&'a CampaignId>,
    country: Country,
    category: Category,
}

impl<'a> EntryView<'a> {
    pub(super) fn new(entry: &'a Entry, currency: &'a str) -> EntryView<'a> {
        let charge = entry.charge.as_ref().map(|charge| ChargeView {
            hold: charge.hold,
            channel: &charge.channel,
            campaign: charge.campaign.as_ref(),
            country: charge.country,
            category: charge.category,
        });
        EntryView {
            sequence: entry.sequence,
            at: call::instant(entry.at_ms),
            wallet: &entry.wallet,
            kind: entry.kind,
            amount: entry.amount,
            balance_after: entry.balance_after,
            currency,
            reference: &entry.reference,
            reason: &entry.reason,
            charge,
        }
    }
}

const COLUMNS: &[&str] = &[
    "sequence",
    "at",
    "wallet",
    "kind",
    "amount",
    "balance_after",
    "currency",
    "reference",
    "reason",
    "hold",
    "channel",
    "campaign",
    "country",
    "category",
];

fn row(entry: &EntryView<'_>) -> Vec<String> {
    let mut cells = vec![
        entry.sequence.to_string(),
        entry.at.clone(),
        table::plain(entry.wallet.as_str()),
        entry.kind.as_str().to_owned(),
        entry.amount.to_string(),
        entry.balance_after.to_string(),
        entry.currency.to_owned(),
        table::plain(entry.reference),
        table::plain(entry.reason),
    ];
    cells.extend(match &entry.charge {
        Some(charge) => [
            charge.hold.to_string(),
            charge.channel.to_string(),
            charge.campaign.map_or_else(String::new, |campaign| table::plain(campaign.as_str())),
            charge.country.to_string(),
            charge.category.to_string(),
        ],
        None => Default::default(),
    });
    cells
}

/// The entries of a wallet with `from <= at < to`; a date as `to` means to the end of that day.
pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    match call.query("view") {
        None | Some("entries") => {}
        Some("daily") => {
            return Err(Problem::new(
                &problem::NOT_SUPPORTED,
                "view=daily is not in this version; entries are",
            ));
        }
        Some(_) => return Err(bad_parameter("view", "it is entries")),
    }
    let wallet: WalletId = call.id("wallet", "wallet")?;
    let request = call.page::<EntryCursor>()?;
    let account = call.account()?;
    let zone = zone_of(call, &account.time_zone)?;
    let from_ms =
        call.query("from").map(|text| moment("from", text, &zone, false)).transpose()?.unwrap_or(0);
    let to_ms = call
        .query("to")
        .map(|text| moment("to", text, &zone, true))
        .transpose()?
        .unwrap_or(i64::MAX);
    if from_ms > to_ms {
        return Err(bad_parameter("to", "it lies before from"));
    }
    call.catch_up().await?;
    wallet::find(&call.control, &account.id, &wallet).await?;
    let page =
        call.control.services.reads.entries(&account.id, &wallet, from_ms, to_ms, &request).await?;
    let views: Vec<_> =
        page.items.iter().map(|entry| EntryView::new(entry, &account.account.currency)).collect();
    if call.csv {
        table::csv(COLUMNS, views.iter().map(row), page.next.as_deref())
    } else {
        call::list(&views, page.next.as_deref())
    }
}

/// The cursor of a page of entries: digits, on some ledgers two groups of them. The ledger itself
/// reads it.
struct EntryCursor;

impl FromStr for EntryCursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<EntryCursor, &'static str> {
        let digits = |part: &str| {
            (1..=20).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let (first, second) = text.split_once('-').unwrap_or((text, "0"));
        if digits(first) && digits(second) {
            Ok(EntryCursor)
        } else {
            Err("not a cursor of entries")
        }
    }
}

/// The zone of `tz`, else the account's own.
fn zone_of(call: &Call, own: &TimeZone) -> Result<TimeZone, Problem> {
    let Some(name) = call.query("tz") else { return Ok(own.clone()) };
    zone(name).ok_or_else(|| bad_parameter("tz", format!("no time zone is called {name}")))
}

/// Unix milliseconds of an instant, or of the beginning or the end of a day.
fn moment(parameter: &str, text: &str, zone: &TimeZone, end: bool) -> Result<i64, Problem> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let day = date(parameter, text)?;
    let day = if end { day.tomorrow().unwrap_or(day) } else { day };
    Ok(midnight_ms(zone, day))
}

/// A date as `2026-11-21`.
pub(super) fn date(parameter: &str, text: &str) -> Result<Date, Problem> {
    let wrong = || {
        bad_parameter(
            parameter,
            format!(
                "{text:?} is neither a date such as 2026-11-21 nor, where instants are taken, RFC \
                 3339; write + as %2B"
            ),
        )
    };
    text.parse::<Date>().ok().filter(|_| text.len() == "2026-11-21".len()).ok_or_else(wrong)
}
