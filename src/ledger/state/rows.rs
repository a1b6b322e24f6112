//! Rows: an account's state in pieces, each of which is read, put back and stored by itself.
//! Putting one back also puts back what is derived from it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    AccountState, Alias, Campaign, CapHit, Head, Hold, KeyRecord, Slot, Unheard, UsageKey, Wallet,
};
use crate::ids::{CampaignId, ChannelId, HoldId, PortfolioId, WalletId};
use crate::ledger::entry::Entry;
use crate::ledger::operation::{DocumentKind, Fingerprint, RecipientHash};
use crate::ledger::view::{HoldState, UsageSum};

/// Names one row, so that what changed is kept and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// Clock, versions and sequence numbers.
    Account,
    /// A wallet.
    Wallet(WalletId),
    /// A campaign.
    Campaign(CampaignId),
    /// A hold.
    Hold(HoldId),
    /// A recipient in a window.
    Slot(PortfolioId, RecipientHash),
    /// A recipient's cap hits.
    CapHits(RecipientHash),
    /// A channel's free messages.
    Allowance(ChannelId),
    /// An idempotency key.
    Key(Fingerprint),
    /// What nobody heard about a body.
    Unheard(Fingerprint),
    /// A recipient a campaign has sent to.
    Sent(CampaignId, RecipientHash),
    /// What else a recipient is known as.
    Alias(RecipientHash),
    /// A usage row.
    Usage(UsageKey),
    /// The last event of a day.
    EventDay(i64),
    /// The entry a reference made.
    Reference(WalletId, Arc<str>),
    /// A settings document.
    Document(DocumentKind, Arc<str>),
}

/// What a row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger) enum Content {
    Account(Head),
    Wallet(Wallet),
    Campaign(Box<Campaign>),
    Hold(Box<Hold>),
    Slot(Slot),
    CapHits(Vec<CapHit>),
    Allowance((i32, u32)),
    Key(Box<KeyRecord>),
    Unheard(Vec<Unheard>),
    Sent,
    Alias(Alias),
    Usage(UsageSum),
    EventDay(u64),
    Reference(Box<Entry>),
    Document(Arc<str>),
}

impl AccountState {
    /// What a row holds now; `None` if there is no such row.
    pub(in crate::ledger) fn content(&self, row: &Row) -> Option<Content> {
        match row {
            Row::Account => Some(Content::Account(self.head.clone())),
            Row::Wallet(id) => self.wallets.get(id).cloned().map(Content::Wallet),
            Row::Campaign(id) => {
                self.campaigns.get(id).map(|found| Content::Campaign(Box::new(found.clone())))
            }
            Row::Hold(id) => self.holds.get(id).map(|hold| Content::Hold(Box::new(hold.clone()))),
            Row::Slot(portfolio, recipient) => self.slot(portfolio, recipient).map(Content::Slot),
            Row::CapHits(recipient) => self.cap_hits.get(recipient).cloned().map(Content::CapHits),
            Row::Allowance(channel) => {
                self.allowances.get(channel).copied().map(Content::Allowance)
            }
            Row::Key(key) => {
                self.keys.get(key).map(|record| Content::Key(Box::new(record.clone())))
            }
            Row::Unheard(body) => self.unheard.get(body).cloned().map(Content::Unheard),
            Row::Sent(campaign, recipient) => {
                self.has_sent(campaign, recipient).then_some(Content::Sent)
            }
            Row::Alias(recipient) => self.aliases.get(recipient).cloned().map(Content::Alias),
            Row::Usage(key) => self.usage.get(key).copied().map(Content::Usage),
            Row::EventDay(day) => self.event_days.get(day).copied().map(Content::EventDay),
            Row::Reference(wallet, reference) => self
                .references
                .get(&(wallet.clone(), reference.clone()))
                .map(|entry| Content::Reference(Box::new(entry.clone()))),
            Row::Document(kind, id) => {
                self.documents.get(&(*kind, id.clone())).cloned().map(Content::Document)
            }
        }
    }

