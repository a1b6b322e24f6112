//! Checks the content object of a message, one rule set per message type, as Meta documents them.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::graph_error::GraphError;
use crate::kind::Kind;
use crate::text::Text;

/// Longest text body, in characters.
const TEXT_MAX: usize = 4096;

/// Longest caption of a media message, in characters.
const CAPTION_MAX: usize = 1024;

/// Interactive messages and the members their `action` must have.
const INTERACTIVE: &[(&str, &[&str])] = &[
    ("button", &["buttons"]),
    ("list", &["button", "sections"]),
    ("cta_url", &["name", "parameters"]),
    ("flow", &["name", "parameters"]),
    ("product", &["catalog_id", "product_retailer_id"]),
    ("product_list", &["catalog_id", "sections"]),
    ("catalog_message", &["name"]),
    ("location_request_message", &["name"]),
    ("address_message", &["name", "parameters"]),
    ("contact_request", &["name"]),
    // The same, as two SDKs write it.
    ("request_contact_info", &["name"]),
    ("call_permission_request", &["name"]),
    ("voice_call", &["name"]),
    ("carousel", &["cards"]),
];

/// Name and language of the template a message uses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TemplateUse<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) language: Text<'a>,
}

impl TemplateUse<'_> {
    /// The same, independent of the body that it was read from.
    pub(crate) fn into_owned<'a>(self) -> TemplateUse<'a> {
        TemplateUse { name: self.name.into_owned(), language: self.language.into_owned() }
    }
}

/// Checks `content` by the rules of `kind`; returns the template if the message uses one. `group`
/// is `true` for a message to a group.
pub(crate) fn check<'a>(
    kind: Kind,
    content: &'a RawValue,
    group: bool,
) -> Result<Option<TemplateUse<'a>>, GraphError> {
    match kind {
        Kind::Template => return template(content).map(Some),
        Kind::Text => text(content),
        Kind::Image | Kind::Audio | Kind::Video | Kind::Document | Kind::Sticker => {
            media(kind, content)
        }
        Kind::Location => location(content),
        Kind::Contacts => contacts(content),
        Kind::Interactive => interactive(content),
        Kind::Reaction => reaction(content),
        Kind::Pin => pin(content, group),
    }?;
    Ok(None)
}

/// Reads a content object; a wrong member is error 131009 with serde's line and column.
fn parse<'a, T: Deserialize<'a>>(kind: Kind, content: &'a RawValue) -> Result<T, GraphError> {
    serde_json::from_str(content.get())
        .map_err(|error| GraphError::new(131009, format!("{}: {error}", kind.name())))
}

fn missing(what: &str) -> GraphError {
    GraphError::new(131008, format!("Parameter '{what}' is mandatory"))
}

fn invalid(why: impl Into<String>) -> GraphError {
    GraphError::new(131009, why)
}

fn template(content: &RawValue) -> Result<TemplateUse<'_>, GraphError> {
    #[derive(Deserialize)]
    struct Template<'a> {
        #[serde(borrow)]
        name: Option<Text<'a>>,
        #[serde(borrow)]
        language: Option<Language<'a>>,
        #[serde(borrow)]
        components: Option<Vec<Component<'a>>>,
    }
    #[derive(Deserialize)]
    struct Language<'a> {
        #[serde(borrow)]
        code: Option<Text<'a>>,
    }
    #[derive(Deserialize)]
    struct Component<'a> {
        #[serde(borrow, rename = "type")]
        kind: Text<'a>,
    }
    let template: Template<'_> = parse(Kind::Template, content)?;
    let name = template.name.ok_or_else(|| missing("template.name"))?;
    let language = template
        .language
        .and_then(|language| language.code)
        .ok_or_else(|| missing("template.language.code"))?;
    if name.is_empty() || name.len() > 512 || language.is_empty() {
        return Err(invalid("template name or language is empty or too long"));
    }
    for component in template.components.unwrap_or_default() {
        let known = [
            "header",
            "body",
            "footer",
            "button",
            "carousel",
            "limited_time_offer",
            "order_status",
        ];
        if !known.iter().any(|known| known.eq_ignore_ascii_case(&component.kind)) {
            return Err(invalid(format!("template component '{}' is unknown", &*component.kind)));
        }
    }
    Ok(TemplateUse { name, language })
}

fn text(content: &RawValue) -> Result<(), GraphError> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        body: Option<Text<'a>>,
        #[serde(rename = "preview_url")]
        _preview_url: Option<bool>,
    }
    let text: Body<'_> = parse(Kind::Text, content)?;
    let body = text.body.ok_or_else(|| missing("text.body"))?;
    match body.len() <= TEXT_MAX || body.chars().count() <= TEXT_MAX {
        true if !body.is_empty() => Ok(()),
        _ => Err(invalid(format!("text.body must hold 1 to {TEXT_MAX} characters"))),
    }
}

