//! Reads the key a client presents.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

/// Why no key could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BearerError {
    /// No `Authorization` header.
    #[error("the Authorization header is missing")]
    Missing,
    /// More than one, another scheme, or not one visible ASCII token.
    #[error("the Authorization header is not \"Bearer\" and one key")]
    Malformed,
}

/// The key of `Authorization: Bearer <key>`; the scheme's case does not matter.
pub fn bearer(headers: &HeaderMap) -> Result<&str, BearerError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(BearerError::Missing)?;
    if values.next().is_some() {
        return Err(BearerError::Malformed);
    }
    let (scheme, key) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or(BearerError::Malformed)?;
    let key = key.trim_matches(' ');
    let visible = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    if scheme.eq_ignore_ascii_case("bearer") && visible {
        Ok(key)
    } else {
        Err(BearerError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::{BearerError, bearer};
    use hyper::HeaderMap;
    use hyper::header::{AUTHORIZATION, HeaderValue};

    #[test]
    fn one_key_or_none() {
        for (values, expected) in [
            (&["Bearer tg_live_x"][..], Ok("tg_live_x")),
            (&["bearer  tg_live_x "], Ok("tg_live_x")),
            (&[], Err(BearerError::Missing)),
            (&["Bearer"], Err(BearerError::Malformed)),
            (&["Bearer "], Err(BearerError::Malformed)),
            (&["Bearer a b"], Err(BearerError::Malformed)),
            (&["Basic dTpw"], Err(BearerError::Malformed)),
            (&["tg_live_x"], Err(BearerError::Malformed)),
            (&["Bearer a", "Bearer b"], Err(BearerError::Malformed)),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            assert_eq!(bearer(&headers), expected, "{values:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(
            AUTHORIZATION,
            HeaderValue::from_bytes(b"Bearer \xff").expect("a header value"),
        );
        assert_eq!(bearer(&headers), Err(BearerError::Malformed));
    }
}
