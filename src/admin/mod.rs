//! The Admin API: accounts, channels, WABAs, templates, keys, wallets, campaigns, statements,
//! usage, holds, events and rate cards as HTTP resources, one file each. Every call takes the way
//! of `spine`; which calls there are is the table in [`routes`].

pub mod accounts;
pub mod call;
pub mod campaigns;
pub mod channels;
mod events;
mod holds;
pub mod keys;
mod limits;
pub mod openapi;
pub mod ops;
pub mod problem;
pub mod rate_cards;
pub mod routes;
mod spine;
mod statement;
mod table;
mod template_sync;
pub mod templates;
mod usage;
pub mod wabas;
pub mod wallets;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::Router;
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::catalog::Snapshot;
use crate::ids::AccountId;
use crate::ledger::operation::MAX_BATCH;
use crate::ledger::{DocumentKind, Operation, Verdict};
use crate::services::Services;
use ops::Ops;
use problem::Problem;

/// Everything admin calls work on.
pub struct Admin {
    /// The handles shared with sends and jobs.
    pub services: Arc<Services>,
    /// Where rate card versions are kept, `<id>-<date>.csv`; without it none can be put.
    pub rate_card_dir: ArcSwapOption<PathBuf>,
    /// Liveness, readiness and metrics, which the admin listener serves too.
    pub ops: Arc<Ops>,
    /// Default; see [`SettingsLock`].
    pub settings: SettingsLock,
}

/// Held while settings are read, changed and written back. It orders the calls of this gateway;
/// between two gateways the last one wins.
#[derive(Debug, Default)]
pub struct SettingsLock(tokio::sync::Mutex<()>);

impl SettingsLock {
    pub(crate) async fn hold(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.lock().await
    }
}

/// What becomes of something that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays as it is, whatever it says: declared objects are a beginning, not the state.
    Keep,
    /// The new settings take its place.
    Replace,
}

/// What a put did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// There was none.
    New,
    /// There was one; it was kept or replaced as asked.
    Present,
}

/// The Admin API with `/livez`, `/readyz` and `/metrics`.
pub fn router(admin: Arc<Admin>) -> Router {
    let ops = ops::ops_router(admin.ops.clone());
    spine::mount(ops, admin)
}

/// A router as a service for [`crate::http::listener::serve`].
pub fn service(router: Router) -> TowerToHyperService<Router> {
    TowerToHyperService::new(router)
}

impl Admin {
    /// Asks the ledger for one operation.
    pub(crate) async fn call(
        &self,
        account: &AccountId,
        operation: Operation,
    ) -> Result<Verdict, Problem> {
        Ok(self.services.batcher.call(account, operation).await?)
    }

    /// The account's settings as the ledger has them now.
    pub(crate) async fn snapshot(&self, account: &AccountId) -> Result<Arc<Snapshot>, Problem> {
        self.services
            .catalog
            .reload(account)
            .await?
            .ok_or_else(|| Problem::unknown("account", account))
    }

    /// Writes a settings document and loads the account's settings anew; `false` where it stood
    /// there already, or stays as it was.
    pub(crate) async fn put_document<T: Serialize>(
        &self,
        account: &AccountId,
        kind: DocumentKind,
        id: &str,
        settings: &T,
        existing: Existing,
    ) -> Result<bool, Problem> {
        let operation = self.put_operation(kind, id, settings, existing)?;
        self.change_documents(account, operation).await
    }

    /// What [`Admin::put_document`] asks the ledger for.
    pub(crate) fn put_operation<T: Serialize>(
        &self,
        kind: DocumentKind,
        id: &str,
        settings: &T,
        existing: Existing,
    ) -> Result<Operation, Problem> {
        let body = serde_json::to_string(settings)
            .map_err(|error| Problem::internal("settings could not be written", &error))?;
        Ok(Operation::PutDocument {
            kind,
            id: id.into(),
            body: body.into(),
            only_if_absent: existing == Existing::Keep,
        })
    }

    /// Removes a settings document and loads the account's settings anew; `false` where there was
    /// none.
    pub(crate) async fn delete_document(
        &self,
        account: &AccountId,
        kind: DocumentKind,
        id: &str,
    ) -> Result<bool, Problem> {
        self.change_documents(account, Operation::DeleteDocument { kind, id: id.into() }).await
    }

    /// Makes many changes of documents, a batch of the ledger at a time, and loads the account's
    /// settings anew; how many changed anything. What was done before a fault stays done.
    pub(crate) async fn put_documents(
        &self,
        account: &AccountId,
        operations: Vec<Operation>,
    ) -> Result<usize, Problem> {
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
                    other => return Err(unexpected(&other)),
                }
            }
        }
        self.services.catalog.reload(account).await?;
        Ok(changed)
    }

    async fn change_documents(
        &self,
        account: &AccountId,
        operation: Operation,
    ) -> Result<bool, Problem> {
        match self.call(account, operation).await? {
            Verdict::Document { changed, .. } => {
                self.services.catalog.reload(account).await?;
                Ok(changed)
            }
            other => Err(unexpected(&other)),
        }
    }
}

/// A verdict that does not belong to what was asked.
pub(crate) fn unexpected(verdict: &Verdict) -> Problem {
    Problem::internal("the ledger answered another question", verdict)
}
