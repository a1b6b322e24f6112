//! Finds a channel's token in what is about to leave the gateway, in any spelling that the reader
//! of a JSON text or a URL would undo.

use std::borrow::Cow;

use memchr::memmem;

use super::target::AccessToken;

/// Escapes within escapes that are undone, such as a URL's within a text's.
const LAYERS: usize = 4;

/// Whether `text` has the token in it, as it is or escaped: `\/` and `\u0041` as in JSON, `%41` as
/// in a URL, or one within the other.
pub fn carries(text: &[u8], token: &AccessToken) -> bool {
    let secret = token.secret();
    // Undoing what is around it also undoes what the token itself may look like.
    let plain = unescaped(secret);
    let found = |text: &[u8]| {
        memmem::find(text, secret).is_some()
            || plain.as_deref().is_some_and(|plain| memmem::find(text, plain).is_some())
    };
    let mut layer = Cow::Borrowed(text);
    for _ in 0..LAYERS {
        if found(&layer) {
            return true;
        }
        match unescaped(&layer) {
            Some(below) => layer = Cow::Owned(below),
            None => return false,
        }
    }
    found(&layer)
}

/// The text with one layer of escapes undone; `None` if it has none.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let first = memchr::memchr2(b'\\', b'%', text)?;
    let (before, mut rest) = text.split_at(first);
    let mut plain = Vec::with_capacity(text.len());
    plain.extend_from_slice(before);
    let mut changed = false;
    while let Some(next) = memchr::memchr2(b'\\', b'%', rest) {
        let (before, from) = rest.split_at(next);
        plain.extend_from_slice(before);
        let (byte, length) = match from {
            [b'%', high, low, ..] => (hex(&[*high, *low]), 3),
            [b'\\', b'u', b'0', b'0', high, low, ..] => (hex(&[*high, *low]), 6),
            [b'\\', escaped @ (b'\\' | b'/' | b'"'), ..] => (Some(*escaped), 2),
            _ => (None, 1),
        };
        changed |= byte.is_some();
        let (byte, length) = match (byte, from.first()) {
            (Some(byte), _) => (byte, length),
            (None, Some(byte)) => (*byte, 1),
            (None, None) => break,
        };
        plain.push(byte);
        rest = from.get(length..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    changed.then_some(plain)
}

fn hex(digits: &[u8; 2]) -> Option<u8> {
    digits.iter().try_fold(0u8, |value, digit| {
        let digit = char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())?;
        Some(value << 4 | digit)
    })
}

#[cfg(test)]
mod tests {
    use super::carries;
    use crate::upstream::target::AccessToken;

    #[test]
    fn a_token_is_found_however_it_is_spelled() {
        let token: AccessToken = "EAAa/b-9".parse().expect("a token");
        for text in [
            "EAAa/b-9",
            r#"{"next":"https:\/\/a?access_token=EAAa\/b-9&x"}"#,
            r#""\u0045\u0041AAa/b-9" and "EAA\u0061\u002Fb-9""#,
            "?t=EAAa%2Fb-9",
            "?t=EAAa%2fb%2D9",
            r#""a%3Ft%3DEAAa%252Fb-9""#,
            r#""EAAa\u00252Fb-9""#,
            r#""{\"a\":\"EAAa\\/b-9\"}""#,
            r"%%2EAAa/b-9",
        ] {
            assert!(carries(text.as_bytes(), &token), "{text}");
        }
        for text in ["", "EAAa/b-", "EAAa b-9", "eaaa/b-9", r"EAAa\xb-9", "%", r"\", r"\u00", "%4"]
        {
            assert!(!carries(text.as_bytes(), &token), "{text}");
        }
    }

    #[test]
    fn a_token_that_looks_escaped_is_found_too() {
        let token = AccessToken::in_header("x-api-key", r"a%41\/b").expect("a token");
        for text in [r"a%41\/b", r"a%2541\/b", r"a%41\\/b", r"a%41%5C/b"] {
            assert!(carries(text.as_bytes(), &token), "{text}");
        }
    }
}
