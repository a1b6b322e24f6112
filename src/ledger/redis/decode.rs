//! The script's flat reply as verdicts; each Lua file lists in its opening what it replies.

use std::str::FromStr;
use std::sync::Arc;

use redis::Value;

use super::codes::{self, verdict};
use super::stored::{self, Exhaustion, Fields};
use super::{message_id, packed};
use crate::amount::Amount;
use crate::ids::WalletId;
use crate::ledger::fault::clock_skew;
use crate::ledger::{
    Batch, Cause, Entry, FaultReason, LedgerFault, Operation, Rejection, Reserve, Verdict,
    WalletView,
};
use crate::rejection::RejectionKind;

/// What a batch came to.
pub(super) enum Outcome {
    /// One verdict per operation, and whether the account exists.
    Decided { verdicts: Vec<Verdict>, exists: bool },
    /// The whole batch was refused, and nothing written.
    Refused(LedgerFault),
}

/// Reads the reply to `batch`.
pub(super) fn outcome(reply: Value, batch: &Batch) -> Result<Outcome, LedgerFault> {
    let Value::BulkString(bytes) = reply else { return Err(unreadable()) };
    let (code, rest) = bytes.split_first().ok_or_else(unreadable)?;
    let code = [*code];
    let code = std::str::from_utf8(&code).map_err(|_| unreadable())?;
    let text = || String::from_utf8_lossy(rest);
    let fault = match code {
        codes::reply::OK => {
            let mut reply = Reply { rest };
            let exists = reply.byte()? == b'1';
            let mut said = Said(Vec::new());
            let verdicts = batch
                .operations
                .iter()
                .map(|operation| match operation {
                    Operation::Reserve(request) => said.verdict(&mut reply, request),
                    _ => reply.verdict(),
                })
                .collect::<Result<_, _>>()?;
            return Ok(Outcome::Decided { verdicts, exists });
        }
        codes::reply::FULL => super::link::out_of_memory(),
        codes::reply::SKEW => clock_skew(text().parse().map_err(|_| unreadable())?),
        codes::reply::LOWER => {
            let (number, last) = (batch.number, text());
            let text = format!("batch {number} of this writer comes after its batch {last}");
            LedgerFault::Refused(text.into())
        }
        codes::reply::LOST => {
            let last = match text() {
                last if last.is_empty() => "none of this writer".to_owned(),
                last => format!("number {last} of this writer"),
            };
            let number = batch.number;
            frozen(format!(
                "the store has lost writes: the last batch it knows is {last}, \
                 and this one has number {number}"
            ))
        }
        codes::reply::GONE => {
            frozen("the store has lost writes: an account it had is gone".to_owned())
        }
        codes::reply::VERSION => LedgerFault::Closed(
            format!(
                "the account is stored in format {}, and this version writes format {}",
                text(),
                super::keys::STORE_VERSION
            )
            .into(),
        ),
        _ => return Err(unreadable()),
    };
    Ok(Outcome::Refused(fault))
}

fn frozen(text: String) -> LedgerFault {
    LedgerFault::Closed(Cause::new(FaultReason::Frozen, text))
}

fn unreadable() -> LedgerFault {
    packed::unreadable("reply")
}

/// What was available of each wallet after the last send that was told so.
struct Said<'a>(Vec<(&'a WalletId, Amount)>);

impl<'a> Said<'a> {
    /// The verdict on a send. Of most only that they may go is said: what is left follows from what
    /// was left before.
    fn verdict(
        &mut self,
        reply: &mut Reply<'_>,
        request: &'a Reserve,
    ) -> Result<Verdict, LedgerFault> {
        let amount = request.amount;
        let code = reply.rest.first().copied().map(i64::from);
        let verdict = if code == Some(verdict::RESERVED_AS_ASKED) {
            reply.byte()?;
            let left = |wallet| {
                let before = self.0.iter().find(|(known, _)| *known == wallet)?.1;
                before.micros().checked_sub(amount.micros())
            };
            let left = |wallet| left(wallet).ok_or_else(unreadable);
            let available = request.wallet.as_ref().map(left).transpose()?;
            let available = available.map(Amount::saturating_from_micros);
            Verdict::Reserved { amount, available, observed: None }
        } else {
            reply.verdict()?
        };
        if let (Verdict::Reserved { available: Some(left), .. }, Some(wallet)) =
            (&verdict, &request.wallet)
        {
            match self.0.iter_mut().find(|(known, _)| *known == wallet) {
                Some((_, said)) => *said = *left,
                None => self.0.push((wallet, *left)),
            }
        }
        Ok(verdict)
    }
}

