//! Rate cards: reloading the directory of versions, and putting a version, which begins in the
//! future and is checked as a whole before it counts.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;

use super::error::{Conflict, ControlError, FieldError};
use super::handles::Control;
use super::permission::operator_only;
use super::put::Made;
use crate::catalog::{Principal, rate_cards};
use crate::pricing::RateCard;
use crate::pricing::import::ImportError;

/// The directory in which versions are kept, if one is configured.
pub fn directory(control: &Control) -> Option<Arc<PathBuf>> {
    control.rate_card_dir.load_full()
}

/// Whether the principal may see a card: an account the one it is priced by, an operator all.
pub fn may_see(principal: &Principal, card: &str) -> bool {
    match principal {
        Principal::Operator => true,
        Principal::Account { snapshot, .. } => snapshot.account.rate_card == card,
    }
}

/// Reads the versions of `directory` anew, merges them with the compiled-in cards and uses them;
/// later puts are kept there too.
///
/// # Errors
/// Everything that is wrong with any of the files, and cards in use that would be gone; then all
/// stays unchanged.
pub async fn reload(control: &Control, directory: Option<PathBuf>) -> Result<(), Vec<String>> {
    let _held = control.lock_settings().await;
    let from = directory.clone();
    let loaded = tokio::task::spawn_blocking(move || rate_cards::load(from.as_deref())).await;
    let book = loaded.map_err(|error| vec![error.to_string()])??;
    let gone = |card: &RateCard| book.card(card.id()).is_none();
    let before = control.services.prices.load_full();
    let gone: Vec<String> = before
        .cards()
        .filter(|card| gone(card))
        .map(|card| format!("no file has card {} any more", card.id()))
        .collect();
    if !gone.is_empty() {
        return Err(gone);
    }
    control.services.prices.store(Arc::new(book));
    control.rate_card_dir.store(directory.map(Arc::new));
    Ok(())
}

/// Puts a version that has not begun anywhere on Earth, as a CSV. It is on disk before it is in
/// use.
///
/// # Errors
/// Every mistake of the file, a version that may be in force, no directory to keep it in.
pub async fn put_version(
    control: &Control,
    principal: &Principal,
    card: &str,
    begins: Date,
    csv: &str,
) -> Result<Made, ControlError> {
    operator_only(principal)?;
    let _held = control.lock_settings().await;
    let Some(directory) = control.rate_card_dir.load_full() else {
        return Err(no_directory());
    };
    let services = &control.services;
    let book = services.prices.load_full();
    if !book.may_put_version(card, begins, services.clock.now_ms()) {
        let detail = format!(
            "{begins} has begun somewhere on Earth; what was priced since must keep its price"
        );
        return Err(ControlError::Conflict(Conflict::VersionInForce, detail));
    }
    let new = book.card(card).is_none_or(|card| card.version(begins).is_none());
    let with_it = book.with_version(card, begins, csv).map_err(|errors| invalid(&errors))?;
    let (card, text) = (card.to_owned(), csv.to_owned());
    let what = "a rate card could not be kept";
    tokio::task::spawn_blocking(move || rate_cards::store(&directory, &card, begins, &text))
        .await
        .map_err(|error| ControlError::internal(what, &error))?
        .map_err(|error| ControlError::internal(what, &error))?;
    services.prices.store(Arc::new(with_it));
    Ok(if new { Made::New } else { Made::Present })
}

/// No directory is configured in which a version could be kept.
pub fn no_directory() -> ControlError {
    let detail = "no directory for rate cards is configured (pricing.rate_card_dir), \
                  so a version could not be kept";
    ControlError::Conflict(Conflict::NotConfigured, detail.to_owned())
}

/// Every mistake of a file, each with its line.
fn invalid(errors: &[ImportError]) -> ControlError {
    let field = |error: &ImportError| FieldError {
        field: "body".into(),
        line: error.line,
        detail: error.problem.to_string(),
    };
    let fields: Vec<FieldError> = errors.iter().map(field).collect();
    let detail = match fields.as_slice() {
        [only] => only.detail.clone(),
        several => format!("the file has {} mistakes, each in `errors`", several.len()),
    };
    ControlError::Invalid { detail, fields }
}
