//! Money: an exact count of micro-credits (10^-6 of a wallet's unit) inside, decimal strings at the
//! edges. No float ever touches an amount.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Micro-credits in one credit.
pub const MICROS_PER_CREDIT: i64 = 1_000_000;

/// Amounts stay below this magnitude, because Redis' Lua computes in doubles, which are exact to
/// 2^53.
pub const MAX_MICROS: i64 = (1 << 53) - 1;

/// A signed amount of credits, exact to one micro-credit; its magnitude is at most [`MAX_MICROS`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i64);

/// Why a decimal text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not of the form `[-]digits[.digits]`.
    #[error(
        "an amount is written as digits with an optional minus sign and decimal point, \
         for example \"100.00\""
    )]
    Malformed,
    /// More than six decimals.
    #[error("an amount has at most 6 decimals")]
    TooPrecise,
    /// Magnitude above [`MAX_MICROS`].
    #[error("an amount stays below 9007199254.740992 credits")]
    TooLarge,
}

impl Amount {
    /// Zero credits, the start of every sum.
    pub const ZERO: Amount = Amount(0);

    /// From a count of micro-credits; `None` if its magnitude is above [`MAX_MICROS`].
    pub const fn from_micros(micros: i64) -> Option<Amount> {
        if micros >= -MAX_MICROS && micros <= MAX_MICROS { Some(Amount(micros)) } else { None }
    }

    /// From a count of micro-credits, held at [`MAX_MICROS`] on either side; for sums of amounts
    /// that were bounded when they came in.
    pub const fn saturating_from_micros(micros: i64) -> Amount {
        if micros > MAX_MICROS {
            Amount(MAX_MICROS)
        } else if micros < -MAX_MICROS {
            Amount(-MAX_MICROS)
        } else {
            Amount(micros)
        }
    }

    /// The count of micro-credits.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// `self + other`, or `None` beyond [`MAX_MICROS`].
    #[must_use]
    pub const fn checked_add(self, other: Amount) -> Option<Amount> {
        match self.0.checked_add(other.0) {
            Some(sum) => Amount::from_micros(sum),
            None => None,
        }
    }

    /// `self - other`, or `None` beyond [`MAX_MICROS`].
    #[must_use]
    pub const fn checked_sub(self, other: Amount) -> Option<Amount> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Amount::from_micros(difference),
            None => None,
        }
    }

    /// The same amount with the other sign; cannot fail because the range is symmetric.
    #[must_use]
    pub const fn negated(self) -> Amount {
        Amount(self.0.saturating_neg())
    }

    /// Whether it is above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Whether it is exactly zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// From an exact decimal; an error if it has more than six significant decimals or is too
    /// large.
    pub fn from_decimal(value: Decimal) -> Result<Amount, AmountError> {
        let scaled =
            value.checked_mul(Decimal::from(MICROS_PER_CREDIT)).ok_or(AmountError::TooLarge)?;
        if scaled.trunc() != scaled {
            return Err(AmountError::TooPrecise);
        }
        let micros = i64::try_from(scaled.trunc()).map_err(|_| AmountError::TooLarge)?;
        Amount::from_micros(micros).ok_or(AmountError::TooLarge)
    }

    /// The exact decimal value in credits.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, 6).normalize()
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    /// Reads `[-]digits[.digits]` with at most six decimals; no plus sign, exponent, separators or
    /// white space.
    fn from_str(text: &str) -> Result<Amount, AmountError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let numeric =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !numeric(whole) || !numeric(fraction) {
            return Err(AmountError::Malformed);
        }
        if fraction.trim_end_matches('0').len() > 6 {
            return Err(AmountError::TooPrecise);
        }
        if whole.trim_start_matches('0').len() > 10 {
            return Err(AmountError::TooLarge);
        }
        let shortened = format!("{whole}.{}0", fraction.trim_end_matches('0'));
        let value = Decimal::from_str_exact(&shortened).map_err(|_| AmountError::TooLarge)?;
        let amount = Amount::from_decimal(value)?;
        Ok(if text.starts_with('-') { amount.negated() } else { amount })
    }
}

impl fmt::Display for Amount {
    /// At least two decimals, at most six, no trailing zeros beyond the second: `98.82`, `0.0118`,
    /// `0.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let scale = MICROS_PER_CREDIT.unsigned_abs();
        let mut whole = magnitude.checked_div(scale).unwrap_or(0);
        let mut fraction = magnitude.checked_rem(scale).unwrap_or(0);
        let mut width: usize = 6;
        while width > 2 && fraction.is_multiple_of(10) {
            fraction /= 10;
            width = width.saturating_sub(1);
        }
        // From the last character to the first; the largest amount has 18.
        let mut text = Backwards { text: [0; 20], begin: 20 };
        for _ in 0..width {
            text.digit(fraction % 10);
            fraction /= 10;
        }
        text.put(b'.');
        text.digit(whole % 10);
        while whole >= 10 {
            whole /= 10;
            text.digit(whole % 10);
        }
        if self.0 < 0 {
            text.put(b'-');
        }
        f.write_str(text.as_str())
    }
}

/// A short text that is written from its end.
struct Backwards {
    text: [u8; 20],
    begin: usize,
}

impl Backwards {
    fn put(&mut self, character: u8) {
        self.begin = self.begin.saturating_sub(1);
        if let Some(place) = self.text.get_mut(self.begin) {
            *place = character;
        }
    }

    /// `digit` is below 10.
    fn digit(&mut self, digit: u64) {
        self.put(b'0'.saturating_add(u8::try_from(digit).unwrap_or(0)));
    }

    fn as_str(&self) -> &str {
        self.text.get(self.begin..).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Amount, AmountError, MAX_MICROS};

    fn check(text: &str, expected: Result<i64, AmountError>) {
        assert_eq!(text.parse::<Amount>().map(Amount::micros), expected, "{text:?}");
    }

    #[test]
    fn reads_decimals_exactly() {
        check("100.00", Ok(100_000_000));
        check("0.0118", Ok(11_800));
        check("-1.5", Ok(-1_500_000));
        check("0.0000010", Ok(1));
        check("00012", Ok(12_000_000));
        check("9007199254.740991", Ok(MAX_MICROS));
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for text in ["", "-", ".5", "1.", "+1", "1e3", "1_000", " 1", "NaN", "1,5", "--1"] {
            check(text, Err(AmountError::Malformed));
        }
        check("0.0000001", Err(AmountError::TooPrecise));
        check("9007199254.740992", Err(AmountError::TooLarge));
        check("99999999999999999999999999999999", Err(AmountError::TooLarge));
    }

    #[test]
    fn prints_two_to_six_decimals() {
        for (micros, text) in [
            (0, "0.00"),
            (98_820_000, "98.82"),
            (11_800, "0.0118"),
            (-1, "-0.000001"),
            (1_500_000, "1.50"),
        ] {
            assert_eq!(
                Amount::from_micros(micros).map(|amount| amount.to_string()).as_deref(),
                Some(text)
            );
        }
    }
}
