//! The input and output of pricing: the terms of an account, the quote, and why a message may have
//! no price.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::amount::Amount;

use super::category::Category;
use super::country::Country;
use super::markets::Market;
use super::markup::Markup;

/// Whether the recipient's customer service window is open, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceWindow {
    /// Not known; priced as if closed.
    #[default]
    Unknown,
    /// The recipient wrote in the last 24 hours.
    Open,
    /// The recipient did not write in the last 24 hours.
    Closed,
}

/// The terms on which an account sends.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The id of its rate card.
    pub card: &'a str,
    /// The zone of the WABA: versions and months begin at its midnight.
    pub time_zone: &'a TimeZone,
    /// What it pays above the rate.
    pub markup: &'a Markup,
    /// Whether its authentication templates cost the international rate. If a market has none,
    /// they cost the authentication rate: Meta names an international rate only for some markets,
    /// and not all of those are public.
    pub authentication_international: bool,
    /// The recipient's service window.
    pub window: ServiceWindow,
}

/// The price of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The price, mark-up included, in the card's currency. With a free allowance: the price once
    /// that is used up.
    pub amount: Amount,
    /// Present if some messages are free before `amount` applies; how many of them are used up,
    /// only the ledger knows.
    pub free_allowance: Option<FreeAllowance>,
    /// The recipient's country.
    pub country: Country,
    /// The market its rate was taken from.
    pub market: Market,
    /// The category it is priced as.
    pub category: Category,
    /// The rate card's id.
    pub card: Arc<str>,
    /// The rate card's currency.
    pub currency: Arc<str>,
    /// The date of the card's version.
    pub version: Date,
    /// Until when the quote holds, in Unix milliseconds, exclusive: the next card version or policy
    /// row begins then. `i64::MAX` if none is known.
    pub valid_until_ms: i64,
}

/// The first `limit` messages of a channel in a month are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FreeAllowance {
    /// How many messages are free in the month.
    pub limit: u32,
    /// The month, `year * 12 + (month - 1)`, in the zone of the terms.
    pub month: i32,
    /// When that month ends, in Unix milliseconds.
    pub month_end_ms: i64,
}

/// Why a message has no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unpriced {
    /// The recipient's prefix is in no table.
    #[error("the recipient's prefix belongs to no country in the market table")]
    NoCountry,
    /// The terms name a card that the book does not have.
    #[error("there is no rate card {0:?}")]
    UnknownCard(String),
    /// Too early for the card's first version.
    #[error("the rate card {0} has no version in force at that time")]
    NoVersion(Arc<str>),
    /// The version has no such rate.
    #[error("the rate card {card} of {version} has no {category} rate for {market}")]
    NoRate {
        /// The id of the card.
        card: Arc<str>,
        /// The date of its version.
        version: Date,
        /// The market of the recipient's country.
        market: Market,
        /// The category the message would be priced as.
        category: Category,
    },
    /// The price with its mark-up is larger than any amount, or the time is beyond the calendar.
    #[error("the price or the time is beyond what can be counted")]
    OutOfRange,
}
