//! What sends of a batch share, each named once: blocks, terms, cap rules, days. A block is stored
//! as it is written here: its opening (version, holds, routes, the place of the records), routes,
//! records, idempotency keys, rows.

use std::fmt::Write;

use super::codes::{send, terms};
use super::keys::{self, BLOCK_VERSION, BlockId, Declared};
use super::packed::{byte, length, short};
use crate::ids::HoldId;
use crate::ledger::{CalendarSpan, CapRule, Reserve};

/// Bytes of a hold's record in a block.
pub(super) const RECORD_SIZE: usize = 38;
const OPENING_SIZE: usize = 5;
const KEY_SIZE: usize = 16;

/// One block that the batch names.
struct Block {
    id: BlockId,
    key: usize,
    routes: Vec<Vec<u8>>,
    records: Vec<Record>,
    keys: Vec<[u8; KEY_SIZE]>,
    rows: Vec<u8>,
}

/// One send of the batch.
struct Record {
    /// Amount, recipient and fingerprint.
    begin: [u8; 32],
    row: usize,
    row_size: usize,
    route: u8,
    position: u8,
    key: u8,
}

/// The tables of a batch, in the order in which the script reads them.
#[derive(Default)]
pub(super) struct Tables {
    blocks: Vec<Block>,
    terms: Vec<Vec<u8>>,
    caps: Vec<Vec<u8>>,
    days: Vec<CalendarSpan>,
}

/// The number of an item in a table, from 1; adds it if it is new.
fn number_of<T: PartialEq>(table: &mut Vec<T>, item: T) -> u8 {
    let found = table.iter().position(|known| *known == item);
    byte(
        1 + found.unwrap_or_else(|| {
            table.push(item);
            table.len() - 1
        }),
    )
}

fn put_name(text: &mut Vec<u8>, name: &str) {
    // Ids have 64 characters at most.
    text.push(byte(name.len()));
    text.extend_from_slice(name.as_bytes());
}

/// A day or month: its index, and from when till when it lasts.
pub(super) fn put_span(text: &mut Vec<u8>, span: CalendarSpan) {
    text.extend_from_slice(&span.index.to_be_bytes());
    text.extend_from_slice(&span.start_ms.to_be_bytes());
    text.extend_from_slice(&span.end_ms.to_be_bytes());
}

fn cap_rules(rules: &[CapRule]) -> Vec<u8> {
    let mut text = String::new();
    for rule in rules {
        let _ = write!(text, "{}:{}:{},", rule.categories, rule.max, rule.window_s);
    }
    text.into_bytes()
}

/// What settling or releasing a send needs besides its record.
fn route(request: &Reserve) -> Vec<u8> {
    let mut text = Vec::with_capacity(64);
    put_name(&mut text, request.wallet.as_ref().map_or("", |wallet| wallet.as_str()));
    put_name(&mut text, request.campaign.as_ref().map_or("", |campaign| campaign.id.as_str()));
    put_name(&mut text, request.window.as_ref().map_or("", |rule| rule.portfolio.as_str()));
    text.push(request.category.index());
    text.push(u8::from(request.caps.iter().any(|rule| rule.covers(request.category))));
    text.push(u8::from(request.allowance.is_some()));
    if let Some(allowance) = &request.allowance {
        put_span(&mut text, allowance.month);
    }
    text
}

impl Block {
    /// The place of the rows, from 0.
    fn rows_at(&self) -> usize {
        self.records_at() + self.records.len() * RECORD_SIZE + self.keys.len() * KEY_SIZE
    }

    fn records_at(&self) -> usize {
        OPENING_SIZE + self.routes.iter().map(|route| route.len() + 2).sum::<usize>()
    }

    /// The place of a send's usage row among the rows, and its length.
    fn row(&mut self, request: &Reserve) -> (usize, usize) {
        let mut row = Vec::with_capacity(24);
        row.extend_from_slice(request.channel.as_str().as_bytes());
        row.push(b'|');
        row.extend_from_slice(request.country.as_str().as_bytes());
        row.push(b'0' + request.category.index());
        let known = self.records.iter().map(|record| (record.row, record.row_size));
        let same = |(at, size): &(usize, usize)| self.rows.get(*at..*at + *size) == Some(&row[..]);
        known.into_iter().find(same).unwrap_or_else(|| {
            let at = self.rows.len();
            self.rows.extend_from_slice(&row);
            (at, row.len())
        })
    }

    /// Adds a send; returns its number in the block.
    fn add(&mut self, request: &Reserve, route: Vec<u8>, position: u8) -> u8 {
        let mut begin = [0; 32];
        begin[..8].copy_from_slice(&request.amount.micros().to_be_bytes());
        begin[8..16].copy_from_slice(&request.recipient);
        begin[16..].copy_from_slice(&request.fingerprint);
        let (row, row_size) = self.row(request);
        let key = request.key.map_or(0, |key| {
            self.keys.push(key);
            byte(self.keys.len())
        });
        let route = number_of(&mut self.routes, route);
        self.records.push(Record { begin, row, row_size, route, position, key });
        byte(self.records.len())
    }

