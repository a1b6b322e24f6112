//! Reads the recipient of a message: an E.164 number as people write it, or a business-scoped user
//! id, which is never stripped to digits.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

use std::fmt;
use std::str::FromStr;

use super::country::Country;

/// Longest text that can be a recipient: `XX.ENT.` and 128 characters.
const MAX_TEXT: usize = 135;
/// E.164 allows 15 digits; below 7 no country has subscriber numbers with their calling code.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// Who a message is for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// A phone number.
    Phone(PhoneNumber),
    /// A business-scoped user id (BSUID), `US.1349...` or its parent form `US.ENT....`.
    UserId(UserId),
}

/// The digits of a phone number and whether it was written with a plus sign.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PhoneNumber {
    digits: [u8; 15],
    len: u8,
    plus: bool,
}

/// A business-scoped user id; its first two letters name the user's country.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserId(Box<str>);

/// What a phone number without a plus means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutPlus {
    /// The digits of an international number.
    AsIs,
    /// The digits of an international number. A plus is added when it is forwarded, so that the
    /// number that was priced is the number that is sent to.
    Plus,
    /// The send is refused.
    Refuse,
    /// A national number. Meta adds the calling code of the channel's own number.
    ChannelCountry,
}

/// Why a text is not a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// The text has no characters.
    #[error("the recipient is empty")]
    Empty,
    /// A character that neither a phone number nor a user id has, or a plus sign that is not in
    /// front.
    #[error(
        "a phone number is digits with an optional plus sign in front, spaces, hyphens and \
         parentheses"
    )]
    NotANumber,
    /// Fewer than 7 digits.
    #[error("a phone number with its country calling code has at least 7 digits")]
    TooShort,
    /// More than 15 digits, or too long a text.
    #[error("a phone number has at most 15 digits")]
    TooLong,
    /// Calling codes do not begin with 0.
    #[error("a phone number begins with its country calling code, which never begins with 0")]
    LeadingZero,
    /// It has the form `XX.` but not that of a user id.
    #[error(
        "a business-scoped user id is a country code in capitals, a dot, and 1 to 128 letters or \
         digits"
    )]
    MalformedUserId,
}

/// Reads a phone number (plus sign, spaces, hyphens and parentheses allowed; 7 to 15 digits) or a
/// user id.
pub fn parse(text: &str) -> Result<Recipient, RecipientError> {
    if text.is_empty() {
        return Err(RecipientError::Empty);
    }
    if text.len() > MAX_TEXT {
        return Err(RecipientError::TooLong);
    }
    if text.as_bytes().get(2) == Some(&b'.') {
        return parse_user_id(text).map(Recipient::UserId);
    }
    parse_phone(text).map(Recipient::Phone)
}

fn parse_user_id(text: &str) -> Result<UserId, RecipientError> {
    let (country, rest) = text.split_once('.').ok_or(RecipientError::MalformedUserId)?;
    country.parse::<Country>().map_err(|_| RecipientError::MalformedUserId)?;
    let id = rest.strip_prefix("ENT.").unwrap_or(rest);
    if (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(UserId(text.into()))
    } else {
        Err(RecipientError::MalformedUserId)
    }
}

fn parse_phone(text: &str) -> Result<PhoneNumber, RecipientError> {
    let trimmed = text.trim_matches(' ');
    let plus = trimmed.starts_with('+');
    let mut digits = [b'0'; 15];
    let mut len = 0u8;
    for byte in trimmed.strip_prefix('+').unwrap_or(trimmed).bytes() {
        match byte {
            b'0'..=b'9' => {
                *digits.get_mut(usize::from(len)).ok_or(RecipientError::TooLong)? = byte;
                len = len.saturating_add(1);
            }
            b' ' | b'-' | b'(' | b')' => {}
            _ => return Err(RecipientError::NotANumber),
        }
    }
    match usize::from(len) {
        0 => Err(RecipientError::NotANumber),
        _ if digits.first() == Some(&b'0') => Err(RecipientError::LeadingZero),
        count if count < *DIGITS.start() => Err(RecipientError::TooShort),
        _ => Ok(PhoneNumber { digits, len, plus }),
    }
}

impl Recipient {
    /// The digits of a number as it was written, or the user id as it is.
    pub fn as_str(&self) -> &str {
        match self {
            Recipient::Phone(phone) => phone.digits(),
            Recipient::UserId(user) => user.as_str(),
        }
    }
}

