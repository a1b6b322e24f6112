//! What must be true of a ledger after every step, whatever was put to it. Derived from what it
//! returns and shows, not from the rules:
//!
//! 1. Available is settled - held + overdraft limit.
//! 2. No available balance is below zero: nothing here may go below, only messages delivered after
//!    their release may.
//! 3. A wallet's settled balance is the sum of its entries, and each entry's balance is the sum up
//!    to it.
//! 4. A wallet's held balance is the sum of its unresolved holds.
//! 5. A campaign's held credits are the sum of its unresolved holds; what it spent is the sum of
//!    its charges, and of its usage.
//! 6. A campaign's accepted sends are the messages of its usage.
//! 7. A hold is charged or released once, never both, and an unresolved one never; a charge is what
//!    was held.
//! 8. Unresolved are exactly the holds that were reserved and not resolved.
//! 9. Entries and events are numbered without gaps, from 1 unless little is kept, and their times
//!    never go back.
//! 10. Usage is what was charged: its credits are the sum of the charges, its messages the holds
//!     that were settled; or less, if little is kept.
//! 11. A window never holds more slots than its limit: recipients with an open send or one
//!     accepted in the last 24 hours.
//! 12. Nobody gets more than a frequency cap allows, but from exempt campaigns.
//! 13. A key is reserved once in 24 hours, unless the send was released.
//! 14. A deduplicating campaign has one send per recipient that was not released.
//!
//! Recipients of which the ledger was told that they are one person count as one in 11, 12 and 14.
//! 15. Nothing is reserved for a campaign that was stopped, unless a person restarted it; sends of
//!     external channels are stopped for other reasons than money only.

use std::collections::{BTreeMap, BTreeSet};

use tollgate::ids::{CampaignId, HoldId};
use tollgate::ledger::{
    CampaignState, CampaignView, DoubtReason, Entry, Event, HoldState, HoldView, InDoubtPolicies,
    InDoubtPolicy, Operation, RecipientHash, Reserve, StopReason, UsageRow, Verdict, WalletView,
};

use crate::support::DAY;

/// Everything a ledger shows of an account.
#[derive(Debug, Default, PartialEq)]
pub struct View {
    pub wallets: Vec<WalletView>,
    pub campaigns: Vec<CampaignView>,
    pub usage: Vec<UsageRow>,
    pub holds: Vec<HoldView>,
    pub windows: Vec<u32>,
    pub entries: Vec<Entry>,
    pub events: Vec<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Settled { at_ms: i64 },
    Released,
}

/// One reserved send and how it ended.
struct Sent {
    request: Reserve,
    amount: i64,
    at_ms: i64,
    end: Option<End>,
    /// Why it is in doubt.
    doubt: Option<DoubtReason>,
}

/// Remembers what was returned and compares the next view with it.
#[derive(Default)]
pub struct Auditor {
    sent: BTreeMap<HoldId, Sent>,
    before: View,
    /// Recipients that are one person, and when that was last learned.
    aliases: Vec<(BTreeSet<RecipientHash>, i64)>,
    /// The latest ledger time.
    now_ms: i64,
    /// Whether little is kept of what is past, so that totals of it may lack something.
    prunes: bool,
    /// Whether something was let through against a limit: limits hold no more.
    observed: bool,
}

impl Auditor {
    pub fn new(prunes: bool) -> Auditor {
        Auditor { prunes, ..Auditor::default() }
    }

