//! Every name in the store is made here. All names of one account carry the hash
//! tag `{account}`, so that a cluster keeps them in one slot; no name holds a time (days and half
//! days are fields, buckets are numbered in turn), and there is none per hold.
//!
//! What a batch touches is declared, with two exceptions. The first: a hold that is settled,
//! released, marked or swept names its campaign, window, person and key in its stored content,
//! which another gateway or an operator does not know; those names the script makes itself, from
//! the same prefix and kinds. They are in the slot of the declared ones, and the script writes
//! nothing before it has read, so that a slot that is being moved to another node makes the batch
//! fail as a whole. (Shards of people are cleaned likewise.) The second: what few sends need, the
//! script names when it does: what else a recipient is known as and the people of those, a
//! deduplicating campaign's recipients, guarded bodies.

use std::fmt::Write;
use std::hash::BuildHasher;

use crate::ids::{AccountId, CampaignId, FastHash, HoldId, PortfolioId, WalletId};
use crate::ledger::operation::{MAX_CLOCK_SKEW_MS, UNHEARD_ID_MAX, UNHEARD_KEPT_MS, UNHEARD_MAX};
use crate::ledger::parts::{CAMPAIGN_PARTS, part_of};
use crate::ledger::{ClaimKind, Fingerprint, RecipientHash, Retention};

/// Shards of whatever grows with recipients or keys: the first ten bits of a hash, here and in
/// store.lua.
const SHARDS: i64 = 1024;
/// Shards of people: the first twelve bits of a hash, here and in people.lua.
const PEOPLE_SHARDS: i64 = 4096;
/// Blocks by the second of their holds' ids.
const BLOCK_BUCKETS: i64 = 4096;
/// Version of a store's records; another one is refused.
pub(super) const STORE_VERSION: i64 = 3;
/// Version of a block's contents.
pub(super) const BLOCK_VERSION: u8 = 1;
/// What is kept by day, in turn: more days than anything is kept for, so that two never share one.
pub(super) const DAYS: i64 = 4096;
const _: () = assert!(DAYS > Retention::MAX_DAYS as i64 + 32);
/// Shards of the list of campaigns.
pub(super) const CAMPAIGN_INDEXES: u32 = 64;
/// Shards of the settings documents.
pub(super) const DOCUMENT_SHARDS: u32 = 16;
const REFERENCE_SHARDS: u32 = 16;

const ACCOUNT: &str = "account";
const WALLETS: &str = "wallets";
const WRITERS: &str = "writers";
const OPEN_INDEX: &str = "open";
const DOUBT_INDEX: &str = "doubt";
const EVENTS: &str = "events";
const JOURNAL: &str = "journal";
const ALLOWANCES: &str = "allowances";
const BLOCKS: &str = "b:";
const CAMPAIGN: &str = "c:";
const CAMPAIGN_INDEX: &str = "ci:";
const CAMPAIGN_DAYS: &str = "cd:";
const SENT: &str = "r:";
const PEOPLE: &str = "p:";
const COUNTS: &str = "wc:";
const GUARDS: &str = "g:";
const UNHEARD: &str = "unheard";
const KEYS: &str = "i:";
const ALIASES: &str = "a:";
const USAGE: &str = "u:";
const EVENT_DAYS: &str = "ed";
const REFERENCES: &str = "ref:";
const REFERENCE_DAYS: &str = "rd:";
const DOCUMENTS: &str = "doc:";

/// The table of kinds, bucket counts and the allowed skew that precedes the script's own text.
pub(super) fn script_names() -> String {
    let texts = [
        ("account", ACCOUNT),
        ("blocks", BLOCKS),
        ("campaign", CAMPAIGN),
        ("campaign_index", CAMPAIGN_INDEX),
        ("campaign_days", CAMPAIGN_DAYS),
        ("sent", SENT),
        ("people", PEOPLE),
        ("counts", COUNTS),
        ("guards", GUARDS),
        ("unheard", UNHEARD),
        ("keys", KEYS),
        ("usage", USAGE),
        ("reference_days", REFERENCE_DAYS),
        ("event_days", EVENT_DAYS),
        ("aliases", ALIASES),
    ];
    let numbers = [
        ("shards", SHARDS),
        ("people_shards", PEOPLE_SHARDS),
        ("block_buckets", BLOCK_BUCKETS),
        ("block_version", i64::from(BLOCK_VERSION)),
        ("store_version", STORE_VERSION),
        ("campaign_indexes", i64::from(CAMPAIGN_INDEXES)),
        ("campaign_parts", i64::from(CAMPAIGN_PARTS)),
        ("days", DAYS),
        ("max_kept_days", i64::from(Retention::MAX_DAYS)),
        ("clock_skew_ms", MAX_CLOCK_SKEW_MS),
        ("unheard_kept_ms", UNHEARD_KEPT_MS),
        ("unheard_id_max", i64::try_from(UNHEARD_ID_MAX).unwrap_or(i64::MAX)),
        ("unheard_max", i64::try_from(UNHEARD_MAX).unwrap_or(i64::MAX)),
    ];
    let mut table = String::from("local N = {");
    for (name, kind) in texts {
        let _ = write!(table, " {name} = '{kind}',");
    }
    for (name, number) in numbers {
        let _ = write!(table, " {name} = {number},");
    }
    table.push_str(" }\n");
    table
}

