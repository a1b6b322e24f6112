//! Reads the body of a send as Meta documents it, without copying what it does not change, and
//! finds the Graph error that a wrong one gets.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::content::{self, TemplateUse};
use crate::graph_error::GraphError;
use crate::kind::Kind;
use crate::text::{Dialled, Text};

/// Longest `biz_opaque_callback_data` Meta takes, in characters.
const CALLBACK_DATA_MAX: usize = 512;

/// The members of a body that decide what it is. Everything else Meta ignores or passes on.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    messaging_product: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    message_id: Option<Text<'a>>,
    #[serde(borrow)]
    recipient_type: Option<Text<'a>>,
    #[serde(borrow)]
    to: Option<Dialled<'a>>,
    #[serde(borrow)]
    category: Option<Text<'a>>,
    ttl_seconds: Option<u64>,
    #[serde(borrow)]
    recipient: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    biz_opaque_callback_data: Option<Text<'a>>,
    #[serde(borrow)]
    product_policy: Option<Text<'a>>,
    message_activity_sharing: Option<bool>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    template: Option<&'a RawValue>,
    #[serde(borrow)]
    image: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
    #[serde(borrow)]
    video: Option<&'a RawValue>,
    #[serde(borrow)]
    document: Option<&'a RawValue>,
    #[serde(borrow)]
    sticker: Option<&'a RawValue>,
    #[serde(borrow)]
    location: Option<&'a RawValue>,
    #[serde(borrow)]
    contacts: Option<&'a RawValue>,
    #[serde(borrow)]
    interactive: Option<&'a RawValue>,
    #[serde(borrow)]
    reaction: Option<&'a RawValue>,
    #[serde(borrow)]
    pin: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Returns the content object of a message type, if the body has it.
    fn content(&self, kind: Kind) -> Option<&'a RawValue> {
        match kind {
            Kind::Text => self.text,
            Kind::Template => self.template,
            Kind::Image => self.image,
            Kind::Audio => self.audio,
            Kind::Video => self.video,
            Kind::Document => self.document,
            Kind::Sticker => self.sticker,
            Kind::Location => self.location,
            Kind::Contacts => self.contacts,
            Kind::Interactive => self.interactive,
            Kind::Reaction => self.reaction,
            Kind::Pin => self.pin,
        }
    }
}

/// Who a message is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    /// A phone number as it was written: digits, with plus, spaces, hyphens or parentheses.
    Phone(Text<'a>),
    /// A business-scoped user id, `US.134...` or `US.ENT.134...`.
    UserId(Text<'a>),
    Group(Text<'a>),
}

impl Address<'_> {
    pub(crate) fn as_written(&self) -> &str {
        match self {
            Address::Phone(text) | Address::UserId(text) | Address::Group(text) => text,
        }
    }
}

/// One message that Meta would take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) address: Address<'a>,
    pub(crate) kind: Kind,
    pub(crate) template: Option<TemplateUse<'a>>,
}

/// What a body posted to a send path is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Posted<'a> {
    /// `status: "read"`, with or without a typing indicator: nothing is sent.
    ReadReceipt,
    Message(Message<'a>),
}

/// The two paths that take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendPath {
    Messages,
    MarketingMessages,
}

/// Returns what one body posted to `path` is, or the Graph error that Meta gives for it.
pub(crate) fn read(path: SendPath, body: &[u8]) -> Result<Posted<'_>, GraphError> {
    let envelope: Envelope<'_> =
        serde_json::from_slice(body).map_err(|error| GraphError::new(100, error.to_string()))?;
    match envelope.messaging_product.as_deref() {
        Some("whatsapp") => {}
        Some(_) => {
            return Err(GraphError::new(100, "Param messaging_product must be one of {WHATSAPP}"));
        }
        None => {
            return Err(GraphError::new(100, "The parameter messaging_product is required."));
        }
    }
    if let Some(status) = &envelope.status {
        return read_receipt(path, status, envelope.message_id.as_deref());
    }
    let kind = kind(&envelope)?;
    check_path(path, kind, &envelope)?;
    check_extras(&envelope)?;
    let group = is_group(&envelope)?;
    let content = envelope.content(kind).ok_or_else(|| {
        let name = kind.name();
        GraphError::new(131008, format!("Parameter '{name}' is mandatory for type '{name}'"))
    })?;
    let template = check_content(kind, content, group)?;
    check_direct_send(&envelope, kind)?;
    let to = envelope.to.map(|Dialled(to)| to);
    let address = address(group, to, envelope.recipient)?;
    Ok(Posted::Message(Message { address, kind, template }))
}

/// Checks a content object, which may be written as a string of JSON; Graph reads both alike.
fn check_content<'a>(
    kind: Kind,
    content: &'a RawValue,
    group: bool,
) -> Result<Option<TemplateUse<'a>>, GraphError> {
    if !content.get().starts_with('"') {
        return content::check(kind, content, group);
    }
    let inner = serde_json::from_str::<String>(content.get()).and_then(RawValue::from_string);
    let inner = inner.map_err(|_| {
        GraphError::new(131009, format!("Parameter '{}' is not an object", kind.name()))
    })?;
    Ok(content::check(kind, &inner, group)?.map(TemplateUse::into_owned))
}

fn read_receipt<'a>(
    path: SendPath,
    status: &str,
    message_id: Option<&str>,
) -> Result<Posted<'a>, GraphError> {
    if status != "read" || path == SendPath::MarketingMessages {
        return Err(GraphError::new(100, "Param status must be one of {READ}"));
    }
    match message_id {
        Some(id) if id.starts_with("wamid.") => Ok(Posted::ReadReceipt),
        Some(_) => Err(GraphError::new(131009, "message_id is not a message id")),
        None => Err(GraphError::new(131008, "message_id is required")),
    }
}

