//! The boundary of a form, as its content type names it.

use http::HeaderValue;

/// Longest boundary.
const MAX_BOUNDARY: usize = 70;

/// A boundary that every reader reads alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    text: String,
    quoted: bool,
}

impl Boundary {
    /// The boundary alone.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The content type of the form as it is forwarded: the boundary as the client wrote it, and
    /// nothing else.
    pub fn content_type(&self) -> Option<HeaderValue> {
        let quote = if self.quoted { "\"" } else { "" };
        let value = format!("multipart/form-data; boundary={quote}{}{quote}", self.text);
        HeaderValue::try_from(value).ok()
    }
}

/// The boundary in a content type of `multipart/form-data`; `None` if there is not one, or more
/// than a character set beside it.
pub fn boundary(content_type: &str) -> Option<Boundary> {
    let mut parts = content_type.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut found = None;
    for parameter in parts.filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=')?;
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let text = unquoted.unwrap_or(value);
        let quoted = unquoted.is_some();
        if name.eq_ignore_ascii_case("boundary") && found.is_none() && is_boundary(text, quoted) {
            found = Some(Boundary { text: text.to_owned(), quoted });
        } else if !name.eq_ignore_ascii_case("charset") || !text.eq_ignore_ascii_case("utf-8") {
            return None;
        }
    }
    found
}

/// Characters that need no quotes for any reader; in quotes, all of RFC 2046 but the space.
fn is_boundary(text: &str, quoted: bool) -> bool {
    let special: &[u8] = if quoted { b"'()+_,-./:=?" } else { b"-_.+=" };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || special.contains(&byte);
    (1..=MAX_BOUNDARY).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::boundary;

    #[test]
    fn one_boundary_is_read() {
        for (content_type, expected, forwarded) in [
            ("multipart/form-data; boundary=XX", "XX", "XX"),
            ("Multipart/Form-Data;BOUNDARY=\"a-b\"", "a-b", "\"a-b\""),
            ("multipart/form-data; boundary=x_y; charset=UTF-8", "x_y", "x_y"),
            ("multipart/form-data; charset=utf-8; boundary=x;", "x", "x"),
            (
                "multipart/form-data; boundary=\"boundary_.oOo._a/b+c==\"",
                "boundary_.oOo._a/b+c==",
                "\"boundary_.oOo._a/b+c==\"",
            ),
            ("multipart/form-data; boundary====17===", "===17===", "===17==="),
        ] {
            let found = boundary(content_type).expect(content_type);
            assert_eq!(found.text(), expected);
            let whole = format!("multipart/form-data; boundary={forwarded}");
            assert_eq!(found.content_type().expect("a header"), whole.as_str());
        }
    }

    #[test]
    fn what_could_be_read_otherwise_is_refused() {
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for content_type in [
            "",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"\"",
            "multipart/form-data; boundary=\"x",
            "multipart/form-data; boundary=x\"",
            "multipart/form-data; boundary=x y",
            "multipart/form-data; boundary=x,y",
            "multipart/form-data; boundary=x/y",
            "multipart/form-data; boundary=\"x y\"",
            "multipart/form-data; boundary='x'",
            "multipart/form-data; boundary=x; boundary=x",
            "multipart/form-data; boundary=x; boundary=y",
            "multipart/form-data; a=\"boundary=y\"; boundary=x",
            "multipart/form-data; boundary*=utf-8''x",
            "multipart/form-data; boundary =x",
            "multipart/form-data; boundary= x",
            "multipart/form-data; boundary=x; charset=utf-7",
            "multipart/form-data, multipart/form-data; boundary=x",
            "multipart/mixed; boundary=x",
            "application/x-www-form-urlencoded; boundary=x",
            "application/json",
            &long,
        ] {
            assert_eq!(boundary(content_type), None, "{content_type}");
        }
    }
}