/// What is left of a reply. Verdicts on sends are of fixed shape; the values of others are texts
/// with their lengths.
struct Reply<'a> {
    rest: &'a [u8],
}

impl<'a> Reply<'a> {
    fn take(&mut self, size: usize) -> Result<&'a [u8], LedgerFault> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or_else(unreadable)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LedgerFault> {
        self.take(N)?.try_into().map_err(|_| unreadable())
    }

    fn byte(&mut self) -> Result<u8, LedgerFault> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn micros(&mut self) -> Result<Amount, LedgerFault> {
        Ok(Amount::saturating_from_micros(i64::from_be_bytes(self.array()?)))
    }

    fn bytes(&mut self) -> Result<&'a [u8], LedgerFault> {
        let size = u32::from_be_bytes(self.array()?);
        self.take(usize::try_from(size).map_err(|_| unreadable())?)
    }

    fn text(&mut self) -> Result<&'a str, LedgerFault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| unreadable())
    }

    fn shared(&mut self) -> Result<Arc<str>, LedgerFault> {
        Ok(Arc::from(self.text()?))
    }

    fn parsed<T: FromStr>(&mut self) -> Result<T, LedgerFault> {
        self.text()?.parse().map_err(|_| unreadable())
    }

    fn number(&mut self) -> Result<i64, LedgerFault> {
        self.parsed()
    }

    fn count<T: TryFrom<i64>>(&mut self) -> Result<T, LedgerFault> {
        T::try_from(self.number()?).map_err(|_| unreadable())
    }

    /// `None` for an empty text.
    fn optional(&mut self) -> Result<Option<i64>, LedgerFault> {
        match self.text()? {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| unreadable()),
        }
    }

    fn flag(&mut self) -> Result<bool, LedgerFault> {
        Ok(self.number()? == 1)
    }

    fn amount(&mut self) -> Result<Amount, LedgerFault> {
        Ok(Amount::saturating_from_micros(self.number()?))
    }

    fn hold(&mut self) -> Result<crate::ids::HoldId, LedgerFault> {
        packed::hold_id(self.bytes()?).ok_or_else(unreadable)
    }

    fn reserved(&mut self) -> Result<Verdict, LedgerFault> {
        let amount = self.micros()?;
        let (known, left) = (self.byte()? == 1, self.micros()?);
        let size = usize::from(self.byte()?);
        let observed = match self.take(size)? {
            [] => None,
            name => {
                let name = std::str::from_utf8(name).map_err(|_| unreadable())?;
                Some(RejectionKind::from_name(name).ok_or_else(unreadable)?)
            }
        };
        Ok(Verdict::Reserved { amount, available: known.then_some(left), observed })
    }

    fn verdict(&mut self) -> Result<Verdict, LedgerFault> {
        Ok(match i64::from(self.byte()?) {
            verdict::RESERVED => self.reserved()?,
            verdict::REJECTED => Verdict::Rejected(self.rejection()?),
            verdict::REPLAYED => Verdict::Replayed {
                hold: self.hold()?,
                message_id: message_id::unpack(self.bytes()?).ok_or_else(unreadable)?.into(),
                amount: self.amount()?,
            },
            verdict::STALE_SETTINGS => Verdict::StaleSettings,
            verdict::STALE_PRICE => Verdict::StalePrice,
            verdict::SETTLED => Verdict::Settled { amount: self.micros()? },
            verdict::RELEASED => Verdict::Released { amount: self.micros()? },
            verdict::MARKED => Verdict::Marked,
            verdict::NO_HOLD => Verdict::NoHold,
            verdict::POSTED => self.posted()?,
            verdict::REFERENCE_CONFLICT => Verdict::ReferenceConflict,
            verdict::WALLET_UNKNOWN => Verdict::WalletUnknown,
            verdict::OUT_OF_RANGE => Verdict::OutOfRange,
            verdict::SHORTFALL => {
                Verdict::Shortfall { needed: self.amount()?, available: self.amount()? }
            }
            verdict::WALLET => Verdict::Wallet(self.wallet()?),
            verdict::CAMPAIGN => self.campaign()?,
            verdict::CAMPAIGN_EXISTS => Verdict::CampaignExists,
            verdict::CAMPAIGN_UNKNOWN => Verdict::CampaignUnknown,
            verdict::CAMPAIGN_FINISHED => Verdict::CampaignFinished,
            verdict::WALLET_EXHAUSTED => Verdict::WalletExhausted,
            verdict::DOCUMENT => {
                Verdict::Document { changed: self.flag()?, settings_version: self.count()? }
            }
            verdict::COUNTED => Verdict::Counted,
            verdict::ALIAS_LEARNED => Verdict::AliasLearned { changed: self.flag()? },
            verdict::SWEPT => Verdict::Swept {
                marked: self.count()?,
                resolved: self.count()?,
                more: self.flag()?,
            },
            _ => return Err(unreadable()),
        })
    }

    fn rejection(&mut self) -> Result<Rejection, LedgerFault> {
        let kind = RejectionKind::from_name(self.text()?).ok_or_else(unreadable)?;
        Ok(match kind {
            RejectionKind::CampaignStopped => Rejection::CampaignStopped {
                reason: stored::reason_of_stop(self.text()?)?,
                since_ms: self.number()?,
                shortfall: self.optional()?.map(Amount::saturating_from_micros),
            },
            RejectionKind::CampaignUnknown => Rejection::CampaignUnknown,
            RejectionKind::IdempotencyConflict => Rejection::IdempotencyConflict,
            RejectionKind::IdempotencyInFlight => Rejection::IdempotencyInFlight,
            RejectionKind::OutcomeUnknown => Rejection::OutcomeUnknown { hold: self.hold()? },
            RejectionKind::AlreadySent => Rejection::AlreadySent,
            RejectionKind::FrequencyCapped => Rejection::FrequencyCapped {
                max: self.count()?,
                window_s: self.count()?,
                retry_after_s: self.number()?,
            },
            RejectionKind::MessagingLimitReached => Rejection::MessagingLimitReached {
                limit: self.count()?,
                used: self.count()?,
                retry_after_s: self.optional()?,
            },
            RejectionKind::InsufficientBalance => Rejection::InsufficientBalance {
                needed: self.amount()?,
                available: self.amount()?,
                ran_out_at: self.optional()?.map(Amount::saturating_from_micros),
            },
            _ => return Err(unreadable()),
        })
    }

    fn posted(&mut self) -> Result<Verdict, LedgerFault> {
        let repeated = self.flag()?;
        let entry = Entry {
            sequence: self.count()?,
            at_ms: self.number()?,
            wallet: self.parsed()?,
            kind: stored::kind_of_entry(self.text()?)?,
            amount: self.amount()?,
            balance_after: self.amount()?,
            reference: self.shared()?,
            reason: self.shared()?,
            charge: None,
        };
        Ok(Verdict::Posted { entry, repeated })
    }

    fn wallet(&mut self) -> Result<WalletView, LedgerFault> {
        let (id, settled, held, overdraft_limit) =
            (self.parsed()?, self.amount()?, self.amount()?, self.amount()?);
        let exhausted = self.flag()?;
        let thresholds = self.text()?;
        let below =
            |text: &str| text.parse().map(Amount::saturating_from_micros).map_err(|_| unreadable());
        let low_balance_thresholds = thresholds
            .split(',')
            .filter(|text| !text.is_empty())
            .map(below)
            .collect::<Result<_, _>>()?;
        let available = Amount::saturating_from_micros(
            settled.micros() + overdraft_limit.micros() - held.micros(),
        );
        Ok(WalletView {
            id,
            settled,
            held,
            overdraft_limit,
            available,
            exhausted,
            low_balance_thresholds,
        })
    }

    fn campaign(&mut self) -> Result<Verdict, LedgerFault> {
        let (id, epoch, since_ms) = (self.parsed()?, self.optional()?, self.optional()?);
        let count: usize = self.count()?;
        let mut fields = Fields::new();
        for _ in 0..count {
            fields.insert(self.text()?.to_owned(), self.bytes()?.to_vec());
        }
        let exhaustion = epoch.zip(since_ms).and_then(|(epoch, since_ms)| {
            Some(Exhaustion { epoch: epoch.try_into().ok()?, since_ms })
        });
        Ok(Verdict::Campaign(Box::new(stored::campaign(id, &fields, |_| exhaustion)?)))
    }
}
