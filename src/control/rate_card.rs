//! Rate cards: reloading the directory of versions, and putting a version, which begins in the
//! future and is checked as a whole before it counts.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;

use super::error::{Conflict, ControlError, FieldError};
use super::handles::Control;
use super::permission::operator_only;
use super::put::Made;
use crate::catalog::rate_cards::SkippedFile;
use crate::catalog::{Principal, rate_cards};
use crate::metrics::Metrics;
use crate::pricing::import::{ImportError, confirmation, confirms, text_of};

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
/// Files that cannot be used are named in the log and left out; what was accepted under their names
/// before stays in use, as does a card without any file.
///
/// # Errors
/// The directory cannot be read; then all stays unchanged.
pub async fn reload(control: &Control, directory: Option<PathBuf>) -> Result<(), String> {
    let _held = control.lock_settings().await;
    let from = directory.clone();
    let before = control.services.prices.load_full();
    let in_use = before.clone();
    let load = move || rate_cards::load(from.as_deref(), Some(&in_use));
    let loaded = tokio::task::spawn_blocking(load).await.map_err(|error| error.to_string())??;
    report(&control.services.metrics, &loaded.skipped);
    let mut book = loaded.book;
    for card in before.cards() {
        let id = card.id();
        let Some(now) = book.card(id) else {
            tracing::warn!(card = %id, "no file has this card any more; it stays in use until a \
                    restart");
            book = book.with_card_of(&before, id);
            continue;
        };
        for gone in card.versions().iter().filter(|old| now.version(old.effective()).is_none()) {
            tracing::warn!(card = %id, begins = %gone.effective(), "no file has this version any \
                    more; the version before it has its prices");
        }
    }
    control.services.prices.store(Arc::new(book));
    control.rate_card_dir.store(directory.map(Arc::new));
    Ok(())
}

/// Names the files that were left out, with all that is wrong with each.
pub fn report(metrics: &Metrics, skipped: &[SkippedFile]) {
    metrics.rate_cards_skipped(skipped.len());
    for SkippedFile { name, reasons, kept } in skipped {
        let then = if *kept {
            "what was accepted under its name before stays in use"
        } else {
            "it prices nothing"
        };
        for reason in reasons {
            tracing::warn!(file = %name, %reason, then, "a rate card file is left out");
        }
    }
}

/// Puts a version that has not begun anywhere on Earth, as a CSV. It is on disk before it is in
/// use.
///
/// # Errors
/// Every mistake of the file, a version that may be in force, no directory to keep it in; unless
/// `confirm` or the file itself confirms it, every rate that moves more than tenfold, and a version
/// that is all zero.
pub async fn put_version(
    control: &Control,
    principal: &Principal,
    card: &str,
    begins: Date,
    file: &[u8],
    confirm: bool,
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
    let csv = text_of(file).map_err(|error| invalid(&[error]))?;
    let with_it = book.with_version(card, begins, csv).map_err(|errors| invalid(&errors))?;
    let changes = with_it.large_changes(card, begins, &book);
    if !confirm && !confirms(csv) && !changes.is_empty() {
        return Err(unconfirmed(&changes, csv));
    }
    let (card, text) = (card.to_owned(), csv.to_owned());
    let what = "a rate card could not be kept";
    tokio::task::spawn_blocking(move || {
        rate_cards::store(&directory, &card, begins, &text, confirm)
    })
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

/// Rates that a person must confirm.
fn unconfirmed(changes: &[ImportError], csv: &str) -> ControlError {
    let ControlError::Invalid { fields, .. } = invalid(changes) else { return invalid(changes) };
    let what = match changes {
        [only] => only.problem.to_string(),
        several => format!("{} rates move more than tenfold, or all are zero", several.len()),
    };
    let detail = format!(
        "{what}; if that is meant, repeat it with ?confirm=large_change, or with the line {:?} in \
         the file",
        confirmation(csv)
    );
    ControlError::Invalid { detail, fields }
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
