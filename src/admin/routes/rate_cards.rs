//! Rate cards: what is in use, and new versions, which begin in the future and are checked as a
//! whole before they count.

use axum::body::Body;
use http::Response;
use jiff::civil::Date;
use serde::Serialize;

use super::statement::date;
use crate::admin::call::{self, Call, bad_parameter};
use crate::admin::problem::Problem;
use crate::control::{Made, rate_card};
use crate::pricing::RateCard;

#[derive(Serialize)]
struct CardSummary<'a> {
    id: &'a str,
    currency: &'a str,
    /// The dates its versions begin on.
    versions: Vec<Date>,
}

#[derive(Serialize)]
struct VersionPut<'a> {
    id: &'a str,
    effective: Date,
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let request = call.page::<String>()?;
    let principal = call.principal()?;
    let book = call.control.services.prices.load_full();
    let cards: Vec<&RateCard> =
        book.cards().filter(|card| rate_card::may_see(principal, card.id())).collect();
    let ids: Vec<String> = cards.iter().map(|card| card.id().to_string()).collect();
    let page = call::page_of(ids.iter(), &request, String::as_str);
    let summary = |id: &&String| {
        let card = book.card(id)?;
        Some(CardSummary {
            id: card.id(),
            currency: card.currency(),
            versions: card.versions().iter().map(|v| v.effective()).collect(),
        })
    };
    let views: Vec<_> = page.items.iter().filter_map(summary).collect();
    call::list(&views, page.next.as_deref())
}

pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    let (id, principal) = (call.part("card"), call.principal()?);
    let book = call.control.services.prices.load_full();
    let card = book
        .card(id)
        .filter(|_| rate_card::may_see(principal, id))
        .ok_or_else(|| Problem::unknown("rate card", id))?;
    call::ok(card)
}

/// Puts a version that has not begun anywhere on Earth.
pub(super) async fn put_version(call: &Call) -> Result<Response<Body>, Problem> {
    let id = call.part("card");
    let effective = date("date", call.part("date")).map_err(Problem::of_content)?;
    if rate_card::directory(&call.control).is_none() {
        return Err(rate_card::no_directory().into());
    }
    let confirm = match call.query("confirm") {
        None => false,
        Some("large_change") => true,
        Some(_) => return Err(bad_parameter("confirm", "it is large_change")),
    };
    let (control, principal, file) = (&call.control, call.principal()?, call.bytes());
    let made = rate_card::put_version(control, principal, id, effective, file, confirm).await?;
    call::made(made == Made::New, &VersionPut { id, effective })
}
