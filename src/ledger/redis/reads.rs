//! Redis behind the trait. Lists are read in pages from sorted buckets. Nothing is read in a
//! transaction: a full server refuses those.

use std::collections::{BTreeSet, HashMap};

use redis::Pipeline;

use super::RedisLedger;
use super::keys::{self, AccountKeys, CAMPAIGN_INDEXES, DOCUMENT_SHARDS, USAGE_BUCKETS};
use super::link::Link;
use super::stored::{self, Exhaustion, Fields};
use crate::ids::{AccountId, CampaignId, HoldId, PortfolioId, WalletId};
use crate::ledger::{
    Batch, CampaignView, ClaimKind, Claims, Document, DocumentKind, Documents, Entry, Event,
    HoldState, HoldView, Ledger, LedgerFault, LedgerFuture, LedgerReads, Page, PageRequest,
    UsageRow, Verdict, WalletView,
};

/// Buckets of holds read in one round trip.
const BUCKETS_AT_ONCE: usize = 16;

/// Journal records read in one round trip, and round trips in one page: a page may be short, but it
/// always gets further.
const RECORDS_AT_ONCE: usize = 200;
const ROUNDS: usize = 20;

/// Tries to read all settings between two changes.
const DOCUMENT_READS: usize = 8;

/// A place taken in the messaging limit, in minutes after the minute of the last accepted send.
const PLACE_MINUTES: i64 = 1440;

fn foreign_cursor() -> LedgerFault {
    LedgerFault::Refused("that cursor is not one of this list's".into())
}

/// Cuts a list that was read one item longer than asked, and names where the next page begins.
fn page<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(cursor) } else { None };
    Page { items, next }
}

type Bytes = Vec<u8>;
type Exhaustions = HashMap<WalletId, Exhaustion>;

/// `WalletView`s in order, and what their campaigns' states hang on.
fn wallets_of(stored: &Fields) -> Result<(Vec<WalletView>, Exhaustions), LedgerFault> {
    let (mut views, mut exhaustions) = (Vec::with_capacity(stored.len()), HashMap::new());
    for (id, packed) in stored {
        let id: WalletId = id.parse().map_err(|_| stored::unreadable("wallet"))?;
        let (view, exhaustion) = stored::wallet(id.clone(), packed)?;
        views.push(view);
        exhaustions.insert(id, exhaustion);
    }
    views.sort_by(|a, b| a.id.cmp(&b.id));
    Ok((views, exhaustions))
}

impl RedisLedger {
    async fn pipe<T: redis::FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, LedgerFault> {
        self.open()?;
        self.reads.run(async |live| pipe.query_async(&mut live.connection.clone()).await).await
    }

