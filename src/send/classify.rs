//! Classify and price: who the message is for, what kind it is, what it costs on this account's
//! terms.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::context::SendContext;
use super::message::{Endpoint, Send, TemplateRef};
use super::rejected::Rejected;
use super::route::SendRoute;
use super::service::{SendOptions, SendService};
use crate::catalog::Channel;
use crate::catalog::documents::{Billing, MarketingEndpoint, UnknownTemplate};
use crate::pricing::recipient::{self, Recipient, WithoutPlus};
use crate::pricing::{Category, PriceBook, Quote, ServiceWindow, Terms, Unpriced};
use crate::rejection::RejectionKind;

/// The person the message is for.
#[derive(Debug, Clone)]
pub struct Addressee {
    /// Number or BSUID.
    pub recipient: Recipient,
    /// Offset in the body before which a plus is missing.
    pub plus_at: Option<usize>,
}

/// Reads the recipient; `to` wins over `recipient`, as it does at Meta.
pub fn addressee(
    message: &Send<'_>,
    options: &SendOptions,
    channel: &Channel,
) -> Result<Addressee, Rejected> {
    let without_plus = options.without_plus;
    let unsupported = |details: String| Rejected::new(RejectionKind::RecipientUnsupported, details);
    if message.group {
        return Err(unsupported(
            "group messages are charged once per participant and are not supported".into(),
        ));
    }
    let text = message.to.as_deref().or(message.recipient.as_deref()).unwrap_or_default();
    let recipient = recipient::parse(text).map_err(|error| unsupported(error.to_string()))?;
    let (Recipient::Phone(number), Some(_)) = (&recipient, &message.to) else {
        return Ok(Addressee { recipient, plus_at: None });
    };
    if number.has_plus() || without_plus == WithoutPlus::AsIs {
        return Ok(Addressee { recipient, plus_at: None });
    }
    match (&message.to_span, without_plus) {
        (Some(Range { start, .. }), WithoutPlus::Plus) => {
            Ok(Addressee { recipient, plus_at: Some(*start) })
        }
        (None, WithoutPlus::Plus) if message.to_is_number => Err(unsupported(
            "`to` is a number, so no plus sign can be put before it; write it as a text".into(),
        )),
        (None, WithoutPlus::Plus) => Err(unsupported(
            "`to` has no plus sign and is written with escapes, so none can be put before it"
                .into(),
        )),
        (_, WithoutPlus::ChannelCountry) => {
            let calling_code = channel.settings.calling_code.as_deref();
            let code = calling_code.ok_or_else(|| {
                unsupported(
                    "`to` has no plus sign, and the channel has no `calling_code` to put before it"
                        .into(),
                )
            })?;
            let whole = recipient::parse(&format!("+{code}{}", number.digits()))
                .map_err(|error| unsupported(error.to_string()))?;
            Ok(Addressee { recipient: whole, plus_at: None })
        }
        _ => Err(unsupported("`to` has no plus sign, and such numbers are refused here".into())),
    }
}

/// The body as it is forwarded: byte for byte, or with a plus before the number.
pub fn forwarded_body(body: &Bytes, plus_at: Option<usize>) -> Bytes {
    let Some((before, after)) = plus_at.and_then(|at| body.split_at_checked(at)) else {
        return body.clone();
    };
    let mut with_plus = BytesMut::with_capacity(body.len() + 1);
    with_plus.extend_from_slice(before);
    with_plus.extend_from_slice(b"+");
    with_plus.extend_from_slice(after);
    with_plus.freeze()
}

/// Refuses a template that the catalog does not know, if the account chose so.
pub fn check_known(context: &SendContext, message: &Send<'_>) -> Result<(), Rejected> {
    let refuses = context.snapshot.account.unknown_template == UnknownTemplate::Refuse;
    match message.template.as_ref().filter(|_| refuses) {
        Some(template) if in_catalog(context, template).is_none() => Err(Rejected::new(
            RejectionKind::Unclassified,
            format!(
                "template {} ({}) is not in the catalog, so its price is unknown; sync or declare \
                 it",
                template.name, template.language
            ),
        )),
        _ => Ok(()),
    }
}

/// Category and price of a message now; a template that the catalog does not know is priced at the
/// most expensive template category of its market.
pub fn quote(
    service: &SendService,
    context: &SendContext,
    message: &Send<'_>,
    recipient: &Recipient,
) -> Result<Quote, Rejected> {
    let category = category(context, message);
    let services = &service.services;
    price(&services.prices.load(), context, recipient, category, services.clock.now_ms())
}

/// The path a send is forwarded to: that of the channel's own upstream, or the one it came on, or
/// `/marketing_messages` of the same channel and version for a template that the catalog has as
/// marketing, if the account chose so. What identifies the send stays as it came.
pub fn forwarded_path<'r>(
    context: &SendContext,
    message: &Send<'_>,
    route: &'r SendRoute,
) -> Result<Cow<'r, str>, Rejected> {
    if let Some(path) = &context.channel.settings.upstream_path {
        return match route.endpoint {
            Endpoint::Messages => Ok(Cow::Owned(path.clone())),
            Endpoint::MarketingMessages => Err(Rejected::new(
                RejectionKind::PathNotAllowed,
                "the upstream of this channel has no /marketing_messages; send it to /messages",
            )),
        };
    }
    let endpoint = context.snapshot.account.marketing_endpoint;
    let chosen = endpoint == MarketingEndpoint::MarketingMessages
        && context.channel.settings.billing == Billing::Prepaid
        && route.endpoint == Endpoint::Messages;
    let known = || message.template.as_ref().and_then(|template| in_catalog(context, template));
    Ok(match route.path.strip_suffix("/messages") {
        Some(channel) if chosen && known() == Some(Category::Marketing) => {
            Cow::Owned(format!("{channel}/marketing_messages"))
        }
        _ => Cow::Borrowed(&route.path),
    })
}

/// The category of a template, `None` if the catalog does not know it.
fn in_catalog(context: &SendContext, template: &TemplateRef<'_>) -> Option<Category> {
    let waba = context.channel.settings.waba.as_ref()?;
    context.snapshot.template(waba, &template.name, &template.language)
}

/// What a message is for pricing; `None` for a template that the catalog does not know.
fn category(context: &SendContext, message: &Send<'_>) -> Option<Category> {
    let international = context.snapshot.account.authentication_international;
    let billed = |category| match category {
        Category::Authentication if international => Category::AuthenticationInternational,
        other => other,
    };
    match &message.template {
        Some(template) => in_catalog(context, template).map(billed),
        None => Some(message.direct_send.map_or(Category::Service, billed)),
    }
}

/// The price at `now_ms`.
fn price(
    book: &PriceBook,
    context: &SendContext,
    recipient: &Recipient,
    category: Option<Category>,
    now_ms: i64,
) -> Result<Quote, Rejected> {
    let unpriced = |error: Unpriced| Rejected::new(RejectionKind::Unpriced, error);
    let location = book.locate(recipient).map_err(unpriced)?;
    let account = &context.snapshot.account;
    let terms = Terms {
        card: &account.rate_card,
        time_zone: &context.channel.time_zone,
        markup: &account.markup,
        authentication_international: account.authentication_international,
        window: ServiceWindow::Unknown,
    };
    match category {
        Some(category) => book.quote(&terms, location, category, now_ms).map_err(unpriced),
        None => book.ceiling(&terms, location, now_ms).map_err(unpriced),
    }
}
