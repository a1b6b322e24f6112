//! The mark-up on a rate: a percentage and a fixed amount per charged message, with the one
//! rounding rule of prices.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::amount::{Amount, AmountError, MICROS_PER_CREDIT};

/// Ten thousand percent: a larger mark-up is taken for a typing error.
const MAX_PERCENT_MICROS: i64 = 10_000 * MICROS_PER_CREDIT;
/// A thousand credits per message: a larger one is taken for a typing error too.
const MAX_PER_MESSAGE_MICROS: i64 = 1_000 * MICROS_PER_CREDIT;
/// One hundred percent, counted in millionths of a percent.
const HUNDRED_PERCENT: i128 = 100_000_000;

/// What an account pays above the card's rate. JSON: `{"percent":"2.5","per_message":"0.001"}`,
/// both optional.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Markup {
    /// In millionths of a percent.
    percent_micros: i64,
    per_message: Amount,
}

/// Why a mark-up is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MarkupError {
    /// The percentage is no plain decimal.
    #[error(
        "the percentage of a mark-up is a decimal with at most 6 decimals, for example \"2.5\""
    )]
    Malformed,
    /// Negative or above 10,000 percent.
    #[error("the percentage of a mark-up is from 0 to 10000")]
    PercentOutOfRange,
    /// Negative or above 1,000 credits.
    #[error("the mark-up per message is from 0 to 1000 credits")]
    PerMessageOutOfRange,
}

/// How a mark-up is written in JSON and TOML.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Written {
    #[serde(default = "zero")]
    percent: String,
    #[serde(default)]
    per_message: Amount,
}

fn zero() -> String {
    "0".to_owned()
}

impl Markup {
    /// The mark-up that leaves every rate as it is.
    pub const NONE: Markup = Markup { percent_micros: 0, per_message: Amount::ZERO };

    /// A mark-up of `percent` of the rate plus `per_message` for every charged message. Neither may
    /// be negative.
    pub fn new(percent: Decimal, per_message: Amount) -> Result<Markup, MarkupError> {
        let percent_micros = match Amount::from_decimal(percent) {
            Ok(amount) => amount.micros(),
            Err(AmountError::TooLarge) => return Err(MarkupError::PercentOutOfRange),
            Err(_) => return Err(MarkupError::Malformed),
        };
        if !(0..=MAX_PERCENT_MICROS).contains(&percent_micros) {
            return Err(MarkupError::PercentOutOfRange);
        }
        if !(0..=MAX_PER_MESSAGE_MICROS).contains(&per_message.micros()) {
            return Err(MarkupError::PerMessageOutOfRange);
        }
        Ok(Markup { percent_micros, per_message })
    }

    /// The percentage, `2.5` for two and a half percent.
    pub fn percent(&self) -> Decimal {
        Decimal::new(self.percent_micros, 6).normalize()
    }

    /// The fixed amount per charged message.
    pub const fn per_message(&self) -> Amount {
        self.per_message
    }

    /// The price of a message whose rate is `rate`: `rate * (100 + percent) / 100 + per_message`,
    /// computed exactly and rounded **up to the next micro-credit**, so that a mark-up is never
    /// lost to rounding. A rate of zero stays zero. `None` if the price exceeds the largest amount.
    pub fn apply(&self, rate: Amount) -> Option<Amount> {
        if rate.is_zero() || *self == Markup::NONE {
            return Some(rate);
        }
        let factor = HUNDRED_PERCENT.checked_add(i128::from(self.percent_micros))?;
        let scaled = i128::from(rate.micros()).checked_mul(factor)?;
        let whole = scaled.checked_div_euclid(HUNDRED_PERCENT)?;
        let rest = scaled.checked_rem_euclid(HUNDRED_PERCENT)?;
        let micros = i64::try_from(whole.checked_add(i128::from(rest > 0))?).ok()?;
        Amount::from_micros(micros)?.checked_add(self.per_message)
    }
}

impl TryFrom<Written> for Markup {
    type Error = MarkupError;

    fn try_from(written: Written) -> Result<Markup, MarkupError> {
        let percent = match written.percent.parse::<Amount>() {
            Ok(percent) => percent.to_decimal(),
            Err(AmountError::TooLarge) => return Err(MarkupError::PercentOutOfRange),
            Err(_) => return Err(MarkupError::Malformed),
        };
        Markup::new(percent, written.per_message)
    }
}

impl From<Markup> for Written {
    fn from(markup: Markup) -> Written {
        Written { percent: markup.percent().to_string(), per_message: markup.per_message }
    }
}

#[cfg(test)]
mod tests {
    use super::Markup;
    use crate::amount::Amount;

    fn check(percent: &str, per_message: &str, rate: &str, price: &str) {
        let markup: Markup = serde_json::from_value(
            serde_json::json!({"percent": percent, "per_message": per_message}),
        )
        .expect("a valid mark-up");
        let price: Amount = price.parse().unwrap();
        assert_eq!(
            markup.apply(rate.parse().unwrap()),
            Some(price),
            "{rate} + {percent}% + {per_message}"
        );
    }

    #[test]
    fn prices_are_exact_and_round_up() {
        check("0", "0", "0.0118", "0.0118");
        check("10", "0", "0.0118", "0.01298");
        check("2.5", "0.001", "0.0014", "0.002435");
        check("0", "0.0005", "0.0118", "0.0123");
        check("33.333333", "0", "0.000003", "0.000004");
        check("0.000001", "0", "0.0118", "0.011801");
        check("10", "0.01", "0", "0");
    }

    #[test]
    fn reads_and_writes_strings() {
        let markup: Markup = serde_json::from_str(r#"{"percent":"2.50"}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&markup).unwrap(),
            r#"{"percent":"2.5","per_message":"0.00"}"#
        );
        assert_eq!(serde_json::from_str::<Markup>("{}").unwrap(), Markup::NONE);
    }

    #[test]
    fn refuses_what_is_no_mark_up() {
        for text in [
            r#"{"percent":"-1"}"#,
            r#"{"percent":"10001"}"#,
            r#"{"percent":"99999999999999999999"}"#,
            r#"{"percent":"1e2"}"#,
            r#"{"percent":2}"#,
            r#"{"per_message":"-0.1"}"#,
            r#"{"per_message":"1001"}"#,
        ] {
            assert!(serde_json::from_str::<Markup>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_too_large_has_no_price() {
        let markup: Markup = serde_json::from_str(r#"{"percent":"10000"}"#).unwrap();
        assert_eq!(markup.apply("9007199254".parse().unwrap()), None);
    }
}
