//! Direct Send: a message without a template that is paid as one. Its top-level `category` decides
//! the price, `ttl_seconds` how long Meta tries to deliver it.

use std::ops::RangeInclusive;

use super::parsed::{Endpoint, Kind, Malformed, malformed};
use crate::pricing::Category;

/// The default of utility messages, which may be given though it is outside their range: 30 days.
const UTILITY_DEFAULT_S: u64 = 30 * 86_400;

/// The categories that a Direct Send may have, what it may contain, and its `ttl_seconds`.
const CATEGORIES: [(Category, &[Kind], RangeInclusive<u64>); 2] = [
    (
        Category::Utility,
        &[Kind::Text, Kind::Interactive, Kind::Image, Kind::Video, Kind::Document],
        30..=43_200,
    ),
    (Category::Authentication, &[Kind::Text, Kind::Interactive], 30..=900),
];

/// The category of that name, if a Direct Send may have it.
pub(super) fn category(name: &str) -> Option<Category> {
    CATEGORIES.iter().map(|(category, ..)| *category).find(|category| category.as_str() == name)
}

/// Checks that what was read of a Direct Send belongs together. A body without `category` is none.
pub(super) fn check(
    category: Option<Category>,
    ttl_seconds: Option<u64>,
    kind: Kind,
    endpoint: Endpoint,
) -> Result<(), Malformed> {
    let Some(category) = category else {
        return match ttl_seconds {
            Some(_) => Err(malformed("`ttl_seconds` is given, but `category` is missing")),
            None => Ok(()),
        };
    };
    if endpoint == Endpoint::MarketingMessages {
        return Err(malformed("`category` belongs on `/messages`"));
    }
    let row = CATEGORIES.iter().find(|(listed, ..)| *listed == category);
    let Some((_, kinds, seconds)) = row else {
        return Err(malformed(format!("`category` cannot be `{category}`")));
    };
    if kind == Kind::Template {
        return Err(malformed(
            "`category` belongs to a message without a template; a template has its own",
        ));
    }
    if !kinds.contains(&kind) {
        return Err(malformed(format!(
            "`category` is `{category}`, which a message of type `{kind}` cannot have"
        )));
    }
    let fits = |ttl: &u64| {
        seconds.contains(ttl) || category == Category::Utility && *ttl == UTILITY_DEFAULT_S
    };
    match ttl_seconds.filter(|ttl| !fits(ttl)) {
        None => Ok(()),
        Some(ttl) => Err(malformed(format!(
            "`ttl_seconds` is {ttl}, but with `category` `{category}` it must be {} to {}",
            seconds.start(),
            seconds.end()
        ))),
    }
}
