//! Reads the body of a send strictly: it is one unambiguous message, or it is refused with the
//! field that is at fault.
//!
//! The body is read in one pass and forwarded as it came, so nothing may stand in it that another
//! reader could take for another message: no key twice in any object, no second content object, no
//! field that a send is not known to have.

mod reading;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::MapAccess;

use reading::{Fields, Reading, Shape, Skip, shown};

/// The endpoint the body was posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/{phone_number_id}/messages`: every kind of message, and read receipts.
    Messages,
    /// `/{phone_number_id}/marketing_messages`: templates only.
    MarketingMessages,
}

/// The kind of content, named as in the body's `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Free text.
    Text,
    /// A picture.
    Image,
    /// Sound.
    Audio,
    /// A video.
    Video,
    /// A file.
    Document,
    /// A sticker.
    Sticker,
    /// A location on a map.
    Location,
    /// Contact cards.
    Contacts,
    /// Buttons, lists, flows and the like.
    Interactive,
    /// An emoji on an earlier message.
    Reaction,
    /// A pre-approved template.
    Template,
    /// A message pinned in a group.
    Pin,
}

impl Kind {
    /// Every kind there is.
    pub const ALL: [Kind; 12] = [
        Kind::Text,
        Kind::Image,
        Kind::Audio,
        Kind::Video,
        Kind::Document,
        Kind::Sticker,
        Kind::Location,
        Kind::Contacts,
        Kind::Interactive,
        Kind::Reaction,
        Kind::Template,
        Kind::Pin,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Image => "image",
            Kind::Audio => "audio",
            Kind::Video => "video",
            Kind::Document => "document",
            Kind::Sticker => "sticker",
            Kind::Location => "location",
            Kind::Contacts => "contacts",
            Kind::Interactive => "interactive",
            Kind::Reaction => "reaction",
            Kind::Template => "template",
            Kind::Pin => "pin",
        }
    }

    fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a body asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// One message to one recipient.
    Send(Send<'a>),
    /// The mark that an inbound message was read, with or without a typing indicator; costs
    /// nothing.
    ReadReceipt,
}

/// One message to one recipient, as far as its price depends on it; borrows from the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send<'a> {
    /// The kind of content.
    pub kind: Kind,
    /// `to` as written, never empty: a phone number, or a group's id if `group`. Wins over
    /// `recipient`.
    pub to: Option<Cow<'a, str>>,
    /// `recipient` as written, never empty: a business-scoped user id. At least one of the two is
    /// there.
    pub recipient: Option<Cow<'a, str>>,
    /// `recipient_type` is `group`.
    pub group: bool,
    /// Which template; there exactly if `kind` is [`Kind::Template`].
    pub template: Option<TemplateRef<'a>>,
    /// The range of the text of `to` in the body, without its quotes; `None` without `to` or if
    /// `to` has escapes.
    pub to_span: Option<Range<usize>>,
}

/// A template as a send names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateRef<'a> {
    /// `template.name`, never empty.
    pub name: Cow<'a, str>,
    /// `template.language.code`, never empty, with `_` for `-`.
    pub language: Cow<'a, str>,
}

/// Why a body is not one unambiguous message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{details}")]
pub struct Malformed {
    /// One sentence that names the field at fault.
    pub details: String,
}

fn malformed(details: impl Into<String>) -> Malformed {
    Malformed { details: details.into() }
}

/// Reads `body` as posted to `endpoint`. A field that is null counts as one that is not there.
pub fn parse(body: &[u8], endpoint: Endpoint) -> Result<Message<'_>, Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("the body is not UTF-8"))?;
    if text.trim_start_matches([' ', '\t', '\r', '\n']).as_bytes().first() != Some(&b'{') {
        return Err(malformed("the body is not a JSON object"));
    }
    let mut reading = Reading::new();
    let mut draft = Draft::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = reading.document(&mut deserializer, &mut draft).and_then(|_| deserializer.end());
    if let Err(error) = read {
        return Err(malformed(
            reading
                .into_refusal()
                .unwrap_or_else(|| format!("the body is not valid JSON: {error}")),
        ));
    }
    draft.finish(body, endpoint)
}

/// What was read so far of the top-level object.
#[derive(Default)]
struct Draft<'a> {
    product: bool,
    group: bool,
    to: Option<Cow<'a, str>>,
    recipient: Option<Cow<'a, str>>,
    type_: Option<Kind>,
    content: Option<Kind>,
    template: TemplateDraft<'a>,
    read: bool,
    message_id: bool,
    /// A field that only a read receipt has, a message has, a `/marketing_messages` body has; each
    /// the last one seen.
    receipt_only: Option<&'static str>,
    message_only: Option<&'static str>,
    marketing_only: Option<&'static str>,
}