    /// How many rows there are of each kind.
    pub fn row_counts(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("wallets", self.wallets.len()),
            ("campaigns", self.campaigns.len()),
            ("holds", self.holds.len()),
            ("slots", self.windows.values().map(|window| window.slots.len()).sum()),
            ("cap hits", self.cap_hits.len()),
            ("allowances", self.allowances.len()),
            ("keys", self.keys.len()),
            ("unheard", self.unheard.len()),
            ("recipients", self.sent.values().map(BTreeSet::len).sum()),
            ("aliases", self.aliases.len()),
            ("usage", self.usage.len()),
            ("event days", self.event_days.len()),
            ("references", self.references.len()),
            ("documents", self.documents.len()),
        ]
    }

    /// A recipient's slot.
    pub(in crate::ledger) fn slot(
        &self,
        portfolio: &PortfolioId,
        recipient: &RecipientHash,
    ) -> Option<Slot> {
        self.windows.get(portfolio)?.slots.get(recipient).copied()
    }

    /// Whether a deduplicating campaign has sent to the recipient.
    pub(in crate::ledger) fn has_sent(
        &self,
        campaign: &CampaignId,
        recipient: &RecipientHash,
    ) -> bool {
        self.sent.get(campaign).is_some_and(|recipients| recipients.contains(recipient))
    }

    /// Takes a row away, with what is derived from it.
    pub(in crate::ledger) fn remove(&mut self, row: &Row) {
        match row {
            Row::Account => self.head = Head::default(),
            Row::Wallet(id) => drop(self.wallets.remove(id)),
            Row::Campaign(id) => self.remove_campaign(id),
            Row::Hold(id) => drop(self.remove_hold(*id)),
            Row::Slot(portfolio, recipient) => {
                self.change_window(portfolio, |window| window.remove(recipient));
            }
            Row::CapHits(recipient) => self.change_cap_hits(recipient, Vec::clear),
            Row::Allowance(channel) => drop(self.allowances.remove(channel)),
            Row::Key(key) => self.remove_key(key),
            Row::Unheard(body) => {
                for answer in self.unheard.remove(body).unwrap_or_default() {
                    self.unheard_by_age.remove(&(answer.at_ms, *body));
                }
            }
            Row::Sent(campaign, recipient) => self.remove_sent(campaign, recipient),
            Row::Alias(recipient) => self.remove_alias(recipient),
            Row::Usage(key) => drop(self.usage.remove(key)),
            Row::EventDay(day) => drop(self.event_days.remove(day)),
            Row::Reference(wallet, reference) => self.remove_reference(wallet, reference),
            Row::Document(kind, id) => drop(self.documents.remove(&(*kind, id.clone()))),
        }
    }

    /// Puts a row in place of what it holds now, with what is derived from it. A row and a content
    /// of different kinds change nothing.
    pub(in crate::ledger) fn put(&mut self, row: Row, content: Option<Content>) {
        let Some(content) = content else { return self.remove(&row) };
        match (row, content) {
            (Row::Account, Content::Account(head)) => self.head = head,
            (Row::Wallet(id), Content::Wallet(wallet)) => drop(self.wallets.insert(id, wallet)),
            (Row::Campaign(id), Content::Campaign(campaign)) => {
                self.remove_campaign(&id);
                self.campaigns.insert(id.clone(), *campaign);
                self.age_campaign(&id, true);
                self.age_recipients(&id);
            }
            (Row::Hold(id), Content::Hold(hold)) => self.put_hold(id, *hold),
            (Row::Slot(portfolio, recipient), Content::Slot(slot)) => {
                self.change_window(&portfolio, |window| window.put(recipient, slot));
            }
            (Row::CapHits(recipient), Content::CapHits(hits)) => {
                self.change_cap_hits(&recipient, |found| *found = hits);
            }
            (Row::Allowance(channel), Content::Allowance(taken)) => {
                self.allowances.insert(channel, taken);
            }
            (Row::Key(key), Content::Key(record)) => self.put_key(key, *record),
            (Row::Unheard(body), Content::Unheard(answers)) => {
                self.remove(&Row::Unheard(body));
                self.unheard_by_age.extend(answers.iter().map(|answer| (answer.at_ms, body)));
                self.unheard.insert(body, answers);
            }
            (Row::Sent(campaign, recipient), Content::Sent) => {
                self.add_sent(&campaign, recipient);
            }
            (Row::Alias(recipient), Content::Alias(alias)) => {
                self.put_alias(recipient, alias);
            }
            (Row::Usage(key), Content::Usage(sum)) => drop(self.usage.insert(key, sum)),
            (Row::EventDay(day), Content::EventDay(last)) => {
                self.event_days.insert(day, last);
            }
            (Row::Reference(wallet, reference), Content::Reference(entry)) => {
                self.put_reference(&wallet, &reference, *entry);
            }
            (Row::Document(kind, id), Content::Document(body)) => {
                drop(self.documents.insert((kind, id), body));
            }
            _ => {}
        }
    }

    fn put_hold(&mut self, id: HoldId, hold: Hold) {
        // One that guards the same body as before keeps its place among the others.
        let guards = |found: &Hold| found.guarding && found.fingerprint == hold.fingerprint;
        if !hold.guarding || !self.holds.get(&id).is_some_and(guards) {
            self.remove_hold(id);
            if hold.guarding {
                self.guards.entry(hold.fingerprint).or_default().push(id);
            }
        }
        self.put_in_order(id, hold.state);
        self.holds.insert(id, hold);
    }

    /// Puts an unresolved hold among those of its state alone.
    pub(in crate::ledger) fn put_in_order(&mut self, id: HoldId, state: HoldState) {
        let (of_state, others) = match state {
            HoldState::Open => (&mut self.open, &mut self.in_doubt),
            HoldState::InDoubt => (&mut self.in_doubt, &mut self.open),
        };
        others.remove(&id);
        of_state.insert(id);
    }

    /// Takes a hold away, with its place among those in doubt and those that guard their body.
    pub(in crate::ledger) fn remove_hold(&mut self, id: HoldId) -> Option<Hold> {
        let hold = self.holds.remove(&id)?;
        match hold.state {
            HoldState::Open => self.open.remove(&id),
            HoldState::InDoubt => self.in_doubt.remove(&id),
        };
        if hold.guarding
            && let Some(holds) = self.guards.get_mut(&hold.fingerprint)
        {
            holds.retain(|guard| *guard != id);
            if holds.is_empty() {
                self.guards.remove(&hold.fingerprint);
            }
        }
        Some(hold)
    }

    /// Takes a campaign away; its recipients are rows of their own.
    fn remove_campaign(&mut self, id: &CampaignId) {
        let sent = self.sent.remove(id);
        self.age_recipients(id);
        self.age_campaign(id, false);
        self.campaigns.remove(id);
        sent.map(|sent| self.sent.insert(id.clone(), sent));
    }

    /// Remembers that a campaign has sent to the recipient.
    pub(in crate::ledger) fn add_sent(&mut self, campaign: &CampaignId, recipient: RecipientHash) {
        if let Some(recipients) = self.sent.get_mut(campaign) {
            recipients.insert(recipient);
        } else {
            self.sent.insert(campaign.clone(), [recipient].into());
            self.age_recipients(campaign);
        }
    }

    /// Forgets that a campaign has sent to the recipient.
    pub(in crate::ledger) fn remove_sent(
        &mut self,
        campaign: &CampaignId,
        recipient: &RecipientHash,
    ) {
        let Some(recipients) = self.sent.get_mut(campaign) else { return };
        recipients.remove(recipient);
        if recipients.is_empty() {
            self.sent.remove(campaign);
            self.age_recipients(campaign);
        }
    }
}
