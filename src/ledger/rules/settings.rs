//! Settings documents: each change raises the version that every reserve must carry.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::sync::Arc;

use crate::ledger::Verdict;
use crate::ledger::operation::DocumentKind;
use crate::ledger::state::{AccountState, Row};

impl AccountState {
    pub(super) fn put_document(
        &mut self,
        kind: DocumentKind,
        id: &Arc<str>,
        body: &Arc<str>,
        only_if_absent: bool,
    ) -> Verdict {
        if !self.check_put_document(kind, id, body, only_if_absent) {
            return self.document_verdict(false);
        }
        self.documents.insert((kind, id.clone()), body.clone());
        self.touch(Row::Document(kind, id.clone()));
        self.raise_version();
        self.document_verdict(true)
    }

    /// Whether the put changes anything.
    fn check_put_document(
        &self,
        kind: DocumentKind,
        id: &Arc<str>,
        body: &Arc<str>,
        only_if_absent: bool,
    ) -> bool {
        let found = self.documents.get(&(kind, id.clone()));
        !found.is_some_and(|found| only_if_absent || found == body)
    }

    pub(super) fn delete_document(&mut self, kind: DocumentKind, id: &Arc<str>) -> Verdict {
        if !self.check_delete_document(kind, id) {
            return self.document_verdict(false);
        }
        self.documents.remove(&(kind, id.clone()));
        self.touch(Row::Document(kind, id.clone()));
        self.raise_version();
        self.document_verdict(true)
    }

    /// Whether the deletion changes anything.
    fn check_delete_document(&self, kind: DocumentKind, id: &Arc<str>) -> bool {
        self.documents.contains_key(&(kind, id.clone()))
    }

    fn raise_version(&mut self) {
        self.head.settings_version = self.head.settings_version.saturating_add(1);
        self.touch(Row::Account);
    }

    const fn document_verdict(&self, changed: bool) -> Verdict {
        Verdict::Document { changed, settings_version: self.head.settings_version }
    }
}