/// Fields of a message that do not bear on its price: name, required shape, whether
/// `/marketing_messages` alone has it.
const PLAIN_FIELDS: [(&str, &str, bool); 6] = [
    ("context", "an object", false),
    ("biz_opaque_callback_data", "a string", false),
    ("recipient_identity_key_hash", "a string", false),
    ("product_policy", "a string", true),
    ("message_activity_sharing", "true or false", true),
    ("message_send_ttl_seconds", "a number", true),
];

impl<'a> Fields<'a> for Draft<'a> {
    const KEEP_TEXT: bool = false;

    fn field<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key {
            "messaging_product" => match reading.text(map, key)?.as_deref() {
                Some("whatsapp") => self.product = true,
                _ => return Err(reading.refuse("`messaging_product` must be \"whatsapp\"")),
            },
            "recipient_type" => match reading.text(map, key)?.as_deref() {
                None | Some("individual") => {}
                Some("group") => self.group = true,
                Some(_) => {
                    return Err(
                        reading.refuse("`recipient_type` must be \"individual\" or \"group\"")
                    );
                }
            },
            "to" => self.to = required_text(reading, key, map)?,
            "recipient" => self.recipient = required_text(reading, key, map)?,
            "type" => {
                if let Some(name) = reading.text(map, key)? {
                    let Some(kind) = Kind::from_name(&name) else {
                        return Err(reading.refuse(format!(
                            "`type` is {}, which is not a known type of message",
                            shown(&name)
                        )));
                    };
                    self.type_ = Some(kind);
                }
            }
            "status" => match reading.text(map, key)?.as_deref() {
                None => {}
                Some("read") => self.read = true,
                Some(_) => return Err(reading.refuse("`status` must be \"read\"")),
            },
            "message_id" => {
                if required_text(reading, key, map)?.is_some() {
                    self.message_id = true;
                    self.receipt_only = Some("message_id");
                }
            }
            "typing_indicator" => match reading.value(map, &mut Skip)? {
                Shape::Null => {}
                Shape::Object => self.receipt_only = Some("typing_indicator"),
                _ => return Err(reading.refuse("`typing_indicator` must be an object")),
            },
            _ => return self.other_field(reading, key, map),
        }
        Ok(())
    }
}

/// A string that, if it is there, is not empty.
fn required_text<'a, A: MapAccess<'a>>(
    reading: &mut Reading<'a>,
    key: &str,
    map: &mut A,
) -> Result<Option<Cow<'a, str>>, A::Error> {
    match reading.text(map, key)? {
        Some(text) if text.is_empty() => Err(reading.refuse(format!("`{key}` is empty"))),
        text => Ok(text),
    }
}

