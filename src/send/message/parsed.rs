//! What a body that was read turns out to be, and why one is refused.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::pricing::Category;

/// The endpoint the body was posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/{phone_number_id}/messages`: every kind of message, and read receipts.
    Messages,
    /// `/{phone_number_id}/marketing_messages`: templates only.
    MarketingMessages,
}

impl Endpoint {
    /// The last part of its path.
    pub const fn as_str(self) -> &'static str {
        match self {
            Endpoint::Messages => "messages",
            Endpoint::MarketingMessages => "marketing_messages",
        }
    }
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

    pub(super) fn from_name(name: &str) -> Option<Kind> {
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
    /// `recipient`. A number is given by its digits.
    pub to: Option<Cow<'a, str>>,
    /// `recipient` as written, never empty: a business-scoped user id. At least one of the two is
    /// there.
    pub recipient: Option<Cow<'a, str>>,
    /// `recipient_type` is `group`.
    pub group: bool,
    /// Which template; there exactly if `kind` is [`Kind::Template`].
    pub template: Option<TemplateRef<'a>>,
    /// `to` is written as a number, not as a text.
    pub to_is_number: bool,
    /// The range of the text of `to` in the body, without its quotes; `None` without `to` or if
    /// `to` has escapes or is a number.
    pub to_span: Option<Range<usize>>,
    /// The range of the value of `biz_opaque_callback_data` in the body, quotes included.
    pub callback_data_span: Option<Range<usize>>,
    /// The `category` of a Direct Send, which is priced and limited as a template of that category
    /// although it names none.
    pub direct_send: Option<Category>,
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

pub(super) fn malformed(details: impl Into<String>) -> Malformed {
    Malformed { details: details.into() }
}
