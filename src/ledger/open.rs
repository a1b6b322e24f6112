//! Opens the ledger that a URL names.

use std::path::Path;
use std::time::Duration;

use super::OpenLedger;
use super::embedded::EmbeddedLedger;
use super::redis::{RedisLedger, RedisOptions};
use super::store_tls::StoreTlsFiles;
use crate::clock::Clock;

/// What a ledger is opened with.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// How long one call to a store may take.
    pub deadline: Duration,
    /// What every name in a shared store begins with.
    pub key_prefix: String,
    /// Open a store whose settings may lose money.
    pub allow_unsafe: bool,
    /// Certificates for a store that is reached by TLS.
    pub tls: StoreTlsFiles,
}

/// A ledger that cannot be opened: one sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ledger cannot be opened: {0}")]
pub struct LedgerOpenError(pub String);

/// Opens `embedded:DIR`, or a Redis ledger for every other URL; an unsupported one fails with a
/// sentence.
///
/// # Errors
/// A sentence about what is wrong with the URL, the directory or the store.
pub async fn open(
    url: &str,
    options: LedgerOptions,
    clock: Clock,
) -> Result<OpenLedger, LedgerOpenError> {
    if let Some(directory) = url.strip_prefix("embedded:") {
        let directory = Path::new(directory).to_owned();
        let opened =
            tokio::task::spawn_blocking(move || EmbeddedLedger::open(&directory, clock)).await;
        return match opened {
            Ok(Ok(ledger)) => Ok(ledger.into_open()),
            Ok(Err(error)) => Err(LedgerOpenError(error.to_string())),
            Err(error) => Err(LedgerOpenError(error.to_string())),
        };
    }
    let LedgerOptions { deadline, key_prefix, allow_unsafe, tls } = options;
    let options = RedisOptions { deadline, key_prefix, allow_unsafe, tls, clock };
    let ledger = RedisLedger::connect(url, options)
        .await
        .map_err(|error| LedgerOpenError(error.to_string()))?;
    Ok(ledger.into_open())
}
