//! The reads a gateway or an SDK makes: templates page by page, phone numbers, media, the business
//! profile.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RANGE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::graph_error::GraphError;
use crate::media;
use crate::options::SimulatorTemplate;
use crate::record::push_base64;
use crate::reply::{self, Reply};
use crate::route::query_value;
use crate::state::State;

/// Templates per page if the request has no `limit`; Meta's default.
const PAGE_DEFAULT: usize = 25;
const PAGE_MAX: usize = 1_000;

fn host(parts: &Parts) -> &str {
    let host = parts.headers.get(HOST);
    host.and_then(|host| host.to_str().ok()).unwrap_or("localhost")
}

/// One page of a WABA's templates.
pub(crate) fn templates(state: &State, waba: &str, parts: &Parts) -> Result<Reply, GraphError> {
    let query = parts.uri.query().unwrap_or("");
    let limit = match query_value(query, "limit") {
        None => PAGE_DEFAULT,
        Some(text) => {
            text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit)).ok_or_else(|| {
                GraphError::new(100, "Param limit must be a number from 1 to 1000")
            })?
        }
    };
    let start = match query_value(query, "after") {
        None => 0,
        Some(cursor) => offset_from(&cursor)
            .ok_or_else(|| GraphError::new(100, "Invalid cursors values (after)"))?,
    };
    let name = query_value(query, "name");
    let wanted = |template: &&SimulatorTemplate| {
        template.waba.as_deref().is_none_or(|owner| owner == waba)
            && name.as_deref().is_none_or(|name| template.name == name)
    };
    let all: Vec<&SimulatorTemplate> = state.options.templates.iter().filter(wanted).collect();
    let end = (start + limit).min(all.len());
    let page = all.get(start..end).unwrap_or_default();
    let fields = query_value(query, "fields");
    let data: Vec<Value> = page
        .iter()
        .enumerate()
        .map(|(index, template)| {
            select(template_object(start + index, template), fields.as_deref())
        })
        .collect();
    if data.is_empty() {
        return Ok(state.json(&json!({ "data": [] })));
    }
    let after = cursor(end);
    let mut paging = json!({ "cursors": { "before": cursor(start), "after": after } });
    if end < all.len() {
        let scheme = if state.options.tls.is_some() { "https" } else { "http" };
        let (host, path) = (host(parts), parts.uri.path());
        let mut next = format!("{scheme}://{host}{path}?limit={limit}");
        for (name, value) in [("fields", &fields), ("name", &name)] {
            if let Some(value) = value {
                next.push_str(&format!("&{name}={}", value.replace(',', "%2C")));
            }
        }
        next.push_str(&format!("&after={}", after.replace('=', "%3D")));
        // Like Meta's, the link carries the token it was asked with.
        let token = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(token) = token.and_then(|value| value.strip_prefix("Bearer ")) {
            next.push_str(&format!("&access_token={token}"));
        }
        paging["next"] = Value::String(next);
    }
    Ok(state.json(&json!({ "data": data, "paging": paging })))
}

