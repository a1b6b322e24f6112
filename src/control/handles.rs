//! What business operations work on, and the writing of settings documents.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

use super::error::{Conflict, ControlError};
use super::put::Existing;
use crate::catalog::Snapshot;
use crate::ids::AccountId;
use crate::ledger::operation::MAX_BATCH;
use crate::ledger::{DocumentKind, Operation, Verdict};
use crate::services::Services;

/// How often a change is made anew because another gateway changed the same document meanwhile.
pub(super) const CHANGE_TRIES: usize = 8;

/// A settings document and its text as the ledger has it.
pub(super) struct Stored<T> {
    pub(super) settings: T,
    pub(super) body: Arc<str>,
}

/// What business operations work on.
pub struct Control {
    /// The handles shared with sends and jobs.
    pub services: Arc<Services>,
    /// The directory of rate card versions, `<id>-<date>.csv`; without one none can be put.
    pub(super) rate_card_dir: ArcSwapOption<PathBuf>,
    /// Held while settings are read, changed and written back. It orders the operations of this
    /// gateway; against another's a change names the document that it was made of.
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
        Ok(self.change_document(account, operation).await?.unwrap_or_default())
    }

    /// A settings document as the ledger has it now.
    pub(super) async fn stored<T: DeserializeOwned>(
        &self,
        account: &AccountId,
        kind: DocumentKind,
        id: &str,
    ) -> Result<Option<Stored<T>>, ControlError> {
        let all = self.services.reads.documents(account).await?.documents;
        let Some(found) = all.into_iter().find(|one| one.kind == kind && &*one.id == id) else {
            return Ok(None);
        };
        let settings = serde_json::from_str(&found.body)
            .map_err(|error| ControlError::internal("stored settings cannot be read", &error))?;
        Ok(Some(Stored { settings, body: found.body }))
    }

    /// Changes a settings document that the account has, and returns it as this left it. What
    /// another gateway changes meanwhile is kept: the change is made anew of that.
    ///
    /// # Errors
    /// No such document, what `change` fails with, others that change it again and again, or a
    /// fault of the ledger.
    pub(super) async fn modify_document<T: Serialize + DeserializeOwned + Clone>(
        &self,
        account: &AccountId,
        kind: DocumentKind,
        id: &str,
        change: impl Fn(&mut T) -> Result<(), ControlError>,
    ) -> Result<T, ControlError> {
        for _ in 0..CHANGE_TRIES {
            let stored = self.stored::<T>(account, kind, id).await?;
            let stored = stored.ok_or_else(|| ControlError::not_found(kind.as_str(), id))?;
            let mut settings = stored.settings.clone();
            change(&mut settings)?;
            let body = stored.rewritten(&settings)?;
            let put = Operation::PutDocument {
                kind,
                id: id.into(),
                body: body.into(),
                only_if_absent: false,
                replaces: Some(stored.body),
            };
            if self.change_document(account, put).await?.is_some() {
                return Ok(settings);
            }
        }
        Err(contended(kind, id))
    }

    /// Writes a settings document in the place of the one that was read, or of none, and loads the
    /// account's settings anew. Returns `false` if the ledger has another by now, and nothing was
    /// written.
    pub(super) async fn replace_document<T: Serialize>(
        &self,
        account: &AccountId,
        kind: DocumentKind,
        id: &str,
        settings: &T,
        read: Option<Stored<T>>,
    ) -> Result<bool, ControlError> {
        let body = match &read {
            Some(stored) => stored.rewritten(settings)?,
            None => text_of(settings)?,
        };
        let (new, replaces) = (read.is_none(), read.map(|stored| stored.body));
        let (id, body) = (id.into(), body.into());
        let put = Operation::PutDocument { kind, id, body, only_if_absent: new, replaces };
        let changed = self.change_document(account, put).await?;
        Ok(changed.is_some_and(|changed| changed || !new))
    }

    /// Removes a settings document and loads the account's settings anew. Returns `None` if it is
    /// not what it `replaces` (if that is given), `false` if there was none.
    pub(super) async fn delete_document(
        &self,
        account: &AccountId,
        kind: DocumentKind,
        id: &str,
        replaces: Option<Arc<str>>,
    ) -> Result<Option<bool>, ControlError> {
        let delete = Operation::DeleteDocument { kind, id: id.into(), replaces };
        self.change_document(account, delete).await
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

    /// Whether anything changed; `None` if the document is not what the operation replaces.
    async fn change_document(
        &self,
        account: &AccountId,
        operation: Operation,
    ) -> Result<Option<bool>, ControlError> {
        match self.call(account, operation).await? {
            Verdict::Document { changed, .. } => {
                self.services.catalog.reload(account).await?;
                Ok(Some(changed))
            }
            Verdict::StaleSettings => Ok(None),
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
    let only_if_absent = existing == Existing::Keep;
    let (id, body) = (id.into(), text_of(settings)?.into());
    Ok(Operation::PutDocument { kind, id, body, only_if_absent, replaces: None })
}

fn text_of(settings: &impl Serialize) -> Result<String, ControlError> {
    serde_json::to_string(settings)
        .map_err(|error| ControlError::internal("settings could not be written", &error))
}

/// Others change the same document again and again.
pub(super) fn contended(kind: DocumentKind, id: &str) -> ControlError {
    let detail = format!(
        "the {} document {id} was changed elsewhere each of the {CHANGE_TRIES} times this was \
         tried; nothing was changed, so repeat it",
        kind.as_str()
    );
    ControlError::Conflict(Conflict::Contended, detail)
}

impl<T: Serialize> Stored<T> {
    /// The text of `settings` in its place. What a later version wrote into it and this one does
    /// not know stays.
    fn rewritten(&self, settings: &T) -> Result<String, ControlError> {
        let members = |text: &str| {
            serde_json::from_str::<Map<String, Value>>(text)
                .map_err(|error| ControlError::internal("stored settings cannot be read", &error))
        };
        let (known, new) = (members(&text_of(&self.settings)?)?, text_of(settings)?);
        let mut unknown = members(&self.body)?;
        unknown.retain(|name, _| !known.contains_key(name));
        if unknown.is_empty() {
            return Ok(new);
        }
        unknown.extend(members(&new)?);
        text_of(&unknown)
    }
}
