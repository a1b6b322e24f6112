//! A batch as the script's keys and arguments; each Lua file lists in its opening what it takes.

use std::fmt::Display;
use std::io::Write;

use redis::Cmd;

use super::block::Tables;
use super::codes::{argument, doubt, doubt_code, known, operation};
use super::keys::{AccountKeys, Declared};
use super::message_id;
use super::packed::{byte, length, short};
use super::script::Callee;
use crate::ids::HoldId;
use crate::ledger::{
    Batch, CampaignPlan, DocumentKind, DoubtReason, InDoubtPolicies, InDoubtPolicy, Operation,
    ReleaseReason,
};

/// What this client has read about an account; the script refuses a batch that contradicts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Nothing,
    Absent,
    Present,
}

/// An encoded batch; the script's name is put before it when it is sent.
pub(super) struct Call {
    keys: Declared,
    tables: Tables,
    /// First the opening of the batch, then its operations.
    text: Vec<u8>,
    opening: usize,
}

impl Call {
    pub(super) fn new(
        keys: AccountKeys,
        batch: &Batch,
        fixed_ms: Option<i64>,
        known: Known,
    ) -> Call {
        let mut text = Vec::with_capacity(2048);
        text.push(u8::from(fixed_ms.is_some()));
        text.extend_from_slice(&fixed_ms.unwrap_or(0).to_be_bytes());
        text.extend_from_slice(&batch.clock_ms.to_be_bytes());
        text.extend_from_slice(&batch.writer.to_be_bytes());
        text.extend_from_slice(&batch.number.to_be_bytes());
        text.push(u8::from(batch.creates_account()));
        let known = match known {
            Known::Nothing => known::NOTHING,
            Known::Absent => known::ABSENT,
            Known::Present => known::PRESENT,
        };
        text.push(byte(known));
        text.extend_from_slice(&short(batch.operations.len()).to_be_bytes());
        let opening = text.len();
        let mut call = Call { keys: Declared::new(keys), tables: Tables::default(), text, opening };
        for asked in &batch.operations {
            call.operation(asked);
        }
        call
    }

    /// `only_asks`: the batch is not to run; its verdicts are returned if it has.
    pub(super) fn command(&self, callee: &Callee, only_asks: bool) -> Cmd {
        let tables = self.tables.encode();
        let (opening, operations) = self.text.split_at(self.opening);
        let batch = [opening, &tables, operations].concat();
        let mut command =
            Cmd::with_capacity(self.keys.len() + 5, batch.len() + self.keys.len() * 32);
        callee.begin(&mut command);
        command.arg(self.keys.len());
        for key in self.keys.iter() {
            command.arg(key);
        }
        command.arg(u8::from(only_asks)).arg(batch);
        command
    }

