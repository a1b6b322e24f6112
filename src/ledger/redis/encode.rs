//! A batch as the script's keys and arguments; each Lua file lists in its opening what it takes.

use std::fmt::Display;
use std::io::Write;

use redis::Cmd;

use super::codes::{argument, doubt, doubt_code, operation};
use super::keys::{AccountKeys, Declared};
use crate::ids::HoldId;
use crate::ledger::{
    AllowanceRule, Batch, CalendarSpan, CampaignPlan, CapRule, DocumentKind, DoubtReason,
    InDoubtPolicies, InDoubtPolicy, Operation, ReleaseReason, Reserve,
};

/// What this client has read about an account; the script refuses a batch that contradicts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Nothing,
    Absent,
    Present,
}

/// An encoded batch; the script's digest is put before it when it is sent.
pub(super) struct Call {
    keys: Declared,
    /// All arguments behind one another, and the end of each: no allocation per argument.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Call {
    pub(super) fn new(
        keys: AccountKeys,
        batch: &Batch,
        fixed_ms: Option<i64>,
        known: Known,
    ) -> Call {
        let mut call = Call {
            keys: Declared::new(keys),
            text: Vec::with_capacity(4096),
            ends: Vec::with_capacity(512),
        };
        call.optional(fixed_ms);
        call.number(batch.clock_ms);
        call.number(batch.writer);
        call.number(batch.number);
        call.flag(batch.creates_account());
        call.text(match known {
            Known::Nothing => argument::KNOWN_NOTHING,
            Known::Absent => argument::KNOWN_ABSENT,
            Known::Present => argument::KNOWN_PRESENT,
        });
        call.number(batch.operations.len());
        for asked in &batch.operations {
            call.operation(asked);
        }
        call
    }

