//! The body of a change to the business profile: small, JSON or a form, and nothing in it that
//! would make another request of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{self, HeaderValue};
use hyper::body::Incoming;
use serde::de::IgnoredAny;

use super::accept;
use super::parameters::dangerous;
use super::rejected::Rejected;
use super::service::SendService;
use crate::http::body::BodyRoom;
use crate::rejection::RejectionKind;

/// Reads it whole, and as what it was read.
///
/// # Errors
/// Neither JSON nor a form, or one with a name that is not passed on.
pub async fn read(
    service: &SendService,
    headers: &HeaderMap,
    body: Incoming,
    room: &mut BodyRoom<'_>,
) -> Result<(HeaderValue, Bytes), Rejected> {
    let body = accept::body(body, &service.options, room).await?;
    check(headers, &body).map(|kind| (HeaderValue::from_static(kind), body))
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Its content type, if it may pass.
fn check(headers: &HeaderMap, body: &[u8]) -> Result<&'static str, Rejected> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let content_type = types.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let is = |wanted: &str| essence.eq_ignore_ascii_case(wanted);
    let one = types.next().is_none() && !headers.contains_key(header::CONTENT_ENCODING);
    let (kind, found) = if one && is(JSON) {
        // The names of all members, which a later one of the same name does not hide.
        let object: BTreeMap<String, IgnoredAny> = serde_json::from_slice(body).map_err(|_| {
            let details = "a business profile is a JSON object, or a form";
            Rejected::new(RejectionKind::Malformed, details)
        })?;
        (JSON, object.keys().find_map(|name| dangerous(name)))
    } else if one && is(FORM) {
        (FORM, dangerous(std::str::from_utf8(body).unwrap_or("%")))
    } else {
        let details = "send a business profile as JSON or as a form, without content encoding";
        return Err(Rejected::new(RejectionKind::UnsupportedMediaType, details));
    };
    match found {
        None => Ok(kind),
        Some(name) => Err(Rejected::new(
            RejectionKind::PathNotAllowed,
            format!("the parameter {name} is not passed on"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use http::HeaderMap;
    use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};

    #[test]
    fn only_a_profile_passes() {
        let json = "application/json; charset=utf-8";
        let form = "application/x-www-form-urlencoded";
        for (kind, body, passes) in [
            (json, r#"{"messaging_product":"whatsapp","about":"Closed"}"#, true),
            (form, "messaging_product=whatsapp&about=Closed+today", true),
            (json, r#"{"about":"x","batch":[]}"#, false),
            (json, r#"{"about":"x","b\u0061tch":[]}"#, false),
            (json, r#"{"Batch":[]}"#, false),
            (json, r#"{"method":"POST"}"#, false),
            (json, r#"{"access_token":"x"}"#, false),
            (json, "[]", false),
            (json, "", false),
            (form, "about=x&batch=[]", false),
            (form, "about=x&b%61tch=[]", false),
            (form, "about=x;batch=[]", false),
            (form, "about=x&batch[0][method]=POST", false),
            (json, r#"{"about":"x","batch[0]":{}}"#, false),
            (form, "access_token=x", false),
            ("multipart/form-data; boundary=x", "--x--", false),
            ("text/plain", "{}", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            assert_eq!(check(&headers, body.as_bytes()).is_ok(), passes, "{kind} {body}");
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            assert!(check(&headers, body.as_bytes()).is_err(), "encoded {body}");
        }
    }
}