impl PhoneNumber {
    /// The international number made of these digits, in order; `None` if there are fewer than 7 or
    /// more than 15.
    pub(super) fn from_parts(parts: &[&[u8]]) -> Option<PhoneNumber> {
        let mut number = PhoneNumber { digits: [b'0'; 15], len: 0, plus: true };
        for byte in parts.iter().copied().flatten().filter(|byte| byte.is_ascii_digit()) {
            *number.digits.get_mut(usize::from(number.len))? = *byte;
            number.len = number.len.saturating_add(1);
        }
        DIGITS.contains(&usize::from(number.len)).then_some(number)
    }

    /// The digits alone, country calling code first.
    pub fn digits(&self) -> &str {
        let digits = self.digits.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(digits).unwrap_or_default()
    }

    /// The same number, known to begin with its calling code.
    pub(super) const fn with_plus(self) -> PhoneNumber {
        PhoneNumber { plus: true, ..self }
    }

    /// Whether it was written with a plus sign, so that its first digits are certainly a calling
    /// code.
    pub const fn has_plus(&self) -> bool {
        self.plus
    }
}

impl UserId {
    /// The id as Meta gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The country its first two letters name.
    pub fn country(&self) -> Country {
        let bytes = self.0.as_bytes();
        let letter = |at: usize| bytes.get(at).copied().unwrap_or(b'Z');
        Country::from_letters([letter(0), letter(1)])
    }
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Recipient, RecipientError> {
        parse(text)
    }
}

// Recipients are personal data: what may end in a log shows only the country they are from.
impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recipient::Phone(phone) => phone.fmt(f),
            Recipient::UserId(user) => user.fmt(f),
        }
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}...", self.digits().get(..4).unwrap_or_default())
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}....", self.country())
    }
}

#[cfg(test)]
mod tests {
    use super::{Recipient, RecipientError, parse};

    fn check(text: &str, expected: Result<(&str, bool), RecipientError>) {
        let parsed = parse(text);
        let seen = parsed.as_ref().map(|recipient| match recipient {
            Recipient::Phone(phone) => (phone.digits(), phone.has_plus()),
            Recipient::UserId(user) => (user.as_str(), false),
        });
        assert_eq!(seen.map_err(|error| *error), expected, "{text:?}");
    }

    #[test]
    fn reads_numbers_as_people_write_them() {
        check("+919812345678", Ok(("919812345678", true)));
        check("919812345678", Ok(("919812345678", false)));
        check("+1 (650) 555-0144", Ok(("16505550144", true)));
        check("  +91-98123 45678 ", Ok(("919812345678", true)));
        check("1234567", Ok(("1234567", false)));
        check("123456789012345", Ok(("123456789012345", false)));
    }

    #[test]
    fn refuses_what_is_no_number() {
        check("", Err(RecipientError::Empty));
        check("+", Err(RecipientError::NotANumber));
        check(" -()", Err(RecipientError::NotANumber));
        check("++9198123456", Err(RecipientError::NotANumber));
        check("91+98123456", Err(RecipientError::NotANumber));
        check("9198123456x7", Err(RecipientError::NotANumber));
        check("٩١٩٨١٢٣٤٥٦٧٨", Err(RecipientError::NotANumber));
        check("919812345678\n", Err(RecipientError::NotANumber));
        check("Y2FwaV9ncm91cDoxNTU1MDEw", Err(RecipientError::NotANumber));
        check("123456", Err(RecipientError::TooShort));
        check("1234567890123456", Err(RecipientError::TooLong));
        check("00919812345678", Err(RecipientError::LeadingZero));
        check("09812345678", Err(RecipientError::LeadingZero));
        check(&"1 ".repeat(100), Err(RecipientError::TooLong));
    }

    #[test]
    fn keeps_user_ids_whole() {
        check("US.13400000000000000001", Ok(("US.13400000000000000001", false)));
        check("US.ENT.13400000000000000001", Ok(("US.ENT.13400000000000000001", false)));
        check("IN.ENT", Ok(("IN.ENT", false)));
        for text in [
            "us.134",
            "US.",
            "US.ENT.",
            "US.12-3",
            "U1.123",
            "US.é",
            "+1.650",
            &format!("US.{}", "a".repeat(129)),
        ] {
            check(text, Err(RecipientError::MalformedUserId));
        }
        let Ok(Recipient::UserId(user)) = parse("BR.ENT.abc123") else { panic!("a user id") };
        assert_eq!(user.country().as_str(), "BR");
    }

    #[test]
    fn a_log_shows_no_whole_recipient() {
        assert_eq!(format!("{:?}", parse("+919812345678").unwrap()), "9198...");
        assert_eq!(format!("{:?}", parse("US.13400000000000000001").unwrap()), "US....");
    }
}
