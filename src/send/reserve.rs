//! Reserve: puts everything the ledger judges a send by into one request, and its verdict into
//! words.

use super::authenticate::Caller;
use super::rejection::Rejected;
use super::{SendOptions, SendWay};
use crate::amount::Amount;
use crate::catalog::KeyHasher;
use crate::catalog::documents::Billing;
use crate::ids::{ChannelId, HoldId};
use crate::ledger::{
    AllowanceRule, CalendarSpan, CampaignUse, Fingerprint, Operation, RecipientHash, Reserve,
    Verdict, WindowRule,
};
use crate::pricing::{Category, Quote, Recipient};

/// What makes a send this one and no other.
#[derive(Debug, Clone, Copy)]
pub struct Marks {
    /// Channel, endpoint and body, hashed.
    pub fingerprint: Fingerprint,
    /// The idempotency key, hashed.
    pub key: Option<Fingerprint>,
    /// Whom it is for, hashed.
    pub recipient: RecipientHash,
}

impl Marks {
    /// Hashes what tells this send from others; `path` keeps the two endpoints and Graph versions
    /// apart.
    pub fn of(
        hasher: &KeyHasher,
        number: &ChannelId,
        path: &str,
        body: &[u8],
        key: Option<&[u8]>,
        recipient: &Recipient,
    ) -> Marks {
        Marks {
            fingerprint: hasher.body(number, path, body),
            key: key.map(|key| hasher.idempotency_key(key)),
            recipient: hasher.recipient(recipient.as_str()),
        }
    }
}

/// A send that may be forwarded.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its hold; `None` where no ledger was needed.
    pub hold: Option<HoldId>,
    /// What is held.
    pub amount: Amount,
    /// Left in the wallet.
    pub available: Option<Amount>,
}

/// What became of a reserve.
pub enum Decision {
    /// Forward it.
    Forward(Held),
    /// It was accepted before: answer as then.
    Replay {
        /// The first send's hold.
        hold: HoldId,
        /// Its message id.
        message_id: std::sync::Arc<str>,
        /// What it cost.
        amount: Amount,
    },
    /// Settings or prices changed meanwhile: load and price again.
    Again,
}

/// Does this send touch anything the ledger keeps? External channels without limits, campaign or
/// key do not.
pub fn needs_ledger(caller: &Caller, marks: &Marks) -> bool {
    let account = &caller.snapshot.account;
    caller.channel().settings.billing == Billing::Prepaid
        || caller.campaign.is_some()
        || marks.key.is_some()
        || account.messaging_limit.is_some()
        || !account.caps.is_empty()
}

/// Asks the ledger.
pub async fn reserve(
    way: &SendWay,
    caller: &Caller,
    quote: &Quote,
    marks: &Marks,
    hold: HoldId,
) -> Result<Decision, Rejected> {
    let account = &caller.snapshot.id;
    let prepaid = caller.channel().settings.billing == Billing::Prepaid;
    let now_ms = way.services.clock.now_ms();
    if let Some(campaign) = &caller.campaign
        && let Some(rejection) =
            way.services.leases.refusal(&way.services.batcher, account, campaign, prepaid, now_ms)
    {
        return Err(Rejected::by_ledger(&rejection, &caller.snapshot.account.currency));
    }
    let request = request(&way.options, caller, quote, marks, hold, now_ms);
    let verdict = way
        .services
        .batcher
        .call(account, Operation::Reserve(Box::new(request)))
        .await
        .map_err(|fault| Rejected::ledger(&fault))?;
    if let Some(campaign) = &caller.campaign {
        let rejection =
            if let Verdict::Rejected(rejection) = &verdict { Some(rejection) } else { None };
        way.services.leases.note(account, campaign, prepaid, rejection, now_ms);
    }
    match verdict {
        Verdict::Reserved { amount, available } => {
            Ok(Decision::Forward(Held { hold: Some(hold), amount, available }))
        }
        Verdict::Replayed { hold, message_id, amount } => {
            Ok(Decision::Replay { hold, message_id, amount })
        }
        Verdict::Rejected(rejection) => {
            Err(Rejected::by_ledger(&rejection, &caller.snapshot.account.currency))
        }
        Verdict::StaleSettings | Verdict::StalePrice => Ok(Decision::Again),
        other => {
            tracing::error!(account = %account, verdict = ?other, "the ledger answered a reserve in a way it should not");
            Err(Rejected::new(
                "ledger_unavailable",
                "the ledger cannot decide about this channel; its wallet may be missing",
            )
            .retry_after(1))
        }
    }
}

fn request(
    options: &SendOptions,
    caller: &Caller,
    quote: &Quote,
    marks: &Marks,
    hold: HoldId,
    now_ms: i64,
) -> Reserve {
    let channel = caller.channel();
    let account = &caller.snapshot.account;
    let prepaid = channel.settings.billing == Billing::Prepaid;
    let allowance =
        quote.free_allowance.as_ref().filter(|_| prepaid).map(|allowance| AllowanceRule {
            limit: allowance.limit,
            month: CalendarSpan::month(&channel.time_zone, now_ms),
        });
    // Free-form messages are only possible inside a service window, where the messaging limit does
    // not count.
    let limit = account.messaging_limit.filter(|_| quote.category != Category::Service);
    Reserve {
        hold,
        settings_version: caller.snapshot.version,
        price_valid_until_ms: quote.valid_until_ms,
        wallet: prepaid.then(|| channel.settings.wallet.clone()),
        campaign: caller
            .campaign
            .clone()
            .map(|id| CampaignUse { id, auto_create: options.auto_create }),
        channel: caller.number.clone(),
        country: quote.country,
        category: quote.category,
        amount: if prepaid { quote.amount } else { Amount::ZERO },
        allowance,
        recipient: marks.recipient,
        window: limit.map(|limit| WindowRule { portfolio: channel.portfolio.clone(), limit }),
        caps: caller.snapshot.caps.clone(),
        fingerprint: marks.fingerprint,
        key: marks.key,
    }
}