    async fn list_accounts(&self, request: &PageRequest) -> Result<Page<AccountId>, LedgerFault> {
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

    /// The version is read before and after the documents: where it is the same, nothing has
    /// changed between.
    async fn read_documents(&self, account: &AccountId) -> Result<Documents, LedgerFault> {
        let keys = self.keys.of(account);
        let mut pipe = redis::pipe();
        pipe.cmd("HGET").arg(keys.account()).arg("settings");
        for shard in 0..DOCUMENT_SHARDS {
            pipe.cmd("HGETALL").arg(keys.documents(shard));
        }
        pipe.cmd("HGET").arg(keys.account()).arg("settings");
        let unreadable = || stored::unreadable("settings document");
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

    async fn read_wallets(&self, account: &AccountId) -> Result<Vec<WalletView>, LedgerFault> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(self.keys.of(account).wallets());
        let (fields,): (Fields,) = self.pipe(&pipe).await?;
        Ok(wallets_of(&fields)?.0)
    }

    async fn read_campaigns(
        &self,
        account: &AccountId,
        ids: &[CampaignId],
    ) -> Result<Vec<CampaignView>, LedgerFault> {
        let keys = self.keys.of(account);
        let mut pipe = redis::pipe();
        for id in ids {
            pipe.cmd("HGETALL").arg(keys.campaign(id));
        }
        // After the campaigns, whose state hangs on their wallets.
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

    async fn list_campaigns(
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

    async fn read_usage(
        &self,
        account: &AccountId,
        from_day: i32,
        to_day: i32,
    ) -> Result<Vec<UsageRow>, LedgerFault> {
        let keys = self.keys.of(account);
        let days = i64::from(from_day)..=i64::from(to_day);
        let buckets: BTreeSet<i64> =
            days.take(64).map(|day| day.rem_euclid(USAGE_BUCKETS)).collect();
        if buckets.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for bucket in buckets {
            pipe.cmd("HGETALL").arg(keys.usage(bucket));
        }
        let replies: Vec<HashMap<String, i64>> = self.pipe(&pipe).await?;
        let mut rows = HashMap::new();
        for (field, value) in replies.iter().flatten() {
            stored::usage(&mut rows, field, *value, (from_day, to_day))?;
        }
        let mut rows: Vec<UsageRow> = rows.into_values().collect();
        rows.sort_by(|a, b| {
            (a.day, &a.channel, a.country, a.category)
                .cmp(&(b.day, &b.channel, b.country, b.category))
        });
        Ok(rows)
    }

    async fn read_hold(
        &self,
        account: &AccountId,
        id: HoldId,
    ) -> Result<Option<HoldView>, LedgerFault> {
        let keys = self.keys.of(account);
        let mut pipe = redis::pipe();
        // In this order: a hold goes from open to in doubt and never back.
        pipe.cmd("HGET").arg(keys.open(keys::open_second(id))).arg(id.as_bytes());
        pipe.cmd("HGET").arg(keys.doubt(keys::doubt_minute(id))).arg(id.as_bytes());
        let (open, doubt): (Option<Bytes>, Option<Bytes>) = self.pipe(&pipe).await?;
        let open = open.map(|packed| (HoldState::Open, packed));
        let found = open.or(doubt.map(|packed| (HoldState::InDoubt, packed)));
        found.map(|(state, packed)| stored::hold(id, state, &packed)).transpose()
    }

    async fn list_holds(
        &self,
        account: &AccountId,
        state: Option<HoldState>,
        request: &PageRequest,
    ) -> Result<Page<HoldView>, LedgerFault> {
        let after = request
            .cursor
            .as_deref()
            .map(str::parse::<HoldId>)
            .transpose()
            .map_err(|_| foreign_cursor())?;
        let mut found = Vec::new();
        for kind in [HoldState::Open, HoldState::InDoubt] {
            if state.is_none_or(|state| state == kind) {
                found.extend(
                    self.holds_after(
                        &self.keys.of(account),
                        kind,
                        after,
                        request.limit.saturating_add(1),
                    )
                    .await?,
                );
            }
        }
        found.sort_by_key(|view| view.id);
        // A hold that became in doubt between the two reads was seen twice.
        found.dedup_by_key(|view| view.id);
        Ok(page(found, request.limit, |view: &HoldView| view.id.to_string()))
    }

    /// The first `wanted` holds of one state after `after`, in order, or more.
    async fn holds_after(
        &self,
        keys: &AccountKeys,
        state: HoldState,
        after: Option<HoldId>,
        wanted: usize,
    ) -> Result<Vec<HoldView>, LedgerFault> {
        let (index, slot_of): (_, fn(HoldId) -> i64) = match state {
            HoldState::Open => (keys.open_index(), keys::open_second),
            HoldState::InDoubt => (keys.doubt_index(), keys::doubt_minute),
        };
        let mut pipe = redis::pipe();
        pipe.cmd("HKEYS").arg(index);
        let (mut slots,): (Vec<i64>,) = self.pipe(&pipe).await?;
        slots.retain(|slot| after.is_none_or(|after| *slot >= slot_of(after)));
        slots.sort_unstable();
        let mut found = Vec::new();
        for slots in slots.chunks(BUCKETS_AT_ONCE) {
            let mut pipe = redis::pipe();
            for slot in slots {
                pipe.cmd("HGETALL").arg(if state == HoldState::Open {
                    keys.open(*slot)
                } else {
                    keys.doubt(*slot)
                });
            }
            let buckets: Vec<HashMap<Bytes, Bytes>> = self.pipe(&pipe).await?;
            for (slot, bucket) in slots.iter().zip(&buckets) {
                for (id, packed) in bucket {
                    let id = stored::hold_id(id).ok_or_else(|| stored::unreadable("hold"))?;
                    // A bucket is used again for later slots.
                    if slot_of(id) == *slot && after.is_none_or(|after| id > after) {
                        found.push(stored::hold(id, state, packed)?);
                    }
                }
            }
            if found.len() >= wanted {
                break;
            }
        }
        Ok(found)
    }

    /// A cursor is the place of the last entry in the journal: its record's time, and its sequence.
    async fn list_entries(
        &self,
        account: &AccountId,
        wallet: &WalletId,
        range: (i64, i64),
        request: &PageRequest,
    ) -> Result<Page<Entry>, LedgerFault> {
        let place = |text: &str| {
            let (at, sequence) = text.split_once('-')?;
            Some((at.parse::<i64>().ok()?, sequence.parse::<u64>().ok()?))
        };
        let cursor = request
            .cursor
            .as_deref()
            .map(|text| place(text).ok_or_else(foreign_cursor))
            .transpose()?;
        let mut from = match cursor {
            Some((at, sequence)) if at >= range.0 => format!("{at}-{sequence}"),
            _ => format!("{}-0", range.0.max(0)),
        };
        let after = cursor.map_or(0, |(_, sequence)| sequence);
        let to = range.1.saturating_sub(1);
        if to < 0 || to < range.0 {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let mut found: Vec<Entry> = Vec::new();
        let mut reached = None;
        for _ in 0..ROUNDS {
            let mut pipe = redis::pipe();
            pipe.cmd("XRANGE")
                .arg(self.keys.of(account).journal())
                .arg(&from)
                .arg(to)
                .arg("COUNT")
                .arg(RECORDS_AT_ONCE);
            let (records,): (Vec<(String, Vec<Bytes>)>,) = self.pipe(&pipe).await?;
            for (id, fields) in &records {
                let (at_ms, last) =
                    place(id).ok_or_else(|| stored::unreadable("statement entry"))?;
                let packed: Vec<&Bytes> = fields.iter().skip(1).step_by(2).collect();
                let first = (last + 1).saturating_sub(packed.len() as u64);
                for (sequence, packed) in (first..).zip(packed) {
                    let entry = stored::entry(sequence, at_ms, packed)?;
                    if entry.wallet == *wallet && sequence > after {
                        found.push(entry);
                    }
                }
                reached = Some((at_ms, last));
            }
            if records.len() < RECORDS_AT_ONCE {
                reached = None;
                break;
            }
            if found.len() > request.limit {
                break;
            }
            if let Some((at, last)) = reached {
                from = format!("({at}-{last}");
            }
        }
        let mut page = page(found, request.limit, |entry: &Entry| {
            format!("{}-{}", entry.at_ms, entry.sequence)
        });
        page.next = page.next.or(reached.map(|(at, last)| format!("{at}-{last}")));
        Ok(page)
    }

    async fn list_events(
        &self,
        account: &AccountId,
        request: &PageRequest,
    ) -> Result<Page<Event>, LedgerFault> {
        let after: u64 = request
            .cursor
            .as_deref()
            .map_or(Ok(0), |text| text.parse().map_err(|_| foreign_cursor()))?;
        let mut pipe = redis::pipe();
        let from = format!("{}-0", after.saturating_add(1));
        pipe.cmd("XRANGE")
            .arg(self.keys.of(account).events())
            .arg(from)
            .arg("+")
            .arg("COUNT")
            .arg(request.limit.saturating_add(1));
        let (records,): (Vec<(String, Vec<Bytes>)>,) = self.pipe(&pipe).await?;
        let event = |(id, fields): &(String, Vec<Bytes>)| {
            let sequence = id.split_once('-').and_then(|(sequence, _)| sequence.parse().ok());
            let packed = fields.get(1);
            let (sequence, packed) =
                sequence.zip(packed).ok_or_else(|| stored::unreadable("event"))?;
            stored::event(sequence, packed)
        };
        let events = records.iter().map(event).collect::<Result<_, _>>()?;
        Ok(page(events, request.limit, |event: &Event| event.sequence.to_string()))
    }

    async fn count_in_doubt(&self, account: &AccountId) -> Result<u64, LedgerFault> {
        let mut pipe = redis::pipe();
        pipe.cmd("HVALS").arg(self.keys.of(account).doubt_index());
        let (counts,): (Vec<u64>,) = self.pipe(&pipe).await?;
        Ok(counts.iter().sum())
    }

    async fn count_window(
        &self,
        account: &AccountId,
        portfolio: &PortfolioId,
    ) -> Result<u32, LedgerFault> {
        let keys = self.keys.of(account);
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL")
            .arg(keys.counts(portfolio))
            .cmd("HGET")
            .arg(keys.account())
            .arg("last")
            .cmd("TIME");
        let (counts, last, (seconds, _micros)): (HashMap<String, i64>, Option<i64>, (i64, i64)) =
            self.pipe(&pipe).await?;
        let store_ms = self.clock.fixed_now_ms().unwrap_or_else(|| seconds.saturating_mul(1000));
        let minute = store_ms.max(last.unwrap_or(0)).div_euclid(60_000);
        let over = |field: &str| {
            field.parse::<i64>().is_ok_and(|last| minute.saturating_sub(last) > PLACE_MINUTES)
        };
        let gone: i64 =
            counts.iter().filter(|(field, _)| over(field)).map(|(_, places)| places).sum();
        Ok(u32::try_from(counts.get("taken").map_or(0, |taken| taken.saturating_sub(gone)))
            .unwrap_or(0))
    }

    pub(super) async fn read_claim(
        &self,
        kind: ClaimKind,
        name: &str,
    ) -> Result<Option<String>, LedgerFault> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGET").arg(self.keys.claims(kind)).arg(name);
        let (owner,): (Option<String>,) = self.pipe(&pipe).await?;
        Ok(owner)
    }

    async fn answers(&self, link: &Link) -> Result<(), LedgerFault> {
        self.open()?;
        link.run(async |live| redis::cmd("PING").exec_async(&mut live.connection.clone()).await)
            .await
    }
}

impl Ledger for RedisLedger {
    fn apply<'a>(
        &'a self,
        account: &'a AccountId,
        batch: &'a Batch,
    ) -> LedgerFuture<'a, Vec<Verdict>> {
        Box::pin(self.apply_batch(account, batch))
    }

    fn close(&self) -> LedgerFuture<'_, ()> {
        Box::pin(async {
            self.closed.store(true, std::sync::atomic::Ordering::Release);
            Ok(())
        })
    }
}