    fn encode(&self, text: &mut Vec<u8>) {
        text.push(BLOCK_VERSION);
        text.push(byte(self.records.len()));
        text.push(byte(self.routes.len()));
        text.extend_from_slice(&short(self.records_at() + 1).to_be_bytes());
        for route in &self.routes {
            text.extend_from_slice(&short(route.len()).to_be_bytes());
            text.extend_from_slice(route);
        }
        let rows_at = self.rows_at();
        for record in &self.records {
            text.extend_from_slice(&record.begin);
            text.extend_from_slice(&short(rows_at + record.row + 1).to_be_bytes());
            text.extend_from_slice(&[byte(record.row_size), record.route]);
            text.extend_from_slice(&[record.position, record.key]);
        }
        text.extend_from_slice(self.keys.as_flattened());
        text.extend_from_slice(&self.rows);
    }
}

impl Tables {
    /// The number of a hold's block, and its position there.
    pub(super) fn hold(&mut self, keys: &mut Declared, hold: HoldId) -> (u8, u8) {
        let (id, position) = keys::block_of(hold);
        let found = self.blocks.iter().position(|block| block.id == id);
        let index = found.unwrap_or_else(|| {
            let key = keys.block(&id);
            self.blocks.push(Block {
                id,
                key,
                routes: Vec::new(),
                records: Vec::new(),
                keys: Vec::new(),
                rows: Vec::new(),
            });
            self.blocks.len() - 1
        });
        (byte(index + 1), position)
    }

    /// The number of a day.
    pub(super) fn day(&mut self, day: CalendarSpan) -> u8 {
        number_of(&mut self.days, day)
    }

    /// Adds a send and writes the operation that decides about it. A key it does not need is
    /// declared as the account's own, which the script then leaves alone.
    pub(super) fn reserve(&mut self, keys: &mut Declared, text: &mut Vec<u8>, request: &Reserve) {
        let (number, position) = self.hold(keys, request.hold);
        let route = route(request);
        let terms = self.terms(keys, request, &route);
        let block = &mut self.blocks[usize::from(number) - 1];
        let record = block.add(request, route, position);
        let kept = request.window.is_some() || !request.caps.is_empty();
        let person = if kept { keys.person(&request.recipient) } else { 1 };
        let mut flags = 0;
        for (flag, set) in [
            (send::GUARDING, request.guarding),
            (send::KEY, request.key.is_some()),
            (send::SPELLED, request.spelled.is_some()),
        ] {
            flags |= if set { byte(flag) } else { 0 };
        }
        text.extend_from_slice(&[number, record, terms, flags]);
        text.extend_from_slice(&short(person).to_be_bytes());
        if let Some(key) = &request.key {
            for index in keys.key_buckets(key) {
                text.extend_from_slice(&short(index).to_be_bytes());
            }
        }
        text.extend_from_slice(request.spelled.as_ref().map_or(&[][..], |hash| hash.as_slice()));
    }

    /// The number of what a send is asked under.
    fn terms(&mut self, keys: &mut Declared, request: &Reserve, route: &[u8]) -> u8 {
        let campaign = request.campaign.as_ref();
        let mut text = Vec::with_capacity(40 + route.len());
        text.extend_from_slice(&request.settings_version.to_be_bytes());
        text.extend_from_slice(&request.price_valid_until_ms.to_be_bytes());
        text.extend_from_slice(&request.window.as_ref().map_or(0, |rule| rule.limit).to_be_bytes());
        text.extend_from_slice(&request.abandoned_replay_s.to_be_bytes());
        text.extend_from_slice(&request.allowance.map_or(0, |rule| rule.limit).to_be_bytes());
        let mut flags = 0;
        for (flag, set) in [
            (terms::AUTO_CREATE, campaign.is_some_and(|campaign| campaign.auto_create)),
            (terms::OBSERVE, request.observe),
            (terms::FREE, request.allowance.is_some()),
        ] {
            flags |= if set { byte(flag) } else { 0 };
        }
        text.extend_from_slice(&[flags, number_of(&mut self.caps, cap_rules(&request.caps))]);
        for index in [
            campaign.map_or(1, |campaign| keys.campaign(&campaign.id)),
            campaign.map_or(1, |campaign| keys.campaign_index(&campaign.id)),
            request.window.as_ref().map_or(1, |rule| keys.counts(&rule.portfolio)),
        ] {
            text.extend_from_slice(&short(index).to_be_bytes());
        }
        text.extend_from_slice(&short(route.len()).to_be_bytes());
        text.extend_from_slice(route);
        number_of(&mut self.terms, text)
    }

    /// All tables, as plain.lua reads them.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(2048);
        text.push(byte(self.blocks.len()));
        for block in &self.blocks {
            text.extend_from_slice(&short(block.key).to_be_bytes());
            text.extend_from_slice(&block.id);
            let at = text.len();
            text.extend_from_slice(&[0; 4]);
            if !block.records.is_empty() {
                block.encode(&mut text);
            }
            let size = length(&text[at..]).saturating_sub(4);
            text[at..at + 4].copy_from_slice(&size.to_be_bytes());
        }
        text.push(byte(self.terms.len()));
        text.extend_from_slice(&self.terms.concat());
        text.push(byte(self.caps.len()));
        for rules in &self.caps {
            text.extend_from_slice(&length(rules).to_be_bytes());
            text.extend_from_slice(rules);
        }
        text.push(byte(self.days.len()));
        for day in &self.days {
            put_span(&mut text, *day);
        }
        text
    }
}