    /// Takes note of one batch and its verdicts, in order, at the ledger's time.
    pub fn note(&mut self, operations: &[Operation], verdicts: &[Verdict], store_ms: i64) {
        self.now_ms = self.now_ms.max(store_ms);
        let mut restarted: BTreeSet<CampaignId> = BTreeSet::new();
        let mut swept = false;
        for (operation, verdict) in operations.iter().zip(verdicts) {
            match (operation, verdict) {
                (
                    Operation::Reserve(request),
                    Verdict::Reserved { amount, available, observed },
                ) => {
                    assert!(request.observe || observed.is_none(), "2: {verdict:?}");
                    self.observed |= observed.is_some();
                    assert!(
                        self.observed || available.is_none_or(|left| !left.is_negative()),
                        "2: {verdict:?}"
                    );
                    if !request.observe && !swept {
                        self.check_stop(request, &restarted);
                    }
                    let alone = swept || !self.has_young_key(request);
                    assert!(alone, "13: {:?} was reserved again by {}", request.key, request.hold);
                    let sent = Sent {
                        request: (**request).clone(),
                        amount: amount.micros(),
                        at_ms: self.now_ms,
                        end: None,
                        doubt: None,
                    };
                    assert!(
                        self.sent.insert(request.hold, sent).is_none(),
                        "7: {} was reserved twice",
                        request.hold
                    );
                    if !swept && !self.observed {
                        self.check_caps(request);
                        self.check_recipient(request);
                    }
                }
                (Operation::Settle { hold, .. }, Verdict::Settled { amount }) => {
                    self.end(*hold, amount.micros(), End::Settled { at_ms: self.now_ms });
                }
                (Operation::Release { hold, .. }, Verdict::Released { amount }) => {
                    self.end(*hold, amount.micros(), End::Released)
                }
                (Operation::MarkInDoubt { hold, reason }, Verdict::Marked) => {
                    self.doubt(*hold, *reason)
                }
                (Operation::RestartCampaign { campaign }, Verdict::Campaign(_)) => {
                    restarted.insert(campaign.clone());
                }
                (Operation::LearnAlias { recipients }, Verdict::AliasLearned { changed: true }) => {
                    self.learn(recipients);
                }
                // Which holds it released and which campaigns it removed is seen in the next view
                // only; until then sends and stops seem to stand that do not.
                (Operation::Sweep { .. }, Verdict::Swept { .. }) => swept = true,
                _ => {}
            }
        }
    }

    fn learn(&mut self, recipients: &[RecipientHash]) {
        let mut person: BTreeSet<_> = recipients.iter().copied().collect();
        for recipient in recipients {
            person.extend(self.person(recipient));
        }
        self.aliases.retain(|(known, _)| known.is_disjoint(&person));
        self.aliases.push((person, self.now_ms));
    }

    /// All recipients known to be this person. An alias is kept for 365 days, and confirmed in the
    /// ledger up to 30 days after it was learned.
    fn person(&self, recipient: &RecipientHash) -> BTreeSet<RecipientHash> {
        let known = |(person, at_ms): &&(BTreeSet<RecipientHash>, i64)| {
            person.contains(recipient) && self.now_ms - at_ms < 330 * DAY
        };
        let alone = || BTreeSet::from([*recipient]);
        self.aliases.iter().find(known).map_or_else(alone, |(person, _)| person.clone())
    }

    fn end(&mut self, hold: HoldId, amount: i64, end: End) {
        let sent = self
            .sent
            .get_mut(&hold)
            .unwrap_or_else(|| panic!("7: {hold} was never reserved and ended"));
        assert_eq!(sent.end, None, "7: {hold} ended twice");
        assert_eq!(sent.amount, amount, "7: {hold} ended at another amount");
        sent.end = Some(end);
    }

    /// The first reason is kept, unless it was that nobody had reported.
    fn doubt(&mut self, hold: HoldId, reason: DoubtReason) {
        let Some(sent) = self.sent.get_mut(&hold) else { panic!("7: {hold} was never reserved") };
        if matches!(sent.doubt, None | Some(DoubtReason::Unreported)) {
            sent.doubt = Some(reason);
        }
    }

    fn check_stop(&self, request: &Reserve, restarted: &BTreeSet<CampaignId>) {
        let Some(named) = request.campaign.as_ref().filter(|named| !restarted.contains(&named.id))
        else {
            return;
        };
        let Some(found) = self.before.campaigns.iter().find(|view| view.id == named.id) else {
            return;
        };
        let for_money = |reason| {
            matches!(
                reason,
                StopReason::CreditsExhausted
                    | StopReason::BudgetSpent
                    | StopReason::UpstreamPaymentProblem
            )
        };
        let stopped = match found.state {
            CampaignState::Active => false,
            CampaignState::Stopped { reason, .. } => request.wallet.is_some() || !for_money(reason),
            CampaignState::Finished { .. } => true,
        };
        assert!(!stopped, "15: reserved for {found:?}");
    }

    /// Sends that count still: reserved before and not released.
    fn unreleased(&self) -> impl Iterator<Item = &Sent> {
        self.sent.values().filter(|sent| sent.end != Some(End::Released))
    }