    fn code(&mut self, code: &str) {
        self.text.extend_from_slice(code.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(&length(bytes).to_be_bytes());
        self.text.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn number(&mut self, number: impl Display) {
        let from = self.text.len();
        self.text.extend_from_slice(&[0; 4]);
        let _ = write!(self.text, "{number}");
        let size = length(&self.text[from..]).saturating_sub(4);
        self.text[from..from + 4].copy_from_slice(&size.to_be_bytes());
    }

    /// Empty for none.
    fn optional(&mut self, value: Option<impl Display>) {
        match value {
            Some(value) => self.number(value),
            None => self.text(""),
        }
    }

    fn flag(&mut self, value: bool) {
        self.text(if value { "1" } else { "0" });
    }

    /// The operation's letter, then the block and the position of its hold.
    fn hold(&mut self, code: &str, hold: HoldId) {
        self.code(code);
        let (block, position) = self.tables.hold(&mut self.keys, hold);
        self.text.extend_from_slice(&[block, position]);
    }

    fn operation(&mut self, asked: &Operation) {
        match asked {
            Operation::Reserve(request) => {
                self.code(operation::RESERVE);
                self.tables.reserve(&mut self.keys, &mut self.text, request);
            }
            Operation::Settle { hold, message_id, day } => {
                self.hold(operation::SETTLE, *hold);
                let day = self.tables.day(*day);
                // Upstream's are far shorter; a longer one is no answer that could be repeated.
                let known = message_id.as_deref().filter(|id| id.len() < usize::from(u16::MAX));
                self.text.extend_from_slice(&[day, u8::from(known.is_some())]);
                let known = message_id::pack(known.unwrap_or_default());
                self.text.extend_from_slice(&short(known.len()).to_be_bytes());
                self.text.extend_from_slice(&known);
            }
            Operation::Release { hold, reason } => {
                self.hold(operation::RELEASE, *hold);
                self.optional(match reason {
                    ReleaseReason::Refused(code) => Some(code),
                    ReleaseReason::NotSent | ReleaseReason::Operator => None,
                });
            }
            Operation::MarkInDoubt { hold, reason } => {
                self.hold(operation::MARK_IN_DOUBT, *hold);
                self.text(doubt_code(*reason));
            }
            Operation::Abandon { hold } => self.hold(operation::ABANDON, *hold),
            Operation::KeepUnheard(answer) => {
                self.code(operation::KEEP_UNHEARD);
                self.bytes(answer.hold.as_bytes());
                self.bytes(&answer.fingerprint);
                self.number(answer.amount.micros());
                self.bytes(&message_id::pack(&answer.message_id));
            }
            Operation::Hear { hold, fingerprint } => {
                self.code(operation::HEAR);
                self.bytes(hold.as_bytes());
                self.bytes(fingerprint);
            }
            Operation::LearnAlias { recipients } => {
                self.code(operation::LEARN_ALIAS);
                self.bytes(recipients.as_flattened());
            }
            Operation::Sweep { open_age_ms, in_doubt_age_ms, policies, retention, day } => {
                self.code(operation::SWEEP);
                self.number(open_age_ms);
                self.number(in_doubt_age_ms);
                self.released_reasons(policies);
                self.number(retention.usage_days);
                self.number(retention.events_days);
                self.number(retention.campaign_days);
                self.number(retention.reference_days);
                super::block::put_span(&mut self.text, *day);
            }
            other => self.administration(other),
        }
    }

    /// The letters of the reasons whose holds are released, in one text.
    fn released_reasons(&mut self, policies: &InDoubtPolicies) {
        let named = DoubtReason::ALL.into_iter().map(|reason| (Some(reason), doubt_code(reason)));
        let released: String = named
            .chain([(None, doubt::REASONLESS)])
            .filter(|(reason, _)| policies.of(*reason) == InDoubtPolicy::Release)
            .map(|(_, code)| code)
            .collect();
        self.text(&released);
    }

    fn administration(&mut self, asked: &Operation) {
        match asked {
            Operation::TopUp { wallet, amount, reference } => {
                self.code(operation::TOP_UP);
                self.text(wallet.as_str());
                self.number(amount.micros());
                self.text(reference);
                let key = self.keys.reference(wallet, reference);
                self.number(key);
            }
            Operation::Adjust { wallet, amount, reference, reason } => {
                self.code(operation::ADJUST);
                self.text(wallet.as_str());
                self.number(amount.micros());
                self.text(reference);
                self.text(reason);
                let key = self.keys.reference(wallet, reference);
                self.number(key);
            }
            Operation::PutWallet { wallet, overdraft_limit, low_balance_thresholds } => {
                self.code(operation::PUT_WALLET);
                self.text(wallet.as_str());
                self.optional(overdraft_limit.map(|limit| limit.micros()));
                match low_balance_thresholds {
                    None => self.text(argument::THRESHOLDS_SAME),
                    Some(list) => self.list(list.iter().map(|below| below.micros())),
                }
            }
            Operation::PutDocument { kind, id, body, only_if_absent, replaces } => {
                self.code(operation::PUT_DOCUMENT);
                self.document(*kind, id);
                self.text(body);
                self.flag(*only_if_absent);
                self.optional(replaces.as_deref());
                let key = self.keys.document(id);
                self.number(key);
            }
            Operation::DeleteDocument { kind, id, replaces } => {
                self.code(operation::DELETE_DOCUMENT);
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
                self.code(operation::STOP_CAMPAIGN);
                self.text(campaign.as_str());
                self.text(reason.as_str());
                campaign
            }
            Operation::RestartCampaign { campaign } => {
                self.code(operation::RESTART_CAMPAIGN);
                self.text(campaign.as_str());
                campaign
            }
            Operation::FinishCampaign { campaign } => {
                self.code(operation::FINISH_CAMPAIGN);
                self.text(campaign.as_str());
                campaign
            }
            Operation::CountRejections { campaign, rejection, count } => {
                self.code(operation::COUNT_REJECTIONS);
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
        self.code(operation::CREATE_CAMPAIGN);
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
        let items: Vec<String> = items.map(|item| item.to_string()).collect();
        self.text(&items.join(","));
    }
}
