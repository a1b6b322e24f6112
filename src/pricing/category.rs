//! The category of a message, by which Meta prices it.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// By which of Meta's prices a message is charged. The order is part of stored records (see
/// [`Category::index`]) and must not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// A marketing template.
    Marketing,
    /// A utility template.
    Utility,
    /// An authentication template.
    Authentication,
    /// An authentication template at the rate for businesses based elsewhere.
    AuthenticationInternational,
    /// Everything that is not a template.
    Service,
}

/// The text names no category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a category is one of marketing, utility, authentication, authentication_international, service"
)]
pub struct UnknownCategory;

impl Category {
    /// How many categories there are.
    pub const COUNT: usize = 5;

    /// All categories, in the order of [`Category::index`].
    pub const ALL: [Category; Category::COUNT] = [
        Category::Marketing,
        Category::Utility,
        Category::Authentication,
        Category::AuthenticationInternational,
        Category::Service,
    ];

    /// The name on the wire, in configuration and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Category::Marketing => "marketing",
            Category::Utility => "utility",
            Category::Authentication => "authentication",
            Category::AuthenticationInternational => "authentication_international",
            Category::Service => "service",
        }
    }

    /// The category of a template as Meta writes it: `MARKETING`, `UTILITY` or `AUTHENTICATION`, in
    /// any case; `None` for anything else.
    pub fn from_meta(text: &str) -> Option<Category> {
        let template_categories =
            [Category::Marketing, Category::Utility, Category::Authentication];
        template_categories
            .into_iter()
            .find(|category| text.eq_ignore_ascii_case(category.as_str()))
    }

    /// A small stable number for compact records.
    pub const fn index(self) -> u8 {
        match self {
            Category::Marketing => 0,
            Category::Utility => 1,
            Category::Authentication => 2,
            Category::AuthenticationInternational => 3,
            Category::Service => 4,
        }
    }

    /// The category of a number from [`Category::index`].
    pub fn from_index(index: u8) -> Option<Category> {
        Category::ALL.get(usize::from(index)).copied()
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Category {
    type Err = UnknownCategory;

    fn from_str(text: &str) -> Result<Category, UnknownCategory> {
        Category::ALL.into_iter().find(|category| category.as_str() == text).ok_or(UnknownCategory)
    }
}

#[cfg(test)]
mod tests {
    use super::Category;

    #[test]
    fn every_name_and_number_leads_back() {
        for category in Category::ALL {
            assert_eq!(category.as_str().parse(), Ok(category));
            assert_eq!(Category::from_index(category.index()), Some(category));
            let json = serde_json::to_string(&category).unwrap();
            assert_eq!(json, format!("\"{}\"", category.as_str()));
            assert_eq!(serde_json::from_str::<Category>(&json).unwrap(), category);
        }
        assert_eq!(Category::from_index(5), None);
        assert!("MARKETING".parse::<Category>().is_err());
    }

    #[test]
    fn meta_writes_templates_in_capitals() {
        assert_eq!(Category::from_meta("MARKETING"), Some(Category::Marketing));
        assert_eq!(Category::from_meta("utility"), Some(Category::Utility));
        assert_eq!(Category::from_meta("Authentication"), Some(Category::Authentication));
        assert_eq!(Category::from_meta("SERVICE"), None);
        assert_eq!(Category::from_meta(""), None);
    }
}
