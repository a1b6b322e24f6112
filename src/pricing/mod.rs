//! Who a message is for and what it costs: recipient -> identity -> country -> market -> rate of
//! the card version in force -> mark-up -> quote. Pure: no I/O, no clock, no float.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

pub mod book;
pub mod card;
pub mod category;
pub mod country;
pub mod identity;
pub mod import;
pub mod markets;
pub mod markup;
pub mod policy;
pub mod quote;
pub mod recipient;
pub mod start;

pub use book::PriceBook;
pub use card::{RateCard, RateCardVersion};
pub use category::Category;
pub use country::Country;
pub use identity::Identity;
pub use markets::{Location, Market, MarketTable};
pub use markup::Markup;
pub use quote::{FreeAllowance, Quote, ServiceWindow, Terms, Unpriced};
pub use recipient::Recipient;
