//! Rate cards: what is in use, and new versions, which begin in the future and are checked as a
//! whole before they count.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use http::Response;
use jiff::civil::Date;
use serde::Serialize;

use super::Admin;
use super::call::{self, Call};
use super::problem::{self, FieldError, Problem};
use super::statement::date;
use crate::catalog::rate_cards;
use crate::pricing::RateCard;
use crate::pricing::import::ImportError;

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

/// Reads the versions of `directory` anew, lays them over the compiled-in cards and puts them into
/// use; later puts are kept there too.
///
/// # Errors
/// Everything that is wrong with any of the files, and cards in use that would be gone; then all
/// stays as it was.
pub async fn reload(admin: &Admin, directory: Option<PathBuf>) -> Result<(), Vec<String>> {
    let _held = admin.settings.hold().await;
    let from = directory.clone();
    let loaded = tokio::task::spawn_blocking(move || rate_cards::load(from.as_deref())).await;
    let book = loaded.map_err(|error| vec![error.to_string()])??;
    let gone = |card: &RateCard| book.card(card.id()).is_none();
    let before = admin.services.prices.load_full();
    let gone: Vec<String> = before
        .cards()
        .filter(|card| gone(card))
        .map(|card| format!("no file has card {} any more", card.id()))
        .collect();
    if !gone.is_empty() {
        return Err(gone);
    }
    admin.services.prices.store(Arc::new(book));
    admin.rate_card_dir.store(directory.map(Arc::new));
    Ok(())
}

/// An account sees the card it is priced by, an operator all.
fn may_see(call: &Call, id: &str) -> bool {
    call.operator || call.own.as_ref().is_some_and(|own| own.account.rate_card == id)
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let request = call.page::<String>()?;
    let book = call.admin.services.prices.load_full();
    let cards: Vec<&RateCard> = book.cards().filter(|card| may_see(call, card.id())).collect();
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
    let id = call.part("card");
    let book = call.admin.services.prices.load_full();
    let card = book
        .card(id)
        .filter(|_| may_see(call, id))
        .ok_or_else(|| Problem::unknown("rate card", id))?;
    call::ok(card)
}

/// Puts a version that has not begun anywhere on Earth. It is on disk before it is in use.
pub(super) async fn put_version(call: &Call) -> Result<Response<Body>, Problem> {
    let id = call.part("card");
    let mut begins = date("date", call.part("date"));
    if let Err(wrong) = &mut begins {
        wrong.kind = &problem::INVALID;
    }
    let begins = begins?;
    let Some(directory) = call.admin.rate_card_dir.load_full() else {
        return Err(Problem::new(
            &problem::NOT_CONFIGURED,
            "no directory for rate cards is configured (pricing.rate_card_dir), so a version could not be kept",
        ));
    };
    let csv = call.text()?;
    let _held = call.admin.settings.hold().await;
    let book = call.admin.services.prices.load_full();
    if !book.may_put_version(id, begins, call.admin.services.clock.now_ms()) {
        return Err(Problem::new(
            &problem::VERSION_IN_FORCE,
            format!(
                "{begins} has begun somewhere on Earth; what was priced since must keep its price"
            ),
        ));
    }
    let new = book.card(id).is_none_or(|card| card.version(begins).is_none());
    let with_it = book.with_version(id, begins, csv).map_err(|errors| all(&errors))?;
    let (card, text) = (id.to_owned(), csv.to_owned());
    tokio::task::spawn_blocking(move || rate_cards::store(&directory, &card, begins, &text))
        .await
        .map_err(|error| Problem::internal("a rate card could not be kept", &error))?
        .map_err(|error| Problem::internal("a rate card could not be kept", &error))?;
    call.admin.services.prices.store(Arc::new(with_it));
    call::made(new, &VersionPut { id, effective: begins })
}

/// Every mistake of a file, each with its line.
fn all(errors: &[ImportError]) -> Problem {
    let field = |error: &ImportError| FieldError {
        field: "body".into(),
        line: error.line,
        detail: error.problem.to_string(),
    };
    let fields: Vec<FieldError> = errors.iter().map(field).collect();
    let told = match fields.as_slice() {
        [only] => only.detail.clone(),
        several => format!("the file has {} mistakes, each in `errors`", several.len()),
    };
    Problem { errors: fields, ..Problem::new(&problem::INVALID, told) }
}
