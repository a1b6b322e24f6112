//! Reads of wallets, campaigns and usage.

use std::collections::HashMap;

use super::page;
use crate::ids::{AccountId, CampaignId, WalletId};
use crate::ledger::calendar::utc_day;
use crate::ledger::redis::RedisLedger;
use crate::ledger::redis::keys::{CAMPAIGN_INDEXES, DAYS};
use crate::ledger::redis::packed;
use crate::ledger::redis::stored::{self, Exhaustion, Fields};
use crate::ledger::{CampaignView, LedgerFault, Page, PageRequest, UsageRow, WalletView};

/// Days of usage read in one round trip.
const DAYS_AT_ONCE: usize = 32;

type Exhaustions = HashMap<WalletId, Exhaustion>;

/// `WalletView`s in order, and what their campaigns' states depend on.
fn wallets_of(stored: &Fields) -> Result<(Vec<WalletView>, Exhaustions), LedgerFault> {
    let (mut views, mut exhaustions) = (Vec::with_capacity(stored.len()), HashMap::new());
    for (id, packed) in stored {
        let id: WalletId = id.parse().map_err(|_| packed::unreadable("wallet"))?;
        let (view, exhaustion) = stored::wallet(id.clone(), packed)?;
        views.push(view);
        exhaustions.insert(id, exhaustion);
    }
    views.sort_by(|a, b| a.id.cmp(&b.id));
    Ok((views, exhaustions))
}

impl RedisLedger {
    pub(super) async fn read_wallets(
        &self,
        account: &AccountId,
    ) -> Result<Vec<WalletView>, LedgerFault> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(self.keys.of(account).wallets());
        let (fields,): (Fields,) = self.pipe(&pipe).await?;
        Ok(wallets_of(&fields)?.0)
    }

    pub(super) async fn read_campaigns(
        &self,
        account: &AccountId,
        ids: &[CampaignId],
    ) -> Result<Vec<CampaignView>, LedgerFault> {
        let keys = self.keys.of(account);
        let mut pipe = redis::pipe();
        for id in ids {
            pipe.cmd("HGETALL").arg(keys.campaign(id));
        }
        // After the campaigns, whose state depends on their wallets.
        pipe.cmd("HGETALL").arg(keys.wallets());
        let mut replies: Vec<Fields> = self.pipe(&pipe).await?;
        let (_, exhaustions) = wallets_of(&replies.pop().unwrap_or_default())?;
        let found = ids.iter().zip(&replies).filter(|(_, fields)| !fields.is_empty());
        found
            .map(|(id, fields)| {
                stored::campaign(id.clone(), fields, |wallet| exhaustions.get(wallet).copied())
            })
            .collect()
    }

    pub(super) async fn list_campaigns(
        &self,
        account: &AccountId,
        request: &PageRequest,
    ) -> Result<Page<CampaignView>, LedgerFault> {
        let keys = self.keys.of(account);
        let from = request.cursor.as_ref().map_or("-".to_owned(), |cursor| format!("({cursor}"));
        let mut pipe = redis::pipe();
        for shard in 0..CAMPAIGN_INDEXES {
            let wanted = request.limit.saturating_add(1);
            pipe.cmd("ZRANGEBYLEX")
                .arg(keys.campaign_index(shard))
                .arg(&from)
                .arg("+")
                .arg("LIMIT")
                .arg(0)
                .arg(wanted);
        }
        let shards: Vec<Vec<String>> = self.pipe(&pipe).await?;
        let mut ids: Vec<CampaignId> =
            shards.iter().flatten().filter_map(|id| id.parse().ok()).collect();
        ids.sort_unstable();
        let ids = page(ids, request.limit, CampaignId::to_string);
        Ok(Page { items: self.read_campaigns(account, &ids.items).await?, next: ids.next })
    }

    pub(super) async fn read_usage(
        &self,
        account: &AccountId,
        from_day: i32,
        to_day: i32,
    ) -> Result<Vec<UsageRow>, LedgerFault> {
        let keys = self.keys.of(account);
        let mut pipe = redis::pipe();
        pipe.cmd("HMGET").arg(keys.account()).arg("last").arg("usage_from");
        let ((last_ms, first_day),): ((Option<i64>, Option<i64>),) = self.pipe(&pipe).await?;
        // A zone may be a day ahead of UTC, and a gateway's clock ahead of the ledger's.
        let last_day = utc_day(last_ms.unwrap_or(0)).saturating_add(2);
        let first_day = first_day.unwrap_or(0).max(last_day.saturating_sub(DAYS - 1));
        let (first_day, last_day) = (first_day.max(from_day.into()), last_day.min(to_day.into()));
        let mut rows: Vec<UsageRow> = Vec::new();
        let mut days = (first_day..=last_day).peekable();
        while days.peek().is_some() {
            let mut pipe = redis::pipe();
            for day in days.by_ref().take(DAYS_AT_ONCE) {
                pipe.cmd("HGETALL").arg(keys.usage(day));
            }
            let replies: Vec<Fields> = self.pipe(&pipe).await?;
            for (name, packed) in replies.iter().flatten() {
                rows.extend(stored::usage_row(name, packed, (from_day, to_day))?);
            }
        }
        rows.sort_by(|a, b| {
            (a.day, &a.channel, a.country, a.category)
                .cmp(&(b.day, &b.channel, b.country, b.category))
        });
        Ok(rows)
    }
}