fn media(kind: Kind, content: &RawValue) -> Result<(), GraphError> {
    #[derive(Deserialize)]
    struct Media<'a> {
        #[serde(borrow)]
        id: Option<Text<'a>>,
        #[serde(borrow)]
        link: Option<Text<'a>>,
        #[serde(borrow)]
        caption: Option<Text<'a>>,
    }
    let media: Media<'_> = parse(kind, content)?;
    if let Some(caption) = &media.caption {
        let allowed = matches!(kind, Kind::Image | Kind::Video | Kind::Document);
        if !allowed || caption.chars().count() > CAPTION_MAX {
            return Err(invalid(format!("{}.caption is not valid", kind.name())));
        }
    }
    match (&media.id, &media.link) {
        (Some(id), None) if !id.is_empty() => Ok(()),
        (None, Some(link)) if link.starts_with("http://") || link.starts_with("https://") => Ok(()),
        (None, None) => Err(missing("id or link")),
        _ => Err(invalid(format!("{} takes either a media id or an http link", kind.name()))),
    }
}

fn location(content: &RawValue) -> Result<(), GraphError> {
    #[derive(Deserialize)]
    struct Location<'a> {
        #[serde(borrow)]
        latitude: Option<&'a RawValue>,
        #[serde(borrow)]
        longitude: Option<&'a RawValue>,
    }
    let location: Location<'_> = parse(Kind::Location, content)?;
    for (name, bound, value) in
        [("latitude", 90.0, location.latitude), ("longitude", 180.0, location.longitude)]
    {
        // Numbers and strings are both documented.
        let text = value.ok_or_else(|| missing(name))?.get().trim_matches('"');
        let degrees: f64 = text.parse().map_err(|_| invalid(format!("{name} is not a number")))?;
        if !(-bound..=bound).contains(&degrees) {
            return Err(invalid(format!("{name} is out of range")));
        }
    }
    Ok(())
}

fn contacts(content: &RawValue) -> Result<(), GraphError> {
    #[derive(Deserialize)]
    struct Contact<'a> {
        #[serde(borrow)]
        name: Option<Name<'a>>,
    }
    #[derive(Deserialize)]
    struct Name<'a> {
        #[serde(borrow)]
        formatted_name: Option<Text<'a>>,
    }
    let contacts: Vec<Contact<'_>> = parse(Kind::Contacts, content)?;
    if contacts.is_empty() {
        return Err(missing("contacts"));
    }
    let named = |contact: &Contact<'_>| {
        let name = contact.name.as_ref();
        name.is_some_and(|name| name.formatted_name.is_some())
    };
    match contacts.iter().all(named) {
        true => Ok(()),
        false => Err(missing("contacts.name.formatted_name")),
    }
}

fn interactive(content: &RawValue) -> Result<(), GraphError> {
    #[derive(Deserialize)]
    struct Interactive<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<Text<'a>>,
        action: Option<serde_json::Value>,
    }
    let interactive: Interactive<'_> = parse(Kind::Interactive, content)?;
    let kind = interactive.kind.ok_or_else(|| missing("interactive.type"))?;
    let action = action(interactive.action.ok_or_else(|| missing("interactive.action"))?)?;
    let (_, members) = INTERACTIVE
        .iter()
        .find(|(name, _)| *name == &*kind)
        .ok_or_else(|| invalid(format!("interactive type '{}' is unknown", &*kind)))?;
    for member in *members {
        if !action.contains_key(*member) {
            return Err(missing(&format!("interactive.action.{member}")));
        }
    }
    for (member, most) in [("buttons", 3), ("sections", 10)] {
        let Some(value) = action.get(member) else {
            continue;
        };
        let count = value.as_array().map_or(0, Vec::len);
        if !(1..=most).contains(&count) {
            return Err(invalid(format!(
                "interactive.action.{member} must hold 1 to {most} entries"
            )));
        }
    }
    Ok(())
}

/// The members of an `action`. Graph also takes an object that is written as a string of JSON, as
/// it does with every parameter; Ruby senders write it so.
fn action(
    value: serde_json::Value,
) -> Result<serde_json::Map<String, serde_json::Value>, GraphError> {
    let read = match value {
        serde_json::Value::String(text) => serde_json::from_str(&text).ok(),
        other => Some(other),
    };
    match read {
        Some(serde_json::Value::Object(members)) => Ok(members),
        _ => Err(invalid("interactive.action must be an object")),
    }
}

fn reaction(content: &RawValue) -> Result<(), GraphError> {
    #[derive(Deserialize)]
    struct Reaction<'a> {
        #[serde(borrow)]
        message_id: Option<Text<'a>>,
        #[serde(borrow)]
        emoji: Option<Text<'a>>,
    }
    let reaction: Reaction<'_> = parse(Kind::Reaction, content)?;
    match (reaction.message_id, reaction.emoji) {
        (Some(_), Some(_)) => Ok(()),
        (None, _) => Err(missing("reaction.message_id")),
        (_, None) => Err(missing("reaction.emoji")),
    }
}

fn pin(content: &RawValue, group: bool) -> Result<(), GraphError> {
    #[derive(Deserialize)]
    struct Pin<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<Text<'a>>,
        #[serde(borrow)]
        message_id: Option<Text<'a>>,
    }
    let pin: Pin<'_> = parse(Kind::Pin, content)?;
    match (pin.kind.as_deref(), pin.message_id) {
        _ if !group => Err(invalid("pin messages go to groups only")),
        (Some("pin" | "unpin"), Some(_)) => Ok(()),
        (Some(_), Some(_)) => Err(invalid("pin.type must be pin or unpin")),
        _ => Err(missing("pin.type and pin.message_id")),
    }
}
