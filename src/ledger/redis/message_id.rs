//! Message ids as Redis keeps them for those who ask again: Meta's are base64, a quarter shorter
//! without it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ledger::operation::UNHEARD_ID_MAX;

/// What Meta's ids begin with; the rest is base64.
const PREFIX: &str = "wamid.";

/// What a packed id begins with, and a text that would look like one.
const PACKED: u8 = 0;
const TEXT: u8 = 1;

/// The id in the bytes that are stored. All else but an id of Meta's form stays a text.
pub(super) fn pack(id: &str) -> Cow<'_, [u8]> {
    if let Some(encoded) = id.strip_prefix(PREFIX)
        && id.len() <= UNHEARD_ID_MAX
        && let Ok(mut bytes) = STANDARD.decode(encoded)
    {
        bytes.insert(0, PACKED);
        return Cow::Owned(bytes);
    }
    match id.as_bytes() {
        [PACKED | TEXT, ..] => Cow::Owned([&[TEXT], id.as_bytes()].concat()),
        bytes => Cow::Borrowed(bytes),
    }
}

/// The id that was packed; `None` if these bytes are none.
pub(super) fn unpack(bytes: &[u8]) -> Option<String> {
    match bytes {
        [PACKED, rest @ ..] => Some(format!("{PREFIX}{}", STANDARD.encode(rest))),
        [TEXT, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        text => String::from_utf8(text.to_vec()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::{UNHEARD_ID_MAX, pack, unpack};

    #[test]
    fn every_id_comes_back_as_it_was() {
        let long = format!("wamid.{}", "QUJD".repeat(UNHEARD_ID_MAX / 4));
        for (id, bytes) in [
            ("wamid.HBgMOTE5ODc2NTQzMjEwFQIAERgSQjA4RjYyQjE2QTdGRTM0QkQ1AA==", 41),
            ("wamid.", 1),
            ("wamid.abc", 9),
            // Not as an encoder writes it: it would come back as another text.
            ("wamid.QQ", 8),
            ("wamid.QR==", 10),
            ("wamid.Q Q=", 10),
            ("", 0),
            ("\u{0}wamid.QUJD", 12),
            ("\u{1}x", 3),
            (&long, long.len()),
        ] {
            let packed = pack(id);
            assert_eq!((unpack(&packed).as_deref(), packed.len()), (Some(id), bytes), "{id:?}");
        }
        assert_eq!(unpack(&[0xff]), None);
    }
}