impl Claims for RedisLedger {
    fn claim<'a>(
        &'a self,
        kind: ClaimKind,
        name: &'a str,
        owner: &'a str,
    ) -> LedgerFuture<'a, String> {
        Box::pin(self.take_claim(kind, name, owner))
    }

    fn unclaim<'a>(
        &'a self,
        kind: ClaimKind,
        name: &'a str,
        owner: &'a str,
    ) -> LedgerFuture<'a, ()> {
        Box::pin(self.give_claim(kind, name, owner))
    }

    fn claimed<'a>(&'a self, kind: ClaimKind, name: &'a str) -> LedgerFuture<'a, Option<String>> {
        Box::pin(self.read_claim(kind, name))
    }

    fn gateways_alive<'a>(&'a self, gateway: &'a str) -> LedgerFuture<'a, u32> {
        Box::pin(self.count_gateways(gateway))
    }
}

impl LedgerReads for RedisLedger {
    fn accounts<'a>(&'a self, page: &'a PageRequest) -> LedgerFuture<'a, Page<AccountId>> {
        Box::pin(self.list_accounts(page))
    }

    fn documents<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, Documents> {
        Box::pin(self.read_documents(account))
    }

    fn wallets<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, Vec<WalletView>> {
        Box::pin(self.read_wallets(account))
    }

