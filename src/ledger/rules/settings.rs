//! Settings documents: each change raises the version that every reserve must carry. A change that
//! was made of another document than the ledger has is stale.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::sync::Arc;

use crate::ledger::Verdict;
use crate::ledger::operation::DocumentKind;
use crate::ledger::state::{AccountState, Row};

/// What an operation on a document comes to.
#[derive(PartialEq, Eq)]
enum Change {
    Made,
    Needless,
    Stale,
}

impl AccountState {
    pub(super) fn put_document(
        &mut self,
        kind: DocumentKind,
        id: &Arc<str>,
        body: &Arc<str>,
        only_if_absent: bool,
        replaces: Option<&Arc<str>>,
    ) -> Verdict {
        let change = self.check_put_document(kind, id, body, only_if_absent, replaces);
        if change == Change::Made {
            self.note(Row::Document(kind, id.clone()));
            self.documents.insert((kind, id.clone()), body.clone());
            self.raise_version();
        }
        self.document_verdict(change)
    }

    fn check_put_document(
        &self,
        kind: DocumentKind,
        id: &Arc<str>,
        body: &Arc<str>,
        only_if_absent: bool,
        replaces: Option<&Arc<str>>,
    ) -> Change {
        let found = self.documents.get(&(kind, id.clone()));
        if replaces.is_some() && found != replaces {
            return Change::Stale;
        }
        match found {
            Some(found) if only_if_absent || found == body => Change::Needless,
            _ => Change::Made,
        }
    }

    pub(super) fn delete_document(
        &mut self,
        kind: DocumentKind,
        id: &Arc<str>,
        replaces: Option<&Arc<str>>,
    ) -> Verdict {
        let change = self.check_delete_document(kind, id, replaces);
        if change == Change::Made {
            self.note(Row::Document(kind, id.clone()));
            self.documents.remove(&(kind, id.clone()));
            self.raise_version();
        }
        self.document_verdict(change)
    }

    fn check_delete_document(
        &self,
        kind: DocumentKind,
        id: &Arc<str>,
        replaces: Option<&Arc<str>>,
    ) -> Change {
        match self.documents.get(&(kind, id.clone())) {
            None => Change::Needless,
            Some(found) if replaces.is_some_and(|replaced| replaced != found) => Change::Stale,
            Some(_) => Change::Made,
        }
    }

    fn raise_version(&mut self) {
        self.note(Row::Account);
        self.head.settings_version = self.head.settings_version.saturating_add(1);
    }

    const fn document_verdict(&self, change: Change) -> Verdict {
        let settings_version = self.head.settings_version;
        match change {
            Change::Made => Verdict::Document { changed: true, settings_version },
            Change::Needless => Verdict::Document { changed: false, settings_version },
            Change::Stale => Verdict::StaleSettings,
        }
    }
}