/// The first ten bits of a keyed hash.
pub(super) fn shard(hash: &[u8]) -> u32 {
    match hash {
        [first, second, ..] => u32::from(*first) * 4 + u32::from(*second) / 64,
        _ => 0,
    }
}

/// A block: the first fifteen bytes of its holds' ids.
pub(super) type BlockId = [u8; 15];

/// The block of a hold, and the hold's position in it.
pub(super) fn block_of(hold: HoldId) -> (BlockId, u8) {
    let [block @ .., position] = *hold.as_bytes();
    (block, position)
}

fn block_bucket(block: &BlockId) -> i64 {
    let ms = block[..6].iter().fold(0i64, |time, byte| (time << 8) | i64::from(*byte));
    ms.div_euclid(1000).rem_euclid(BLOCK_BUCKETS)
}

/// Names that cross accounts.
#[derive(Debug, Clone)]
pub(super) struct StoreKeys {
    prefix: String,
}

impl StoreKeys {
    pub(super) fn new(prefix: &str) -> StoreKeys {
        StoreKeys { prefix: prefix.to_owned() }
    }

    pub(super) fn identity(&self) -> String {
        format!("{}:identity", self.prefix)
    }

    pub(super) fn accounts(&self) -> String {
        format!("{}:accounts", self.prefix)
    }

    /// Written by probes; constant in size.
    pub(super) fn probe(&self) -> String {
        format!("{}:probe", self.prefix)
    }

    pub(super) fn gateways(&self) -> String {
        format!("{}:gateways", self.prefix)
    }

    pub(super) fn claims(&self, kind: ClaimKind) -> String {
        format!("{}:claims:{}", self.prefix, kind.as_str())
    }

    pub(super) fn of(&self, account: &AccountId) -> AccountKeys {
        AccountKeys { prefix: format!("{}:{{{account}}}:", self.prefix) }
    }
}

/// Names of one account; a function for each name that reads ask for.
pub(super) struct AccountKeys {
    prefix: String,
}

impl AccountKeys {
    fn named(&self, rest: impl std::fmt::Display) -> String {
        format!("{}{rest}", self.prefix)
    }

    pub(super) fn account(&self) -> String {
        self.named(ACCOUNT)
    }

    pub(super) fn wallets(&self) -> String {
        self.named(WALLETS)
    }

    pub(super) fn open_index(&self) -> String {
        self.named(OPEN_INDEX)
    }

    pub(super) fn doubt_index(&self) -> String {
        self.named(DOUBT_INDEX)
    }

    pub(super) fn events(&self) -> String {
        self.named(EVENTS)
    }

    pub(super) fn journal(&self) -> String {
        self.named(JOURNAL)
    }

    pub(super) fn campaign(&self, id: &CampaignId) -> String {
        self.named(format_args!("{CAMPAIGN}{id}"))
    }

    pub(super) fn campaign_index(&self, shard: u32) -> String {
        self.named(format_args!("{CAMPAIGN_INDEX}{shard}"))
    }

    pub(super) fn documents(&self, shard: u32) -> String {
        self.named(format_args!("{DOCUMENTS}{shard}"))
    }

    pub(super) fn usage(&self, day: i64) -> String {
        self.named(format_args!("{USAGE}{}", day.rem_euclid(DAYS)))
    }

    pub(super) fn block(&self, block: &BlockId) -> String {
        self.named(format_args!("{BLOCKS}{}", block_bucket(block)))
    }

    pub(super) fn counts(&self, portfolio: &PortfolioId) -> String {
        self.named(format_args!("{COUNTS}{portfolio}"))
    }
}