    fn has_young_key(&self, request: &Reserve) -> bool {
        let young = |sent: &Sent| sent.request.key == request.key && self.now_ms - sent.at_ms < DAY;
        request.key.is_some() && self.unreleased().any(young)
    }

    fn check_caps(&self, request: &Reserve) {
        let exempt = request.campaign.as_ref().is_some_and(|named| {
            // One made in this very batch is not in view yet.
            self.before
                .campaigns
                .iter()
                .find(|view| view.id == named.id)
                .is_none_or(|view| view.exempt_from_caps)
        });
        let person = self.person(&request.recipient);
        for rule in request.caps.iter().filter(|rule| !exempt && rule.covers(request.category)) {
            let begin_s = self.now_ms.div_euclid(1000) - i64::from(rule.window_s);
            let counts = |sent: &&Sent| {
                person.contains(&sent.request.recipient)
                    && rule.covers(sent.request.category)
                    && sent.at_ms.div_euclid(1000) > begin_s
            };
            let count = self.unreleased().filter(counts).count();
            assert!(
                count <= rule.max.try_into().unwrap(),
                "12: {count} sends where {rule:?} allows fewer"
            );
        }
    }

    fn check_recipient(&self, request: &Reserve) {
        // A campaign that was removed may be made again.
        let Some(named) = request.campaign.as_ref().filter(|_| !self.prunes) else { return };
        if !self.before.campaigns.iter().any(|view| view.id == named.id && view.dedupe_recipients) {
            return;
        }
        let person = self.person(&request.recipient);
        let same = |sent: &&Sent| {
            person.contains(&sent.request.recipient)
                && sent.request.campaign.as_ref().is_some_and(|campaign| campaign.id == named.id)
        };
        assert_eq!(
            self.unreleased().filter(same).count(),
            1,
            "14: {named:?} has sent to a recipient twice"
        );
    }

    /// Holds a new view against everything known; holds that have gone without being named were
    /// ended by a sweep.
    pub fn check(&mut self, view: View, policies: InDoubtPolicies, limit: u32) {
        let unresolved: BTreeSet<HoldId> = view.holds.iter().map(|hold| hold.id).collect();
        for hold in view.holds.iter().filter(|hold| hold.state == HoldState::InDoubt) {
            self.doubt(hold.id, DoubtReason::Unreported);
            assert_eq!(hold.doubt, self.sent[&hold.id].doubt, "8: {}", hold.id);
        }
        let charged = End::Settled { at_ms: self.now_ms };
        // What a sweep marks and resolves at once was seen by nobody in between.
        let swept =
            |sent: &Sent| match policies.of(Some(sent.doubt.unwrap_or(DoubtReason::Unreported))) {
                InDoubtPolicy::Charge => charged,
                InDoubtPolicy::Release => End::Released,
            };
        for (hold, sent) in &mut self.sent {
            match sent.end {
                Some(_) => {
                    assert!(!unresolved.contains(hold), "8: {hold} ended and is still there")
                }
                None if !unresolved.contains(hold) => sent.end = Some(swept(sent)),
                None => {}
            }
        }
        assert!(
            unresolved.iter().all(|hold| self.sent.contains_key(hold)),
            "8: a hold that was never reserved"
        );
        check_wallets(&view, self.observed);
        check_campaigns(&view, self.prunes);
        check_numbers(&view, self.prunes);
        self.check_charges(&view);
        if !self.observed {
            self.check_windows(limit);
        }
        self.before = view;
    }

    fn check_charges(&self, view: &View) {
        let mut charged = BTreeSet::new();
        for entry in &view.entries {
            let Some(charge) = &entry.charge else { continue };
            let sent = &self.sent[&charge.hold];
            assert!(charged.insert(charge.hold), "7: {} was charged twice", charge.hold);
            assert!(
                matches!(sent.end, Some(End::Settled { .. })),
                "7: {} was charged and ended as {:?}",
                charge.hold,
                sent.end
            );
            assert_eq!(
                entry.amount.micros(),
                -sent.amount,
                "7: {} was charged another amount",
                charge.hold
            );
        }
        let settled =
            || self.sent.values().filter(|sent| matches!(sent.end, Some(End::Settled { .. })));
        let owed: i64 = settled().map(|sent| sent.amount).sum();
        let charges: i64 = view
            .entries
            .iter()
            .filter(|entry| entry.charge.is_some())
            .map(|entry| entry.amount.micros())
            .sum();
        assert_eq!(-charges, owed, "7: charges are not what was settled");
        let credits: i64 = view.usage.iter().map(|row| row.sum.credits.micros()).sum();
        let messages: u64 = view.usage.iter().map(|row| row.sum.messages).sum();
        let used = (credits, usize::try_from(messages).unwrap());
        let counted = (owed, settled().count());
        let right =
            if self.prunes { used.0 <= counted.0 && used.1 <= counted.1 } else { used == counted };
        assert!(right, "10: usage is {used:?}, settled was {counted:?}");
    }

