//! Finds the route of a path. Like Meta, it takes paths with and without a version and with a
//! trailing slash.

use http::Method;

use crate::message::SendPath;

/// What a request is for; ids borrow from the path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Send {
        path: SendPath,
        phone_number_id: &'a str,
    },
    Templates {
        waba: &'a str,
    },
    UploadMedia {
        phone_number_id: &'a str,
    },
    ReadProfile {
        phone_number_id: &'a str,
    },
    WriteProfile {
        phone_number_id: &'a str,
    },
    /// A phone number, a WABA or a media object: the id does not show which.
    ReadObject {
        id: &'a str,
    },
    DeleteObject {
        id: &'a str,
    },
    /// `/_simulator/...`: the rest of the path.
    Control(&'a str),
    Unknown,
}

/// Returns the route of one request line.
pub(crate) fn find<'a>(method: &Method, path: &'a str) -> Route<'a> {
    if let Some(rest) = path.strip_prefix("/_simulator/") {
        return Route::Control(rest);
    }
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let (id, edge) = match is_version(first) {
        true => rest.split_once('/').unwrap_or((rest, "")),
        false => (first, rest),
    };
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Route::Unknown;
    }
    let send = |path| Route::Send { path, phone_number_id: id };
    match (method.as_str(), edge) {
        ("POST", "messages") => send(SendPath::Messages),
        ("POST", "marketing_messages") => send(SendPath::MarketingMessages),
        ("GET", "message_templates") => Route::Templates { waba: id },
        ("POST", "media") => Route::UploadMedia { phone_number_id: id },
        ("GET", "whatsapp_business_profile") => Route::ReadProfile { phone_number_id: id },
        ("POST", "whatsapp_business_profile") => Route::WriteProfile { phone_number_id: id },
        ("GET", "") => Route::ReadObject { id },
        ("DELETE", "") => Route::DeleteObject { id },
        _ => Route::Unknown,
    }
}

/// Returns `true` for `v24.0` and the like.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').and_then(|number| number.split_once('.')).is_some_and(
        |(major, minor)| {
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            digits(major) && digits(minor)
        },
    )
}

/// Returns the value of one query parameter, percent-decoded.
pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| percent_decode(value))
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (escaped, first) {
            (Some(byte), _) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (None, b'+') => {
                bytes.push(b' ');
                rest = tail;
            }
            (None, byte) => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let messages =
            || Route::Send { path: SendPath::Messages, phone_number_id: "106540352242922" };
        let table = [
            ("POST", "/v24.0/106540352242922/messages", messages()),
            ("POST", "/v24.0/106540352242922/messages/", messages()),
            ("POST", "/106540352242922/messages", messages()),
            (
                "POST",
                "/v24.0/1/marketing_messages",
                Route::Send { path: SendPath::MarketingMessages, phone_number_id: "1" },
            ),
            ("GET", "/v24.0/7", Route::ReadObject { id: "7" }),
            ("GET", "/v24.0/7/message_templates", Route::Templates { waba: "7" }),
            ("POST", "/v24.0/7/media", Route::UploadMedia { phone_number_id: "7" }),
            ("GET", "/_simulator/stats", Route::Control("stats")),
            ("GET", "/v24.0/7/messages", Route::Unknown),
            ("POST", "/v24.0/7/messages_encrypted", Route::Unknown),
            ("POST", "/v24.0/7/calls", Route::Unknown),
            ("POST", "/", Route::Unknown),
            ("POST", "/v24.0/me/messages", Route::Unknown),
            ("POST", "/v24.0/7/messages/more", Route::Unknown),
        ];
        for (method, path, expected) in table {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(find(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn query_values() {
        let query = "fields=name%2Clanguage&after=a+b%3D%3D&limit=2&odd=%zz%";
        assert_eq!(query_value(query, "fields").unwrap(), "name,language");
        assert_eq!(query_value(query, "after").unwrap(), "a b==");
        assert_eq!(query_value(query, "odd").unwrap(), "%zz%");
        assert_eq!(query_value(query, "before"), None);
    }
}
