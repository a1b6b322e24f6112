//! The identity of a recipient: one per person, however the number is written.
//!
//! The Graph API takes several spellings of a number for one user: Mexico's +52 1, Brazil's numbers
//! with and without the ninth digit, Argentina's 9 and 15, a national prefix kept behind the
//! calling code. What is counted per person is counted under the identity, and a number is priced
//! by it; the message itself is forwarded as it was written. The rules are data, `spellings.csv`,
//! and none of them matches what is a person's number already, so that two people never become one.
//! Total: a number that no rule matches is its own identity.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

mod pattern;
mod table;

use super::recipient::{PhoneNumber, Recipient, UserId};
use table::SpellingTable;

/// One person. A business-scoped user id is its own identity, as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity<'a> {
    /// A phone number in the one spelling that is used for all.
    Phone(PhoneNumber),
    /// A business-scoped user id.
    UserId(&'a UserId),
}

impl<'a> Identity<'a> {
    /// The identity of a recipient.
    pub fn of(recipient: &'a Recipient) -> Identity<'a> {
        match recipient {
            Recipient::Phone(phone) => Identity::Phone(of_number(phone)),
            Recipient::UserId(user) => Identity::UserId(user),
        }
    }

    /// The digits of a number, or the user id: equal for two recipients only if they are one
    /// person.
    pub fn as_str(&self) -> &str {
        match self {
            Identity::Phone(phone) => phone.digits(),
            Identity::UserId(user) => user.as_str(),
        }
    }
}

/// The one spelling of a number that is used for all of them.
pub fn of_number(number: &PhoneNumber) -> PhoneNumber {
    SpellingTable::builtin().one_spelling(number)
}

#[cfg(test)]
mod tests;
