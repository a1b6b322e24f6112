//! Gathers everything that is wrong with an input, so that it is reported at once.

use super::error::{ControlError, FieldError};
use crate::catalog::validate::FieldMistake;

/// The wrong fields found so far.
#[derive(Debug, Default)]
pub struct Mistakes(Vec<FieldError>);

impl Mistakes {
    /// Adds one.
    pub fn add(&mut self, field: &str, detail: impl Into<String>) {
        self.0.push(FieldError { field: field.to_owned(), line: None, detail: detail.into() });
    }

    /// Adds one unless `right`.
    pub fn expect(&mut self, right: bool, field: &str, detail: impl Into<String>) {
        if !right {
            self.add(field, detail);
        }
    }

    /// Adds the mistake of a validating function, if there is one.
    pub fn validate(&mut self, field: &str, verdict: Result<(), String>) {
        if let Err(message) = verdict {
            self.add(field, message);
        }
    }

    /// Fails if there is any mistake.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] with all of them.
    pub fn check(self) -> Result<(), ControlError> {
        if self.0.is_empty() { Ok(()) } else { Err(self.into()) }
    }
}

impl From<Mistakes> for ControlError {
    fn from(mistakes: Mistakes) -> ControlError {
        let words = |error: &FieldError| format!("{}: {}", error.field, error.detail);
        let detail: Vec<String> = mistakes.0.iter().map(words).collect();
        ControlError::Invalid { detail: detail.join("; "), fields: mistakes.0 }
    }
}

impl From<Vec<FieldMistake>> for ControlError {
    fn from(found: Vec<FieldMistake>) -> ControlError {
        let mut mistakes = Mistakes::default();
        for mistake in found {
            mistakes.add(mistake.field, mistake.message);
        }
        mistakes.into()
    }
}

/// One field that does not fit.
pub(super) fn field(field: &str, detail: impl Into<String>) -> ControlError {
    let mut mistakes = Mistakes::default();
    mistakes.add(field, detail);
    mistakes.into()
}
