//! The top-level object of a body while it is read, and the message it turns out to be.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::MapAccess;
use serde_json::value::RawValue;

use super::parsed::{Endpoint, Kind, Malformed, Message, Send, malformed};
use super::reading::{Fields, Reading, Shape, Skip, shown};
use super::template::TemplateDraft;
use super::{direct_send, ignored};
use crate::pricing::Category;

/// The largest number that `to` may be: E.164 allows 15 digits.
const TO_MAX: u64 = 999_999_999_999_999;

/// What was read so far of the top-level object.
#[derive(Default)]
pub(super) struct Draft<'a> {
    product: bool,
    group: bool,
    to: Option<Cow<'a, str>>,
    to_is_number: bool,
    recipient: Option<Cow<'a, str>>,
    type_: Option<Kind>,
    /// The kind of the one content object that is not empty.
    content: Option<Kind>,
    /// The kinds of those that are empty, of which one is the content if there is no other.
    empty: Vec<Kind>,
    /// What makes it a Direct Send, and a field that only one has.
    category: Option<Category>,
    ttl_seconds: Option<u64>,
    /// `biz_opaque_callback_data` as it is written, quotes included.
    callback_data: Option<&'a str>,
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
const PLAIN_FIELDS: [(&str, &str, bool); 5] = [
    ("context", "an object", false),
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
            "to" => self.to(reading, map)?,
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
            "typing_indicator" => match reading.structure(map, key)? {
                Shape::Null => {}
                Shape::Object { .. } => self.receipt_only = Some("typing_indicator"),
                _ => return Err(reading.refuse("`typing_indicator` must be an object")),
            },
            "biz_opaque_callback_data" => self.callback_data(reading, map)?,
            "category" => self.category(reading, map)?,
            "ttl_seconds" => match reading.value(map, &mut Skip)? {
                Shape::Null => {}
                Shape::Integer(seconds) => {
                    self.ttl_seconds = Some(seconds);
                    self.message_only = Some("ttl_seconds");
                }
                _ => return Err(reading.refuse("`ttl_seconds` must be a whole number")),
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
    /// A text, or an integer as some senders write it.
    fn to<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match reading.scalar(map)? {
            Shape::Null => {}
            Shape::Text(text) if text.is_empty() => return Err(reading.refuse("`to` is empty")),
            Shape::Text(text) => self.to = Some(text),
            Shape::Integer(number) if number <= TO_MAX => {
                self.to = Some(Cow::Owned(number.to_string()));
                self.to_is_number = true;
            }
            _ => {
                let details = "`to` must be a string, or a whole number of at most 15 digits";
                return Err(reading.refuse(details));
            }
        }
        Ok(())
    }

    /// A string, of which only the place matters.
    fn callback_data<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let raw = map.next_value::<&'a RawValue>()?.get();
        match raw.as_bytes().first() {
            Some(b'"') => {
                self.callback_data = Some(raw);
                self.message_only = Some("biz_opaque_callback_data");
                Ok(())
            }
            Some(b'n') => Ok(()),
            _ => Err(reading.refuse("`biz_opaque_callback_data` must be a string")),
        }
    }

    fn category<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let Some(name) = reading.text(map, "category")? else { return Ok(()) };
        self.category = direct_send::category(&name);
        self.message_only = Some("category");
        if self.category.is_some() {
            return Ok(());
        }
        Err(reading.refuse(format!(
            "`category` is {}, but must be \"utility\" or \"authentication\"",
            shown(&name)
        )))
    }

    /// A content object, a field without weight, or an unknown one, which is refused.
    fn other_field<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if let Some(kind) = Kind::from_name(key) {
            return self.content(reading, kind, map);
        }
        let plain = PLAIN_FIELDS.into_iter().find(|(name, ..)| *name == key);
        if plain.is_none() && !ignored::is_listed(key) {
            return Err(reading.refuse(format!("the field {} is not known on a send", shown(key))));
        }
        let shape = match plain {
            Some((name, "an object", _)) => reading.structure(map, name)?,
            _ => reading.value(map, &mut Skip)?,
        };
        if shape == Shape::Null || ignored::is_ignored(key, &shape) {
            return Ok(());
        }
        let Some((name, wanted, marketing)) = plain else {
            let details = format!("`{key}` means nothing on a send and must not be an object");
            return Err(reading.refuse(details));
        };
        match (shape, wanted) {
            (Shape::Object { .. }, "an object")
            | (Shape::Text(_) | Shape::Escaped, "a string")
            | (Shape::Bool, "true or false")
            | (Shape::Integer(_) | Shape::Number, "a number") => {}
            _ => return Err(reading.refuse(format!("`{name}` must be {wanted}"))),
        }
        *(if marketing { &mut self.marketing_only } else { &mut self.message_only }) = Some(name);
        Ok(())
    }

    fn content<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        kind: Kind,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let shape = if kind == Kind::Template {
            self.template.read(reading, map)?
        } else {
            reading.structure(map, kind.as_str())?
        };
        let fits = match shape {
            Shape::Array { .. } => kind == Kind::Contacts,
            Shape::Object { .. } => kind != Kind::Contacts,
            _ => false,
        };
        if ignored::is_ignored(kind.as_str(), &shape) {
            if fits {
                self.empty.push(kind);
            }
            return Ok(());
        }
        if !fits {
            let wanted = if kind == Kind::Contacts { "an array" } else { "an object" };
            return Err(reading.refuse(format!("`{kind}` must be {wanted}")));
        }
        match self.content.replace(kind) {
            None => Ok(()),
            Some(first) => {
                Err(reading
                    .refuse(format!("the body has two content objects, `{first}` and `{kind}`")))
            }
        }
    }

    pub(super) fn finish(
        self,
        body: &'a [u8],
        endpoint: Endpoint,
    ) -> Result<Message<'a>, Malformed> {
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
        direct_send::check(self.category, self.ttl_seconds, kind, endpoint)?;
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
            to_is_number: self.to_is_number,
            to_span,
            callback_data_span: self.callback_data.and_then(|raw| span(body, raw)),
            direct_send: self.category,
        }))
    }

    fn read_receipt(&self, endpoint: Endpoint) -> Result<Message<'a>, Malformed> {
        if endpoint == Endpoint::MarketingMessages {
            return Err(malformed("a read receipt belongs on `/messages`"));
        }
        let extra = [
            self.content.or(self.empty.first().copied()).map(Kind::as_str),
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

    /// The one content object. Empty ones beside it are ignored; among empty ones `type` chooses.
    fn one_content(&self) -> Result<Option<Kind>, Malformed> {
        match (self.content, self.type_, self.empty.as_slice()) {
            (Some(content), ..) => Ok(Some(content)),
            (None, Some(type_), empty) => Ok(empty.contains(&type_).then_some(type_)),
            (None, None, empty) => match empty {
                [] => Ok(None),
                [only] => Ok(Some(*only)),
                [first, second, ..] => Err(malformed(format!(
                    "the body has two content objects, `{first}` and `{second}`"
                ))),
            },
        }
    }

    /// The kind of the one content object, which `type` and the endpoint must agree with.
    fn kind(&self, endpoint: Endpoint) -> Result<Kind, Malformed> {
        let kind = match (self.type_, self.one_content()?) {
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