fn template_object(index: usize, template: &SimulatorTemplate) -> Map<String, Value> {
    let value = json!({
        "id": (880_000_000_000_001 + index as u64).to_string(),
        "name": template.name,
        "language": template.language,
        "status": template.status,
        "category": Some(&template.category).filter(|category| !category.is_empty()),
        "parameter_format": "POSITIONAL",
        "components": [{ "type": "BODY", "text": "Hello" }],
    });
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Returns the members in `fields`, and always the id. Names that the object lacks are left out, as
/// Meta does with members that have no value.
fn select(members: Map<String, Value>, fields: Option<&str>) -> Value {
    let Some(fields) = fields else {
        return Value::Object(members);
    };
    let wanted = |name: &str| name == "id" || fields.split(',').any(|field| field.trim() == name);
    Value::Object(members.into_iter().filter(|(name, _)| wanted(name)).collect())
}

fn cursor(offset: usize) -> String {
    let mut text = String::new();
    push_base64(&mut text, format!("at:{offset:06}").as_bytes());
    text
}

/// Returns the offset that [`cursor`] wrote as `text`; `None` if it wrote no such text.
fn offset_from(text: &str) -> Option<usize> {
    (0..=100_000).find(|offset| cursor(*offset) == text)
}

/// A media object that was uploaded, a WABA that owns templates, else a phone number.
pub(crate) fn object(state: &State, id: &str, parts: &Parts) -> Result<Reply, GraphError> {
    if let Some(object) = state.media.get(id) {
        if !object.is_of(parts.uri.query().unwrap_or("")) {
            return Err(GraphError::unknown_object(id));
        }
        return Ok(state.json(&json!({
            "messaging_product": "whatsapp",
            "url": media::url(state.options.tls.is_some(), state.media_addr, id),
            "mime_type": object.mime_type,
            "sha256": object.sha256(),
            "file_size": object.bytes.len(),
            "id": id,
        })));
    }
    let query = parts.uri.query().unwrap_or("");
    let fields = query_value(query, "fields");
    let owned = |template: &SimulatorTemplate| template.waba.as_deref() == Some(id);
    let value = if state.options.templates.iter().any(owned) {
        json!({ "id": id, "name": "Example Shop", "timezone_id": "0", "currency": "USD",
                "message_template_namespace": "ba30dd89_2ebd_41e4_b805_f2c05ae04cc9" })
    } else {
        state.check_phone_number(id)?;
        json!({
            "id": id,
            "display_phone_number": "+1 555-010-7788",
            "verified_name": "Example Shop",
            "status": "CONNECTED",
            "quality_rating": "GREEN",
            "whatsapp_business_manager_messaging_limit": "TIER_10K",
            "throughput": { "level": "STANDARD" },
            "platform_type": "CLOUD_API",
            "is_on_biz_app": false,
            "name_status": "APPROVED",
            "code_verification_status": "VERIFIED",
            "account_mode": "LIVE",
            "health_status": {
                "can_send_message": "AVAILABLE",
                "entities": [{
                    "entity_type": "PHONE_NUMBER", "id": id, "can_send_message": "AVAILABLE",
                }],
            },
        })
    };
    match value {
        Value::Object(members) => Ok(state.json(&select(members, fields.as_deref()))),
        other => Ok(state.json(&other)),
    }
}

pub(crate) fn delete_object(state: &State, id: &str, parts: &Parts) -> Result<Reply, GraphError> {
    let query = parts.uri.query().unwrap_or("");
    let named = state.media.get(id).is_some_and(|object| object.is_of(query));
    match named && state.media.delete(id) {
        true => Ok(state.success()),
        false => Err(GraphError::unknown_object(id)),
    }
}

pub(crate) fn upload_media(
    state: &State,
    phone_number_id: &str,
    parts: &Parts,
    body: &Bytes,
) -> Result<Reply, GraphError> {
    state.check_phone_number(phone_number_id)?;
    let content_type = parts.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let query = parts.uri.query().unwrap_or("");
    let (mime_type, file) = media::read_upload(content_type.unwrap_or(""), query, body)?;
    Ok(state.json(&json!({ "id": state.media.put(Some(phone_number_id), mime_type, file) })))
}

/// The bytes behind a media object's `url`, or the range of them that is asked for.
pub(crate) fn download_media(state: &State, parts: &Parts) -> Result<Reply, GraphError> {
    let id = query_value(parts.uri.query().unwrap_or(""), "mid").unwrap_or_default();
    let object = state.media.get(&id).ok_or_else(|| GraphError::unknown_object(&id))?;
    let range = parts.headers.get(RANGE).and_then(|range| range.to_str().ok());
    let whole = object.bytes.len();
    let (status, bytes) = match range.and_then(|range| media::range(range, whole)) {
        None => (StatusCode::OK, object.bytes),
        Some(range) => (StatusCode::PARTIAL_CONTENT, object.bytes.slice(range)),
    };
    let mut reply = reply::plain(status, "application/octet-stream", bytes);
    if let Ok(mime_type) = HeaderValue::from_str(&object.mime_type) {
        reply.headers_mut().insert(CONTENT_TYPE, mime_type);
    }
    reply.headers_mut().insert(SET_COOKIE, HeaderValue::from_static("datr=x; Secure"));
    Ok(reply)
}

pub(crate) fn profile(state: &State, phone_number_id: &str) -> Result<Reply, GraphError> {
    state.check_phone_number(phone_number_id)?;
    Ok(state.json(&json!({ "data": [{
        "about": "Open every day",
        "address": "1 Main St",
        "vertical": "RETAIL",
        "messaging_product": "whatsapp",
    }] })))
}

pub(crate) fn write_profile(
    state: &State,
    phone_number_id: &str,
    body: &Bytes,
) -> Result<Reply, GraphError> {
    state.check_phone_number(phone_number_id)?;
    let value: Value =
        serde_json::from_slice(body).map_err(|error| GraphError::new(100, error.to_string()))?;
    match value["messaging_product"].as_str() {
        Some("whatsapp") => Ok(state.success()),
        _ => Err(GraphError::new(100, "The parameter messaging_product is required.")),
    }
}
