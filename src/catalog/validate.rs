//! The rules for single values of settings. The configuration file and the Admin API use the same
//! functions, so that both accept the same values and report mistakes in the same words.

use std::fmt;
use std::ops::RangeInclusive;

use http::HeaderName;

/// Longest path of a provider for messages.
const UPSTREAM_PATH_MAX: usize = 255;

/// Meta limits template names to 512 characters.
const TEMPLATE_NAME_MAX: usize = 512;

/// A field that does not fit, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldMistake {
    /// The field's name in its document.
    pub field: &'static str,
    /// A sentence without its subject, such as "must be 1 to 100, not 0".
    pub message: String,
}

impl fmt::Display for FieldMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.message)
    }
}

/// Checks a wallet's unit: a currency of three capitals, or `message`.
///
/// # Errors
/// A sentence for people.
pub fn currency(text: &str) -> Result<(), String> {
    let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_code || text == "message" {
        return Ok(());
    }
    Err(format!("must be a currency such as \"USD\", or \"message\", not \"{text}\""))
}

/// Checks that the bundled IANA database has the time zone.
///
/// # Errors
/// A sentence for people.
pub fn time_zone(text: &str) -> Result<(), String> {
    jiff::tz::TimeZone::get(text).map(drop).map_err(|_| {
        format!("\"{text}\" is not a known time zone; write it as \"Asia/Kolkata\" or \"UTC\"")
    })
}

/// Checks a country's calling code: 1 to 4 digits, of which the first is not 0.
///
/// # Errors
/// A sentence for people.
pub fn calling_code(text: &str) -> Result<(), String> {
    let fits = (1..=4).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0');
    if fits { Ok(()) } else { Err("must be 1 to 4 digits, for example \"91\"".to_owned()) }
}

/// Checks the header in which a provider wants its token.
///
/// # Errors
/// A sentence for people.
pub fn auth_header(text: &str, may_carry_token: fn(&HeaderName) -> bool) -> Result<(), String> {
    let name = text
        .parse::<HeaderName>()
        .map_err(|_| "must be the name of a header, such as \"D360-API-KEY\"".to_owned())?;
    if may_carry_token(&name) {
        Ok(())
    } else {
        Err(format!("cannot be \"{name}\", which has a meaning of its own"))
    }
}

/// Checks a provider's path for messages: segments of letters, digits, "-", "_", "~" and ".".
///
/// # Errors
/// A sentence for people.
pub fn upstream_path(text: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte);
    let fits = |segment: &str| {
        !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(plain)
    };
    let segments = text.strip_prefix('/').filter(|_| text.len() <= UPSTREAM_PATH_MAX);
    if segments.is_some_and(|segments| segments.split('/').all(fits)) {
        return Ok(());
    }
    Err(format!(
        "must be a path such as \"/messages\": at most {UPSTREAM_PATH_MAX} characters, segments of \
         letters, digits, \"-\", \"_\", \"~\" and \".\" between single slashes"
    ))
}

/// Checks a template's name as Meta allows it.
///
/// # Errors
/// A sentence for people.
pub fn template_name(text: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=TEMPLATE_NAME_MAX).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(());
    }
    Err(format!(
        "must be 1 to {TEMPLATE_NAME_MAX} lower-case letters, digits or \"_\", not \"{text}\""
    ))
}

/// Checks a template's language as Meta writes it: `en`, `en_US`, `zh_HK`, `fil`.
///
/// # Errors
/// A sentence for people.
pub fn template_language(text: &str) -> Result<(), String> {
    let (language, region) =
        text.split_once('_').map_or((text, None), |(language, region)| (language, Some(region)));
    let letters = |part: &str, case: fn(&u8) -> bool| {
        (2..=3).contains(&part.len()) && part.bytes().all(|byte| case(&byte))
    };
    if letters(language, u8::is_ascii_lowercase)
        && region.is_none_or(|region| letters(region, u8::is_ascii_uppercase))
    {
        return Ok(());
    }
    Err(format!("must be a language such as \"en_US\" or \"en\", not \"{text}\""))
}

/// Checks that a number is in its range.
///
/// # Errors
/// A sentence for people.
pub fn within<T: PartialOrd + fmt::Display>(
    range: &RangeInclusive<T>,
    number: &T,
) -> Result<(), String> {
    if range.contains(number) {
        return Ok(());
    }
    Err(format!("must be {} to {}, not {number}", range.start(), range.end()))
}

/// The sentence about a `text` that is none of `names`.
pub fn must_be_one_of(names: &[&str], text: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!("must be {}, not \"{text}\"", quoted.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::{calling_code, upstream_path, within};

    #[test]
    fn calling_codes_are_short_and_begin_with_no_zero() {
        for (text, fits) in
            [("1", true), ("1264", true), ("", false), ("091", false), ("12345", false)]
        {
            assert_eq!(calling_code(text).is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn a_path_is_literal() {
        for (text, fits) in [
            ("/messages", true),
            ("/v1/messages", true),
            ("/a-b_c~d.e", true),
            ("", false),
            ("/", false),
            ("messages", false),
            ("/messages/", false),
            ("//messages", false),
            ("/../messages", false),
            ("/./messages", false),
            ("/a b", false),
            ("/{phone_number_id}/messages", false),
            ("/%2e%2e/messages", false),
            ("/messages?a=b", false),
            ("/messages#a", false),
            ("/messages\r\nX: y", false),
            ("https://evil.test/messages", false),
        ] {
            assert_eq!(upstream_path(text).is_ok(), fits, "{text}");
        }
        assert!(upstream_path(&format!("/{}", "a".repeat(255))).is_err());
    }

    #[test]
    fn a_range_includes_both_ends() {
        assert_eq!(within(&(1..=100), &1), Ok(()));
        assert_eq!(within(&(1..=100), &100), Ok(()));
        assert_eq!(within(&(1..=100), &101), Err("must be 1 to 100, not 101".to_owned()));
    }
}