    fn check_windows(&self, limit: u32) {
        for portfolio in super::random_traffic::PORTFOLIOS {
            let counts = |sent: &&Sent| {
                let here = sent
                    .request
                    .window
                    .as_ref()
                    .is_some_and(|rule| rule.portfolio.as_str() == portfolio);
                here && match sent.end {
                    None => true,
                    Some(End::Settled { at_ms }) => self.now_ms - at_ms < DAY,
                    Some(End::Released) => false,
                }
            };
            let recipients: BTreeSet<_> = self
                .sent
                .values()
                .filter(counts)
                .map(|sent| self.person(&sent.request.recipient))
                .collect();
            assert!(
                recipients.len() <= limit.try_into().unwrap(),
                "11: {} recipients in {portfolio}, at most {limit}",
                recipients.len()
            );
        }
    }
}

fn check_wallets(view: &View, observed: bool) {
    for wallet in &view.wallets {
        let available =
            wallet.settled.micros() - wallet.held.micros() + wallet.overdraft_limit.micros();
        assert_eq!(wallet.available.micros(), available, "1: {wallet:?}");
        assert!(observed || available >= 0, "2: {wallet:?}");
        let mut sum = 0;
        for entry in view.entries.iter().filter(|entry| entry.wallet == wallet.id) {
            sum += entry.amount.micros();
            assert_eq!(entry.balance_after.micros(), sum, "3: {entry:?}");
        }
        assert_eq!(wallet.settled.micros(), sum, "3: {wallet:?}");
        let held: i64 = view
            .holds
            .iter()
            .filter(|hold| hold.wallet.as_ref() == Some(&wallet.id))
            .map(|hold| hold.amount.micros())
            .sum();
        assert_eq!(wallet.held.micros(), held, "4: {wallet:?}");
    }
}

fn check_campaigns(view: &View, prunes: bool) {
    for campaign in &view.campaigns {
        let own = |hold: &&HoldView| hold.campaign.as_ref() == Some(&campaign.id);
        let held: i64 = view.holds.iter().filter(own).map(|hold| hold.amount.micros()).sum();
        assert_eq!(campaign.held.micros(), held, "5: {campaign:?}");
        let charges = view.entries.iter().filter(|entry| {
            entry
                .charge
                .as_ref()
                .is_some_and(|charge| charge.campaign.as_ref() == Some(&campaign.id))
        });
        let spent: i64 = charges.map(|entry| -entry.amount.micros()).sum();
        let right = campaign.spent.micros() == spent || prunes && campaign.spent.micros() < spent;
        assert!(right, "5: {campaign:?}");
        let spent = campaign.spent.micros();
        assert_eq!(
            campaign.usage.values().map(|sum| sum.credits.micros()).sum::<i64>(),
            spent,
            "5: {campaign:?}"
        );
        assert_eq!(
            campaign.usage.values().map(|sum| sum.messages).sum::<u64>(),
            campaign.accepted,
            "6: {campaign:?}"
        );
    }
}

fn check_numbers(view: &View, prunes: bool) {
    let mut entries: Vec<(u64, i64)> =
        view.entries.iter().map(|entry| (entry.sequence, entry.at_ms)).collect();
    entries.sort_unstable();
    let events: Vec<(u64, i64)> =
        view.events.iter().map(|event| (event.sequence, event.at_ms)).collect();
    let first = events.first().filter(|_| prunes).map_or(1, |(sequence, _)| *sequence);
    for (name, list, first) in [("entry", entries, 1), ("event", events, first)] {
        for ((sequence, _), expected) in list.iter().zip(first..) {
            assert_eq!(*sequence, expected, "9: a gap before {name} {sequence}");
        }
        assert!(list.is_sorted_by_key(|(_, at_ms)| *at_ms), "9: an {name}'s time goes back");
    }
}