    /// `only_asks`: the batch is not to run; its verdicts are returned if it has.
    pub(super) fn command(&self, digest: &str, only_asks: bool) -> Cmd {
        let mut command = Cmd::with_capacity(
            self.ends.len() + self.keys.len() + 4,
            self.text.len() + self.keys.len() * 32,
        );
        command.arg("EVALSHA").arg(digest).arg(self.keys.len());
        for key in self.keys.iter() {
            command.arg(key);
        }
        command.arg(u8::from(only_asks));
        let mut from = 0;
        for end in &self.ends {
            command.arg(self.text.get(from..*end).unwrap_or_default());
            from = *end;
        }
        command
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
        self.ends.push(self.text.len());
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn number(&mut self, number: impl Display) {
        let _ = write!(self.text, "{number}");
        self.ends.push(self.text.len());
    }

    /// Empty for none.
    fn optional(&mut self, value: Option<impl Display>) {
        if let Some(value) = value {
            let _ = write!(self.text, "{value}");
        }
        self.ends.push(self.text.len());
    }

    fn flag(&mut self, value: bool) {
        self.text(if value { "1" } else { "0" });
    }

    fn span(&mut self, span: CalendarSpan) {
        self.number(span.index);
        self.number(span.start_ms);
        self.number(span.end_ms);
    }

    /// The two buckets a hold may be in.
    fn hold_keys(&mut self, hold: HoldId) {
        let (open, doubt) = (self.keys.open(hold), self.keys.doubt(hold));
        self.number(open);
        self.number(doubt);
    }

    fn hold(&mut self, code: &str, hold: HoldId) {
        self.text(code);
        self.bytes(hold.as_bytes());
    }

    fn operation(&mut self, asked: &Operation) {
        match asked {
            Operation::Reserve(request) => self.reserve(request),
            Operation::Settle { hold, message_id, day } => {
                self.hold(operation::SETTLE, *hold);
                self.flag(message_id.is_some());
                self.text(message_id.as_deref().unwrap_or_default());
                self.span(*day);
                self.hold_keys(*hold);
            }
            Operation::Release { hold, reason } => {
                self.hold(operation::RELEASE, *hold);
                self.optional(match reason {
                    ReleaseReason::Refused(code) => Some(code),
                    ReleaseReason::NotSent | ReleaseReason::Operator => None,
                });
                self.hold_keys(*hold);
            }
            Operation::MarkInDoubt { hold, reason } => {
                self.hold(operation::MARK_IN_DOUBT, *hold);
                self.text(doubt_code(*reason));
                self.hold_keys(*hold);
            }
            Operation::Abandon { hold } => {
                self.hold(operation::ABANDON, *hold);
                self.hold_keys(*hold);
            }
            Operation::KeepUnheard(answer) => {
                self.hold(operation::KEEP_UNHEARD, answer.hold);
                self.bytes(&answer.fingerprint);
                self.number(answer.amount.micros());
                self.text(&answer.message_id);
            }
            Operation::Hear { hold, fingerprint } => {
                self.hold(operation::HEAR, *hold);
                self.bytes(fingerprint);
            }
            Operation::LearnAlias { recipients } => {
                self.text(operation::LEARN_ALIAS);
                self.bytes(recipients.as_flattened());
            }
            Operation::Sweep { open_age_ms, in_doubt_age_ms, policies, day } => {
                self.text(operation::SWEEP);
                self.number(open_age_ms);
                self.number(in_doubt_age_ms);
                self.released_reasons(policies);
                self.span(*day);
            }
            other => self.administration(other),
        }
    }

    /// The letters of the reasons whose holds are released, in one text.
    fn released_reasons(&mut self, policies: &InDoubtPolicies) {
        let named = DoubtReason::ALL.into_iter().map(|reason| (Some(reason), doubt_code(reason)));
        for (reason, code) in named.chain([(None, doubt::REASONLESS)]) {
            if policies.of(reason) == InDoubtPolicy::Release {
                self.text.extend_from_slice(code.as_bytes());
            }
        }
        self.ends.push(self.text.len());
    }

    fn administration(&mut self, asked: &Operation) {
        match asked {
            Operation::TopUp { wallet, amount, reference } => {
                self.text(operation::TOP_UP);
                self.text(wallet.as_str());
                self.number(amount.micros());
                self.text(reference);
                let key = self.keys.reference(wallet, reference);
                self.number(key);
            }
            Operation::Adjust { wallet, amount, reference, reason } => {
                self.text(operation::ADJUST);
                self.text(wallet.as_str());
                self.number(amount.micros());
                self.text(reference);
                self.text(reason);
                let key = self.keys.reference(wallet, reference);
                self.number(key);
            }
            Operation::PutWallet { wallet, overdraft_limit, low_balance_thresholds } => {
                self.text(operation::PUT_WALLET);
                self.text(wallet.as_str());
                self.optional(overdraft_limit.map(|limit| limit.micros()));
                match low_balance_thresholds {
                    None => self.text(argument::THRESHOLDS_SAME),
                    Some(list) => self.list(list.iter().map(|below| below.micros())),
                }
            }
            Operation::PutDocument { kind, id, body, only_if_absent, replaces } => {
                self.text(operation::PUT_DOCUMENT);
                self.document(*kind, id);
                self.text(body);
                self.flag(*only_if_absent);
                self.optional(replaces.as_deref());
                let key = self.keys.document(id);
                self.number(key);
            }
            Operation::DeleteDocument { kind, id, replaces } => {
                self.text(operation::DELETE_DOCUMENT);
                self.document(*kind, id);
                self.optional(replaces.as_deref());
                let key = self.keys.document(id);
                self.number(key);
            }
            other => self.campaign_operation(other),
        }
    }

    fn campaign_operation(&mut self, asked: &Operation) {
        let campaign = match asked {
            Operation::CreateCampaign(plan) => return self.create_campaign(plan),
            Operation::StopCampaign { campaign, reason } => {
                self.text(operation::STOP_CAMPAIGN);
                self.text(campaign.as_str());
                self.text(reason.as_str());
                campaign
            }
            Operation::RestartCampaign { campaign } => {
                self.text(operation::RESTART_CAMPAIGN);
                self.text(campaign.as_str());
                campaign
            }
            Operation::FinishCampaign { campaign } => {
                self.text(operation::FINISH_CAMPAIGN);
                self.text(campaign.as_str());
                campaign
            }
            Operation::CountRejections { campaign, rejection, count } => {
                self.text(operation::COUNT_REJECTIONS);
                self.text(campaign.as_str());
                self.text(rejection.name());
                self.number(count);
                campaign
            }
            _ => return,
        };
        let key = self.keys.campaign(campaign);
        self.number(key);
    }

    fn create_campaign(&mut self, plan: &CampaignPlan) {
        self.text(operation::CREATE_CAMPAIGN);
        self.text(plan.id.as_str());
        self.text(&plan.name);
        self.optional(plan.wallet.as_ref());
        self.optional(plan.budget.map(|budget| budget.micros()));
        self.flag(plan.dedupe_recipients);
        self.flag(plan.exempt_from_caps);
        let (key, index) = (self.keys.campaign(&plan.id), self.keys.campaign_index(&plan.id));
        self.number(key);
        self.number(index);
    }

    fn document(&mut self, kind: DocumentKind, id: &str) {
        self.number(format_args!("{}/{id}", kind.as_str()));
    }

    fn list(&mut self, items: impl Iterator<Item = impl Display>) {
        for (index, item) in items.enumerate() {
            let _ = write!(self.text, "{}{item}", if index > 0 { "," } else { "" });
        }
        self.ends.push(self.text.len());
    }

    /// One argument for all but the cap rules: sends are most of what is asked, and each argument
    /// costs the server.
    fn reserve(&mut self, request: &Reserve) {
        self.text(operation::RESERVE);
        let indexes = self.reserve_keys(request);
        let text = &mut self.text;
        text.extend_from_slice(request.hold.as_bytes());
        text.extend_from_slice(&request.recipient);
        text.extend_from_slice(&request.fingerprint);
        text.extend_from_slice(&request.settings_version.to_be_bytes());
        text.extend_from_slice(&request.price_valid_until_ms.to_be_bytes());
        text.extend_from_slice(&request.amount.micros().to_be_bytes());
        text.push(request.category.index());
        text.push(u8::from(request.campaign.as_ref().is_some_and(|campaign| campaign.auto_create)));
        text.push(u8::from(request.guarding));
        text.push(u8::from(request.observe));
        text.push(u8::from(request.allowance.is_some()));
        let nothing =
            AllowanceRule { limit: 0, month: CalendarSpan { index: 0, start_ms: 0, end_ms: 0 } };
        let AllowanceRule { limit, month } = request.allowance.unwrap_or(nothing);
        text.extend_from_slice(&limit.to_be_bytes());
        text.extend_from_slice(&month.index.to_be_bytes());
        text.extend_from_slice(&month.start_ms.to_be_bytes());
        text.extend_from_slice(&month.end_ms.to_be_bytes());
        text.extend_from_slice(&request.window.as_ref().map_or(0, |rule| rule.limit).to_be_bytes());
        text.extend_from_slice(&request.abandoned_replay_s.to_be_bytes());
        for index in indexes {
            // A batch declares a thousand keys at most.
            text.extend_from_slice(&u16::try_from(index).unwrap_or(0).to_be_bytes());
        }
        let wallet = request.wallet.as_ref().map_or("", |wallet| wallet.as_str());
        let campaign = request.campaign.as_ref().map_or("", |campaign| campaign.id.as_str());
        let portfolio = request.window.as_ref().map_or("", |rule| rule.portfolio.as_str());
        let key = request.key.as_ref().map_or(&[][..], |key| key.as_slice());
        let spelled = request.spelled.as_ref().map_or(&[][..], |spelled| spelled.as_slice());
        let names =
            [wallet, campaign, request.channel.as_str(), request.country.as_str(), portfolio];
        for part in names.map(str::as_bytes).into_iter().chain([key, spelled]) {
            // Ids have 64 characters at most.
            text.push(u8::try_from(part.len()).unwrap_or(0));
            text.extend_from_slice(part);
        }
        self.ends.push(self.text.len());
        self.list(request.caps.iter().map(Rule));
    }

    /// A key the send does not need is declared as the account's own, which the script then leaves
    /// alone.
    fn reserve_keys(&mut self, request: &Reserve) -> [usize; 12] {
        let keys = &mut self.keys;
        let campaign = request.campaign.as_ref().map(|campaign| &campaign.id);
        let portfolio = request.window.as_ref().map(|rule| &rule.portfolio);
        let [first, second, third, fourth] =
            request.key.as_ref().map_or([1; 4], |key| keys.key_buckets(key));
        [
            keys.open(request.hold),
            campaign.map_or(1, |id| keys.campaign(id)),
            campaign.map_or(1, |id| keys.campaign_index(id)),
            campaign.map_or(1, |id| keys.sent(id, &request.recipient)),
            portfolio.map_or(1, |id| keys.slots(id, &request.recipient)),
            portfolio.map_or(1, |id| keys.counts(id)),
            if request.caps.is_empty() { 1 } else { keys.cap_hits(&request.recipient) },
            if request.key.is_some() { 1 } else { keys.guards(&request.fingerprint) },
            first,
            second,
            third,
            fourth,
        ]
    }
}

struct Rule<'a>(&'a CapRule);

impl Display for Rule<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.0.categories, self.0.max, self.0.window_s)
    }
}
