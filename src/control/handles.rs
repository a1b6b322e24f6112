//! What business operations work on, and the writing of settings documents.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use serde::Serialize;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

use super::error::ControlError;
use super::put::Existing;
use crate::catalog::Snapshot;
use crate::ids::AccountId;
use crate::ledger::operation::MAX_BATCH;
use crate::ledger::{DocumentKind, Operation, Verdict};
use crate::services::Services;

/// What business operations work on.
pub struct Control {
    /// The handles shared with sends and jobs.
    pub services: Arc<Services>,
    /// The directory of rate card versions, `<id>-<date>.csv`; without one none can be put.
    pub(super) rate_card_dir: ArcSwapOption<PathBuf>,
    /// Held while settings are read, changed and written back. It orders the operations of this
    /// gateway; between two gateways the last one wins.
    settings: Mutex<()>,
}

impl Control {
    /// Over the shared handles, with the directory in which rate card versions are kept.
    pub fn new(services: Arc<Services>, rate_card_dir: Option<PathBuf>) -> Arc<Control> {
        Arc::new(Control {
            services,
            rate_card_dir: ArcSwapOption::from_pointee(rate_card_dir),
            settings: Mutex::new(()),
        })
    }

    /// The account's settings as the ledger has them now.
    ///
    /// # Errors
    /// No such account, or a fault of the ledger.
    pub async fn snapshot(&self, account: &AccountId) -> Result<Arc<Snapshot>, ControlError> {
        let found = self.services.catalog.reload(account).await?;
        found.ok_or_else(|| ControlError::not_found("account", account))
    }

    /// Brings the ledger up to date with what this gateway has queued for the account, so that a
    /// read shows it.
    ///
    /// # Errors
    /// A fault of the ledger.
    pub async fn catch_up(&self, account: &AccountId) -> Result<(), ControlError> {
        self.services.uncounted.flush(&self.services.batcher, account);
        Ok(self.services.batcher.drain(account).await?)
    }

    /// Waits until no other operation of this gateway changes settings.
    pub(super) async fn lock_settings(&self) -> MutexGuard<'_, ()> {
        self.settings.lock().await
    }

    /// Applies one operation.
    pub(super) async fn call(
        &self,
        account: &AccountId,
        operation: Operation,
    ) -> Result<Verdict, ControlError> {
        Ok(self.services.batcher.call(account, operation).await?)
    }

    /// Writes a settings document and loads the account's settings anew. Returns `false` if nothing
    /// changed.
    pub(super) async fn put_document<T: Serialize>(
        &self,
        account: &AccountId,
        kind: DocumentKind,
        id: &str,
        settings: &T,
        existing: Existing,
    ) -> Result<bool, ControlError> {
        let operation = put_operation(kind, id, settings, existing)?;
        self.change_document(account, operation).await
    }

    /// Removes a settings document and loads the account's settings anew. Returns `false` if there
    /// was none.
    pub(super) async fn delete_document(
        &self,
        account: &AccountId,
        kind: DocumentKind,
        id: &str,
    ) -> Result<bool, ControlError> {
        self.change_document(account, Operation::DeleteDocument { kind, id: id.into() }).await
    }

    /// Makes many changes of documents, a batch of the ledger at a time, and loads the account's
    /// settings anew. Returns how many changed anything; what was done before a fault stays done.
    pub(super) async fn change_documents(
        &self,
        account: &AccountId,
        operations: Vec<Operation>,
    ) -> Result<usize, ControlError> {
        if operations.is_empty() {
            return Ok(0);
        }
        let mut changed = 0;
        let mut waiting = operations.into_iter();
        loop {
            let mut batch = JoinSet::new();
            for operation in waiting.by_ref().take(MAX_BATCH) {
                let (batcher, account) = (self.services.batcher.clone(), account.clone());
                batch.spawn(async move { batcher.call(&account, operation).await });
            }
            if batch.is_empty() {
                break;
            }
            for verdict in batch.join_all().await {
                match verdict? {
                    Verdict::Document { changed: yes, .. } => changed += usize::from(yes),
                    other => return Err(ControlError::unexpected(&other)),
                }
            }
        }
        self.services.catalog.reload(account).await?;
        Ok(changed)
    }

    async fn change_document(
        &self,
        account: &AccountId,
        operation: Operation,
    ) -> Result<bool, ControlError> {
        match self.call(account, operation).await? {
            Verdict::Document { changed, .. } => {
                self.services.catalog.reload(account).await?;
                Ok(changed)
            }
            other => Err(ControlError::unexpected(&other)),
        }
    }
}

/// The operation that writes a settings document.
pub(super) fn put_operation<T: Serialize>(
    kind: DocumentKind,
    id: &str,
    settings: &T,
    existing: Existing,
) -> Result<Operation, ControlError> {
    let body = serde_json::to_string(settings)
        .map_err(|error| ControlError::internal("settings could not be written", &error))?;
    let only_if_absent = existing == Existing::Keep;
    Ok(Operation::PutDocument { kind, id: id.into(), body: body.into(), only_if_absent })
}