    fn campaign<'a>(
        &'a self,
        account: &'a AccountId,
        campaign: &'a CampaignId,
    ) -> LedgerFuture<'a, Option<CampaignView>> {
        Box::pin(async move {
            Ok(self.read_campaigns(account, std::slice::from_ref(campaign)).await?.pop())
        })
    }

    fn campaigns<'a>(
        &'a self,
        account: &'a AccountId,
        page: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<CampaignView>> {
        Box::pin(self.list_campaigns(account, page))
    }

    fn usage<'a>(
        &'a self,
        account: &'a AccountId,
        from_day: i32,
        to_day: i32,
    ) -> LedgerFuture<'a, Vec<UsageRow>> {
        Box::pin(self.read_usage(account, from_day, to_day))
    }

    fn holds<'a>(
        &'a self,
        account: &'a AccountId,
        state: Option<HoldState>,
        page: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<HoldView>> {
        Box::pin(self.list_holds(account, state, page))
    }

    fn hold<'a>(
        &'a self,
        account: &'a AccountId,
        hold: HoldId,
    ) -> LedgerFuture<'a, Option<HoldView>> {
        Box::pin(self.read_hold(account, hold))
    }

    fn holds_in_doubt<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, u64> {
        Box::pin(self.count_in_doubt(account))
    }

    fn entries<'a>(
        &'a self,
        account: &'a AccountId,
        wallet: &'a WalletId,
        from_ms: i64,
        to_ms: i64,
        page: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<Entry>> {
        Box::pin(self.list_entries(account, wallet, (from_ms, to_ms), page))
    }

    fn events<'a>(
        &'a self,
        account: &'a AccountId,
        page: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<Event>> {
        Box::pin(self.list_events(account, page))
    }

    fn window_used<'a>(
        &'a self,
        account: &'a AccountId,
        portfolio: &'a PortfolioId,
    ) -> LedgerFuture<'a, u32> {
        Box::pin(self.count_window(account, portfolio))
    }

    fn ping(&self) -> LedgerFuture<'_, ()> {
        Box::pin(self.answers(&self.writes))
    }
}
