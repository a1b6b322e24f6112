//! What can go wrong with the file of an embedded ledger.

use rusqlite::ErrorCode;

use super::compact::Malformed;
use crate::ledger::{Cause, FaultReason, LedgerFault};

/// What can go wrong with the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the ledger holds a record this version cannot read: {0}")]
    Record(String),
    #[error(
        "the ledger was written by a newer version (its format is {found}, this version reads up \
         to {known})"
    )]
    Format { found: i64, known: i64 },
}

impl From<Malformed> for StoreError {
    fn from(malformed: Malformed) -> StoreError {
        StoreError::Record(malformed.to_string())
    }
}

impl StoreError {
    /// Whether there was no room on the disk.
    pub(super) fn is_full(&self) -> bool {
        let StoreError::Sqlite(error) = self else { return false };
        error.sqlite_error_code() == Some(ErrorCode::DiskFull)
    }

    /// The fault of a ledger on such a file, in the right word.
    pub(super) fn as_fault(&self, what: &str) -> LedgerFault {
        let reason = match self {
            StoreError::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => FaultReason::DiskFull,
                Some(
                    ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::PermissionDenied
                    | ErrorCode::SystemIoFailure,
                ) => FaultReason::Unwritable,
                _ => FaultReason::Other,
            },
            StoreError::Record(_) | StoreError::Format { .. } => FaultReason::Other,
        };
        LedgerFault::Unavailable(Cause::new(reason, format!("{what}: {self}")))
    }
}