impl<'a> Draft<'a> {
    /// A content object, a field without weight, or an unknown one, which is refused.
    fn other_field<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if let Some(kind) = Kind::from_name(key) {
            let wanted = if kind == Kind::Contacts { Shape::Array } else { Shape::Object };
            let shape = if kind == Kind::Template {
                reading.value(map, &mut self.template)?
            } else {
                reading.value(map, &mut Skip)?
            };
            if shape == Shape::Null {
                return Ok(());
            }
            if shape != wanted {
                let wanted = if kind == Kind::Contacts { "an array" } else { "an object" };
                return Err(reading.refuse(format!("`{kind}` must be {wanted}")));
            }
            if let Some(first) = self.content.replace(kind) {
                return Err(reading
                    .refuse(format!("the body has two content objects, `{first}` and `{kind}`")));
            }
            return Ok(());
        }
        let Some((name, wanted, marketing)) =
            PLAIN_FIELDS.into_iter().find(|(name, ..)| *name == key)
        else {
            return Err(reading.refuse(format!("the field {} is not known on a send", shown(key))));
        };
        match (reading.value(map, &mut Skip)?, wanted) {
            (Shape::Null, _) => return Ok(()),
            (Shape::Object, "an object") | (Shape::Text(_), "a string") => {}
            (Shape::Bool, "true or false") | (Shape::Number, "a number") => {}
            _ => return Err(reading.refuse(format!("`{name}` must be {wanted}"))),
        }
        *(if marketing { &mut self.marketing_only } else { &mut self.message_only }) = Some(name);
        Ok(())
    }

    fn finish(self, body: &'a [u8], endpoint: Endpoint) -> Result<Message<'a>, Malformed> {
        if !self.product {
            return Err(malformed("`messaging_product` must be \"whatsapp\""));
        }
        if self.read {
            return self.read_receipt(endpoint);
        }
        if let Some(field) = self.receipt_only {
            return Err(malformed(format!(
                "`{field}` belongs to a read receipt, but `status` is missing"
            )));
        }
        let kind = self.kind(endpoint)?;
        if self.to.is_none() && self.recipient.is_none() {
            return Err(malformed("`to` is missing"));
        }
        if self.group && self.to.is_none() {
            return Err(malformed("`to` is missing, which holds the group"));
        }
        let template = if kind == Kind::Template { Some(self.template.finish()?) } else { None };
        let to_span = match &self.to {
            Some(Cow::Borrowed(to)) => span(body, to),
            _ => None,
        };
        Ok(Message::Send(Send {
            kind,
            to: self.to,
            recipient: self.recipient,
            group: self.group,
            template,
            to_span,
        }))
    }

    fn read_receipt(&self, endpoint: Endpoint) -> Result<Message<'a>, Malformed> {
        if endpoint == Endpoint::MarketingMessages {
            return Err(malformed("a read receipt belongs on `/messages`"));
        }
        let extra = [
            self.content.map(Kind::as_str),
            self.type_.and(Some("type")),
            self.to.as_ref().and(Some("to")),
            self.recipient.as_ref().and(Some("recipient")),
            self.group.then_some("recipient_type"),
            self.message_only,
            self.marketing_only,
        ];
        if let Some(field) = extra.into_iter().flatten().next() {
            return Err(malformed(format!(
                "a body with `status` is a read receipt and cannot have `{field}`"
            )));
        }
        if !self.message_id {
            return Err(malformed("`message_id` is missing on a read receipt"));
        }
        Ok(Message::ReadReceipt)
    }

    /// The kind of the one content object, which `type` and the endpoint must agree with.
    fn kind(&self, endpoint: Endpoint) -> Result<Kind, Malformed> {
        let kind = match (self.type_, self.content) {
            (None, None) => {
                return Err(malformed(
                    "the body has no content object, such as `text` or `template`",
                ));
            }
            (Some(type_), None) => {
                return Err(malformed(format!(
                    "`type` is `{type_}`, but the content object `{type_}` is missing"
                )));
            }
            (Some(type_), Some(content)) if type_ != content => {
                return Err(malformed(format!(
                    "`type` is `{type_}`, but the content object is `{content}`"
                )));
            }
            (_, Some(content)) => content,
        };
        match (endpoint, self.marketing_only) {
            (Endpoint::MarketingMessages, _) if kind != Kind::Template => Err(malformed(format!(
                "`type` must be `template` on `/marketing_messages`, not `{kind}`"
            ))),
            (Endpoint::Messages, Some(field)) => {
                Err(malformed(format!("`{field}` belongs on `/marketing_messages`")))
            }
            _ => Ok(kind),
        }
    }
}

/// The range of `text`, which is a part of `body`, in it.
fn span(body: &[u8], text: &str) -> Option<Range<usize>> {
    let start = (text.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
    let span = start..start.checked_add(text.len())?;
    (body.get(span.clone())? == text.as_bytes()).then_some(span)
}

/// What was read so far of `template`.
#[derive(Default)]
struct TemplateDraft<'a> {
    name: Option<Cow<'a, str>>,
    language: LanguageDraft<'a>,
}

#[derive(Default)]
struct LanguageDraft<'a> {
    code: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> for TemplateDraft<'a> {
    const KEEP_TEXT: bool = false;

    fn field<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key {
            "name" => self.name = reading.text(map, "template.name")?,
            "language" => match reading.value(map, &mut self.language)? {
                Shape::Object => {}
                _ => return Err(reading.refuse("`template.language` must be an object")),
            },
            _ => drop(reading.value(map, &mut Skip)?),
        }
        Ok(())
    }
}

impl<'a> Fields<'a> for LanguageDraft<'a> {
    const KEEP_TEXT: bool = false;

    fn field<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key {
            "code" => self.code = reading.text(map, "template.language.code")?,
            _ => drop(reading.value(map, &mut Skip)?),
        }
        Ok(())
    }
}

impl<'a> TemplateDraft<'a> {
    fn finish(self) -> Result<TemplateRef<'a>, Malformed> {
        let name = self
            .name
            .filter(|name| !name.is_empty())
            .ok_or_else(|| malformed("`template.name` is missing"))?;
        let code = self.language.code.filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| malformed("`template.language.code` is missing"))?;
        // Webhooks write `en-US` for what sends call `en_US`; the catalog knows one spelling.
        let language = if code.contains('-') { Cow::Owned(code.replace('-', "_")) } else { code };
        Ok(TemplateRef { name, language })
    }
}
