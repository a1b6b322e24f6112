//! Reads the body of a send strictly: it is one unambiguous message, or it is refused with the
//! field that is at fault.
//!
//! The body is read in one pass and forwarded as it came, so nothing may stand in it that another
//! reader could take for another message: no key twice in any object, no second content object, no
//! field that a send is not known to have.

mod direct_send;
mod draft;
mod ignored;
mod parsed;
mod reading;
mod template;
#[cfg(test)]
mod tests;

use draft::Draft;
use parsed::malformed;
pub use parsed::{Endpoint, Kind, Malformed, Message, Send, TemplateRef};
use reading::{Reading, WHITESPACE};

/// Reads `body` as posted to `endpoint`. A field that is null counts as one that is not there; an
/// object that is written as a string of JSON counts as that object.
pub fn parse(body: &[u8], endpoint: Endpoint) -> Result<Message<'_>, Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("the body is not UTF-8"))?;
    if !text.trim_start_matches(WHITESPACE).starts_with('{') {
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