fn is_empty(value: &RawValue) -> bool {
    let inside = value.get().trim_matches(['{', '}', '[', ']', '"', ' ', '\t', '\r', '\n']);
    inside.is_empty()
}

/// Direct Send: a category instead of a template.
fn check_direct_send(envelope: &Envelope<'_>, kind: Kind) -> Result<(), GraphError> {
    match (envelope.category.as_deref(), envelope.ttl_seconds) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(GraphError::new(100, "ttl_seconds needs category")),
        (Some("utility" | "authentication"), _) if kind != Kind::Template => Ok(()),
        (Some(_), _) => Err(GraphError::new(100, "Param category is not one of a direct send")),
    }
}

/// Returns the message type: the `type` member, or without one that of the only content object.
fn kind(envelope: &Envelope<'_>) -> Result<Kind, GraphError> {
    if let Some(name) = envelope.kind.as_deref() {
        return Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            GraphError::new(131051, format!("Message type '{name}' is not supported"))
        });
    }
    let filled = |kind: &Kind| envelope.content(*kind).is_some_and(|content| !is_empty(content));
    let mut present = Kind::ALL.into_iter().filter(filled);
    match (present.next(), present.next()) {
        (Some(kind), None) => Ok(kind),
        _ => Err(GraphError::new(131008, "The parameter type is required.")),
    }
}

fn check_path(path: SendPath, kind: Kind, envelope: &Envelope<'_>) -> Result<(), GraphError> {
    if path == SendPath::Messages {
        return match (&envelope.product_policy, envelope.message_activity_sharing) {
            (None, None) => Ok(()),
            _ => Err(GraphError::new(
                100,
                "product_policy and message_activity_sharing belong to /marketing_messages",
            )),
        };
    }
    if kind != Kind::Template {
        return Err(GraphError::new(100, "Param type must be one of {TEMPLATE}"));
    }
    match envelope.product_policy.as_deref() {
        None | Some("CLOUD_API_FALLBACK" | "STRICT") => Ok(()),
        Some(_) => Err(GraphError::new(
            100,
            "Param product_policy must be one of {CLOUD_API_FALLBACK, STRICT}",
        )),
    }
}

fn check_extras(envelope: &Envelope<'_>) -> Result<(), GraphError> {
    if let Some(data) = envelope.biz_opaque_callback_data.as_deref()
        && data.chars().count() > CALLBACK_DATA_MAX
    {
        return Err(GraphError::new(
            100,
            format!("biz_opaque_callback_data is longer than {CALLBACK_DATA_MAX} characters"),
        ));
    }
    let means_nothing = |context: &&RawValue| matches!(context.get(), "[]" | "\"\"");
    if let Some(context) = envelope.context.filter(|context| !means_nothing(context)) {
        #[derive(Deserialize)]
        struct Context<'a> {
            #[serde(borrow, rename = "message_id")]
            _message_id: Text<'a>,
        }
        let inner = serde_json::from_str::<String>(context.get());
        serde_json::from_str::<Context<'_>>(inner.as_deref().unwrap_or(context.get()))
            .map_err(|error| GraphError::new(131009, format!("context: {error}")))?;
    }
    Ok(())
}

fn is_group(envelope: &Envelope<'_>) -> Result<bool, GraphError> {
    match envelope.recipient_type.as_deref() {
        None | Some("individual") => Ok(false),
        Some("group") => Ok(true),
        Some(_) => {
            Err(GraphError::new(100, "Param recipient_type must be one of {INDIVIDUAL, GROUP}"))
        }
    }
}

/// Returns the recipient; `to` counts if the body has both `to` and `recipient`.
fn address<'a>(
    group: bool,
    to: Option<Text<'a>>,
    recipient: Option<Text<'a>>,
) -> Result<Address<'a>, GraphError> {
    match (group, to, recipient) {
        (true, Some(to), _) if is_group_id(&to) => Ok(Address::Group(to)),
        (true, Some(_), _) => Err(GraphError::new(131009, "to is not a group id")),
        (false, Some(to), _) if is_phone(&to) => Ok(Address::Phone(to)),
        (false, Some(_), _) => Err(GraphError::new(131009, "to is not a phone number")),
        (false, None, Some(recipient)) if is_user_id(&recipient) => Ok(Address::UserId(recipient)),
        (false, None, Some(_)) => {
            Err(GraphError::new(131009, "recipient is not a business-scoped user id"))
        }
        (_, None, _) => Err(GraphError::new(100, "The parameter to is required.")),
    }
}

/// Digits that may carry a leading plus, spaces, hyphens and parentheses; 5 to 15 digits as E.164
/// allows.
fn is_phone(text: &str) -> bool {
    let mut digits = 0;
    let plausible = text.bytes().enumerate().all(|(index, byte)| match byte {
        b'0'..=b'9' => {
            digits += 1;
            true
        }
        b'+' => index == 0,
        b' ' | b'-' | b'(' | b')' => true,
        _ => false,
    });
    plausible && (5..=15).contains(&digits)
}

/// Two capital letters, a dot, `ENT.` for the parent form, then up to 128 letters and digits.
fn is_user_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    let country = bytes.len() > 3 && bytes[..2].iter().all(u8::is_ascii_uppercase);
    let Some((_, rest)) = text.split_once('.') else {
        return false;
    };
    let id = rest.strip_prefix("ENT.").unwrap_or(rest);
    country
        && bytes[2] == b'.'
        && (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Group ids are base64 text, never a phone number.
fn is_group_id(text: &str) -> bool {
    (8..=128).contains(&text.len())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
        })
}
