//! The rules of the ledger, pure: one account's state, one time, one operation in; a verdict out.
//! No I/O, no clock, no float.
//!
//! The same rules are written a second time in the Redis scripts; random operation sequences
//! compare the two.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

mod alias;
mod campaign;
mod caps;
mod expiry;
mod guards;
mod money;
mod prune;
mod reserve;
mod resolve;
mod settings;
mod window;

use super::fault::clock_skew;
use super::operation::{Batch, MAX_BATCH, MAX_CLOCK_SKEW_MS, Operation};
use super::state::{AccountState, Row};
use super::{LedgerFault, Verdict};

/// Milliseconds of half a day: idempotency keys are kept for the half day of their reserve and two
/// more, 24 to 36 hours.
const HALF_DAY_MS: i64 = 43_200_000;

/// The longest window a frequency cap may have, in seconds; older cap hits are dropped.
pub const MAX_CAP_WINDOW_S: u32 = 2_592_000;

impl AccountState {
    /// Decides and applies a batch at `store_ms`, the store's own time; the ledger's time never
    /// goes back.
    ///
    /// # Errors
    /// [`LedgerFault::Refused`], with nothing changed, if the batch is too large or the
    /// gateway's clock is over a minute off.
    pub fn apply_batch(
        &mut self,
        batch: &Batch,
        store_ms: i64,
    ) -> Result<Vec<Verdict>, LedgerFault> {
        if batch.operations.len() > MAX_BATCH {
            let text = format!("{} operations, at most {MAX_BATCH}", batch.operations.len());
            return Err(LedgerFault::Refused(text.into()));
        }
        let skew = store_ms.saturating_sub(batch.clock_ms);
        if skew.saturating_abs() > MAX_CLOCK_SKEW_MS {
            return Err(clock_skew(skew));
        }
        let begins = self.head.last_ms == 0;
        let now_ms = self.advance(store_ms);
        if begins {
            self.begin_days(now_ms);
        }
        self.drop_expired(now_ms, batch.operations.len());
        let verdicts =
            batch.operations.iter().map(|operation| self.apply(operation, now_ms)).collect();
        if !self.changes().is_empty() {
            // The time goes with what it stamped; alone it is not worth a commit.
            self.note(Row::Account);
        }
        Ok(verdicts)
    }

    fn apply(&mut self, operation: &Operation, now_ms: i64) -> Verdict {
        match operation {
            Operation::Reserve(request) => self.reserve(request, now_ms),
            Operation::Settle { hold, message_id, day } => {
                self.settle(*hold, message_id.as_ref(), *day, now_ms)
            }
            Operation::Release { hold, reason } => self.release(*hold, *reason, now_ms),
            Operation::MarkInDoubt { hold, reason } => self.mark_in_doubt(*hold, *reason, now_ms),
            Operation::Abandon { hold } => self.abandon(*hold),
            Operation::KeepUnheard(answer) => self.keep_answer(answer, now_ms),
            Operation::Hear { hold, fingerprint } => self.hear(*fingerprint, *hold),
            Operation::TopUp { wallet, amount, reference } => {
                self.top_up(wallet, *amount, reference, now_ms)
            }
            Operation::Adjust { wallet, amount, reference, reason } => {
                self.adjust(wallet, *amount, reference, reason, now_ms)
            }
            Operation::PutWallet { wallet, overdraft_limit, low_balance_thresholds } => {
                self.put_wallet(wallet, *overdraft_limit, low_balance_thresholds.as_deref(), now_ms)
            }
            Operation::PutDocument { kind, id, body, only_if_absent, replaces } => {
                self.put_document(*kind, id, body, *only_if_absent, replaces.as_ref())
            }
            Operation::DeleteDocument { kind, id, replaces } => {
                self.delete_document(*kind, id, replaces.as_ref())
            }
            Operation::CreateCampaign(plan) => self.create_campaign(plan),
            Operation::StopCampaign { campaign, reason } => {
                self.stop_campaign(campaign, *reason, now_ms)
            }
            Operation::RestartCampaign { campaign } => self.restart_campaign(campaign, now_ms),
            Operation::FinishCampaign { campaign } => self.finish_campaign(campaign, now_ms),
            Operation::CountRejections { campaign, rejection, count } => {
                self.count_rejection(Some(campaign), *rejection, *count);
                Verdict::Counted
            }
            Operation::LearnAlias { recipients } => self.learn_alias(recipients, now_ms),
            Operation::Sweep { open_age_ms, in_doubt_age_ms, policies, retention, day } => {
                let (open, in_doubt) = (*open_age_ms, *in_doubt_age_ms);
                self.sweep(open, in_doubt, policies, retention, *day, now_ms)
            }
        }
    }
}

fn half_day(now_ms: i64) -> i64 {
    now_ms.div_euclid(HALF_DAY_MS)
}

fn key_is_kept(half_day_of_key: i64, now_ms: i64) -> bool {
    half_day(now_ms).saturating_sub(half_day_of_key) <= 2
}