/// The keys one batch declares, each once; operations name them by their index, from 1.
pub(super) struct Declared {
    prefix: String,
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Of each name, so that few are compared. A batch has too few for a table to pay.
    hashes: Vec<u64>,
    hasher: FastHash,
}

impl Declared {
    /// Begins with those every batch declares, in the order that store.lua reads them.
    pub(super) fn new(keys: AccountKeys) -> Declared {
        let mut declared = Declared {
            prefix: keys.prefix,
            text: Vec::with_capacity(1024),
            ends: Vec::with_capacity(64),
            hashes: Vec::new(),
            hasher: FastHash::default(),
        };
        for name in
            [ACCOUNT, WALLETS, WRITERS, OPEN_INDEX, DOUBT_INDEX, EVENTS, JOURNAL, ALLOWANCES]
        {
            declared.declare(format_args!("{name}"));
        }
        declared
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(from, to)| self.text.get(from..*to).unwrap_or_default())
    }

    fn nth(&self, index: usize) -> Option<&[u8]> {
        let from = index.checked_sub(2).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(from..*self.ends.get(index.checked_sub(1)?)?)
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    fn declare(&mut self, rest: std::fmt::Arguments<'_>) -> usize {
        let from = self.text.len();
        self.text.extend_from_slice(self.prefix.as_bytes());
        let _ = std::io::Write::write_fmt(&mut self.text, rest);
        let hash = self.hasher.hash_one(&self.text[from..]);
        let found = self.hashes.iter().position(|known| *known == hash).map(|at| at + 1);
        if let Some(index) = found
            && self.nth(index) == self.text.get(from..)
        {
            self.text.truncate(from);
            return index;
        }
        self.hashes.push(hash);
        self.ends.push(self.text.len());
        self.ends.len()
    }

    pub(super) fn block(&mut self, block: &BlockId) -> usize {
        self.declare(format_args!("{BLOCKS}{}", block_bucket(block)))
    }

    pub(super) fn campaign(&mut self, id: &CampaignId) -> usize {
        self.declare(format_args!("{CAMPAIGN}{id}"))
    }

    pub(super) fn campaign_index(&mut self, id: &CampaignId) -> usize {
        self.declare(format_args!("{CAMPAIGN_INDEX}{}", part_of(id.as_str(), CAMPAIGN_INDEXES)))
    }

    pub(super) fn counts(&mut self, portfolio: &PortfolioId) -> usize {
        self.declare(format_args!("{COUNTS}{portfolio}"))
    }

    pub(super) fn person(&mut self, recipient: &RecipientHash) -> usize {
        let shard = u32::from(recipient[0]) * 16 + u32::from(recipient[1]) / 16;
        self.declare(format_args!("{PEOPLE}{shard}"))
    }

    /// Four buckets, one for each half day a record may be of and the next.
    pub(super) fn key_buckets(&mut self, key: &Fingerprint) -> [usize; 4] {
        let shard = shard(key);
        [0, 1, 2, 3].map(|bucket| self.declare(format_args!("{KEYS}{bucket}:{shard}")))
    }

    pub(super) fn reference(&mut self, wallet: &WalletId, reference: &str) -> usize {
        self.declare(format_args!("{REFERENCES}{wallet}:{}", part_of(reference, REFERENCE_SHARDS)))
    }

    pub(super) fn document(&mut self, id: &str) -> usize {
        self.declare(format_args!("{DOCUMENTS}{}", part_of(id, DOCUMENT_SHARDS)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Declared, StoreKeys, block_of, shard};
    use crate::ids::HoldId;

    #[test]
    fn an_accounts_names_carry_its_tag_and_are_declared_once() {
        let keys = StoreKeys::new("tg");
        let mut declared = Declared::new(keys.of(&"acme".parse().unwrap()));
        let (block, _) = block_of(HoldId::new(1_790_000_000_123));
        let (first, again) = (declared.block(&block), declared.block(&block));
        assert_eq!((first, again, declared.len()), (9, 9, 9));
        let names: Vec<_> =
            declared.iter().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect();
        assert!(names.iter().all(|name| name.starts_with("tg:{acme}:")));
        assert_eq!(names.last().unwrap(), &keys.of(&"acme".parse().unwrap()).block(&block));
    }

    #[test]
    fn a_shard_is_the_first_ten_bits() {
        assert_eq!(shard(&[0, 0]), 0);
        assert_eq!(shard(&[0, 64]), 1);
        assert_eq!(shard(&[255, 255]), 1023);
    }
}
