//! Reserve: puts everything the ledger judges a send by into one request, and its verdict into
//! a decision.

use std::sync::Arc;

use super::context::SendContext;
use super::fingerprints::Fingerprints;
use super::rejected::Rejected;
use super::service::{SendOptions, SendService};
use crate::amount::Amount;
use crate::catalog::documents::Billing;
use crate::ids::HoldId;
use crate::ledger::{
    AllowanceRule, CalendarSpan, CampaignUse, Fingerprint, Operation, Rejection, Reserve, Verdict,
    WindowRule,
};
use crate::pricing::{Category, Quote};
use crate::rejection::RejectionKind;

/// A send that may be forwarded.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its hold; `None` if no ledger was needed.
    pub hold: Option<HoldId>,
    /// What is held.
    pub amount: Amount,
    /// Left in the wallet.
    pub available: Option<Amount>,
    /// The first limit of the ledger that would have refused it, of an account that only observes.
    pub observed: Option<RejectionKind>,
    /// Under what the answer is kept if nobody hears it; `None` if an idempotency key keeps it.
    pub body: Option<Fingerprint>,
}

impl Held {
    /// Of a send that needs no ledger.
    pub const NOTHING: Held =
        Held { hold: None, amount: Amount::ZERO, available: None, observed: None, body: None };
}

/// The first send with the same idempotency key or body.
pub struct Replay {
    /// The first send's hold.
    pub hold: HoldId,
    /// The first send's message id.
    pub message_id: Arc<str>,
    /// What the first send cost.
    pub amount: Amount,
}

/// What became of a reserve.
pub enum Decision {
    /// Forward it.
    Forward(Held),
    /// It was accepted before: reply as then.
    Replay(Replay),
    /// Settings or prices changed meanwhile: load and price again.
    Again,
}

/// Whether this send touches anything the ledger keeps. External channels without limits, campaign
/// or key do not.
pub fn needs_ledger(context: &SendContext, fingerprints: &Fingerprints) -> bool {
    let account = &context.snapshot.account;
    context.channel.settings.billing == Billing::Prepaid
        || context.campaign.is_some()
        || fingerprints.key.is_some()
        || account.messaging_limit.is_some()
        || !account.caps.is_empty()
}

/// Refuses a campaign that is remembered as stopped, without asking the ledger; once a second one
/// send passes, to ask it. An account that only observes asks it each time.
pub fn check_stopped(service: &SendService, context: &SendContext) -> Result<(), Rejected> {
    let Some(campaign) = context.campaign.as_ref().filter(|_| !context.observes()) else {
        return Ok(());
    };
    let prepaid = context.channel.settings.billing == Billing::Prepaid;
    let (account, at_ms) = (&context.snapshot.id, service.services.clock.elapsed_ms());
    let refusal = service.services.leases.refusal(account, campaign, prepaid, at_ms);
    refusal.map_or(Ok(()), |rejection| Err(by_ledger(&rejection, context)))
}

/// The hold to be made.
#[derive(Clone, Copy)]
pub struct NewHold {
    /// Its id.
    pub id: HoldId,
    /// Nobody knows whether the client still reads.
    pub guarding: bool,
}

/// The ledger's decision.
pub async fn reserve(
    service: &SendService,
    context: &SendContext,
    quote: &Quote,
    fingerprints: &Fingerprints,
    new: NewHold,
) -> Result<Decision, Rejected> {
    let account = &context.snapshot.id;
    let prepaid = context.channel.settings.billing == Billing::Prepaid;
    let (now_ms, at_ms) = (service.services.clock.now_ms(), service.services.clock.elapsed_ms());
    let request = request(&service.options, context, quote, fingerprints, new, now_ms);
    let verdict = service
        .services
        .batcher
        .call(account, Operation::Reserve(Box::new(request)))
        .await
        .map_err(|fault| Rejected::ledger(&fault))?;
    if let Some(campaign) = &context.campaign {
        let rejection =
            if let Verdict::Rejected(rejection) = &verdict { Some(rejection) } else { None };
        service.services.leases.note(account, campaign, prepaid, rejection, at_ms);
    }
    match verdict {
        Verdict::Reserved { amount, available, observed } => {
            let body = fingerprints.key.is_none().then_some(fingerprints.body);
            Ok(Decision::Forward(Held { hold: Some(new.id), amount, available, observed, body }))
        }
        Verdict::Replayed { hold, message_id, amount } => {
            Ok(Decision::Replay(Replay { hold, message_id, amount }))
        }
        Verdict::Rejected(rejection) => Err(by_ledger(&rejection, context).in_ledger()),
        Verdict::StaleSettings | Verdict::StalePrice => Ok(Decision::Again),
        other => {
            tracing::error!(account = %account, verdict = ?other, "the ledger answered a reserve \
                    in a way it should not");
            Err(Rejected::new(
                RejectionKind::LedgerUnavailable,
                "the ledger cannot decide about this channel; its wallet may be missing",
            )
            .retry_after(1))
        }
    }
}

fn by_ledger(rejection: &Rejection, context: &SendContext) -> Rejected {
    let currency = &context.snapshot.account.currency;
    Rejected::by_ledger(rejection, context.campaign.as_ref(), currency)
}

fn request(
    options: &SendOptions,
    context: &SendContext,
    quote: &Quote,
    fingerprints: &Fingerprints,
    new: NewHold,
    now_ms: i64,
) -> Reserve {
    let channel = &context.channel;
    let account = &context.snapshot.account;
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
        hold: new.id,
        settings_version: context.snapshot.version,
        price_valid_until_ms: quote.valid_until_ms,
        wallet: prepaid.then(|| channel.settings.wallet.clone()),
        campaign: context
            .campaign
            .clone()
            .map(|id| CampaignUse { id, auto_create: options.auto_create }),
        channel: context.channel_id.clone(),
        country: quote.country,
        category: quote.category,
        amount: if prepaid { quote.amount } else { Amount::ZERO },
        allowance,
        recipient: fingerprints.recipient,
        spelled: fingerprints.spelled,
        window: limit.map(|limit| WindowRule { portfolio: channel.portfolio.clone(), limit }),
        caps: context.snapshot.caps.clone(),
        fingerprint: fingerprints.body,
        key: fingerprints.key,
        guarding: new.guarding,
        observe: context.observes(),
        abandoned_replay_s: options.abandoned_replay_s,
    }
}
