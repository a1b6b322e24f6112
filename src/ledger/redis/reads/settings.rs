//! Reads of accounts and their settings documents.

use std::collections::HashMap;

use super::page;
use crate::ids::AccountId;
use crate::ledger::redis::RedisLedger;
use crate::ledger::redis::keys::DOCUMENT_SHARDS;
use crate::ledger::redis::packed;
use crate::ledger::{Document, DocumentKind, Documents, LedgerFault, Page, PageRequest};

/// Tries to read all settings between two changes.
const DOCUMENT_READS: usize = 8;

impl RedisLedger {
    pub(super) async fn list_accounts(
        &self,
        request: &PageRequest,
    ) -> Result<Page<AccountId>, LedgerFault> {
        let wanted = request.limit.saturating_add(1);
        let (mut found, mut after) = (Vec::new(), request.cursor.clone());
        loop {
            let mut pipe = redis::pipe();
            let from = after.as_ref().map_or("-".to_owned(), |cursor| format!("({cursor}"));
            pipe.cmd("ZRANGEBYLEX")
                .arg(self.keys.accounts())
                .arg(from)
                .arg("+")
                .arg("LIMIT")
                .arg(0)
                .arg(wanted);
            let (ids,): (Vec<String>,) = self.pipe(&pipe).await?;
            let last = ids.len() < wanted;
            after = ids.last().cloned();
            let ids: Vec<AccountId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
            if !ids.is_empty() {
                let mut pipe = redis::pipe();
                for id in &ids {
                    pipe.cmd("EXISTS").arg(self.keys.of(id).account());
                }
                let exist: Vec<bool> = self.pipe(&pipe).await?;
                found.extend(
                    ids.into_iter().zip(exist).filter(|(_, exists)| *exists).map(|(id, _)| id),
                );
            }
            if last || found.len() >= wanted {
                return Ok(page(found, request.limit, AccountId::to_string));
            }
        }
    }

    pub(super) async fn read_settings_version(
        &self,
        account: &AccountId,
    ) -> Result<u64, LedgerFault> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGET").arg(self.keys.of(account).account()).arg("settings");
        let (version,): (Option<u64>,) = self.pipe(&pipe).await?;
        Ok(version.unwrap_or(0))
    }

    /// The version is read before and after the documents: if it is the same, nothing has changed
    /// between.
    pub(super) async fn read_documents(
        &self,
        account: &AccountId,
    ) -> Result<Documents, LedgerFault> {
        let keys = self.keys.of(account);
        let mut pipe = redis::pipe();
        pipe.cmd("HGET").arg(keys.account()).arg("settings");
        for shard in 0..DOCUMENT_SHARDS {
            pipe.cmd("HGETALL").arg(keys.documents(shard));
        }
        pipe.cmd("HGET").arg(keys.account()).arg("settings");
        let unreadable = || packed::unreadable("settings document");
        for _ in 0..DOCUMENT_READS {
            let mut replies = self.pipe::<Vec<redis::Value>>(&pipe).await?.into_iter();
            let before = replies.next().ok_or_else(unreadable)?;
            let after = replies.next_back().ok_or_else(unreadable)?;
            if before != after {
                continue;
            }
            let version: Option<u64> = redis::from_redis_value(before).map_err(|_| unreadable())?;
            let mut documents = Vec::new();
            for shard in replies {
                let fields: HashMap<String, String> =
                    redis::from_redis_value(shard).map_err(|_| unreadable())?;
                for (name, body) in fields {
                    let (kind, id) = name.split_once('/').ok_or_else(unreadable)?;
                    let kind = DocumentKind::from_name(kind).ok_or_else(unreadable)?;
                    documents.push(Document { kind, id: id.into(), body: body.into() });
                }
            }
            documents.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
            return Ok(Documents { settings_version: version.unwrap_or(0), documents });
        }
        Err(LedgerFault::Unavailable("the settings changed each time they were read".into()))
    }
}
