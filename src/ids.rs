//! Identifiers as validated newtypes, so that an account can never be passed for a wallet.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The hash of what is looked up on the way of a send. It is seeded at random, and several times as
/// fast as the standard one; what is looked up by it is named by people who have a key.
pub type FastHash = foldhash::fast::RandomState;

/// A map that all threads share.
pub type SharedMap<K, V> = dashmap::DashMap<K, V, FastHash>;

/// Why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// An id of ours is 1 to 64 letters, digits, `_` or `-`.
    #[error("an id is 1 to 64 letters, digits, '_' or '-'")]
    Malformed,
    /// Meta's ids are 1 to 32 digits.
    #[error("an id of Meta's is 1 to 32 digits")]
    NotDigits,
    /// Hold ids are UUIDs.
    #[error("a hold id is a UUID")]
    NotUuid,
}

fn is_own_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn is_meta_id(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $valid:path, $error:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                if $valid(text) { Ok(Self(text.into())) } else { Err($error) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(/// A paying business.
    AccountId, is_own_id, IdError::Malformed);
id!(/// A prepaid store of credits of one account.
    WalletId, is_own_id, IdError::Malformed);
id!(/// Sends under one name, with a budget, counters and a common stop.
    CampaignId, is_own_id, IdError::Malformed);
id!(/// A gateway key's public name (not the key).
    KeyId, is_own_id, IdError::Malformed);
id!(/// Meta's business portfolio, which carries the messaging limit; named by the operator.
    PortfolioId, is_own_id, IdError::Malformed);
id!(/// Meta's phone number ID, as it is written in the URL.
    ChannelId, is_meta_id, IdError::NotDigits);
id!(/// Meta's WhatsApp Business Account id.
    WabaId, is_meta_id, IdError::NotDigits);

/// One hold: a time-ordered UUID (version 7), made by the gateway, so that its age can be read from
/// the id alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId(Uuid);

impl HoldId {
    /// A new id whose time part is `now_ms` (Unix milliseconds).
    pub fn new(now_ms: i64) -> HoldId {
        let random = Uuid::new_v4();
        let mut bytes = [0u8; 10];
        bytes.copy_from_slice(&random.as_bytes()[6..16]);
        HoldId(
            uuid::Builder::from_unix_timestamp_millis(u64::try_from(now_ms).unwrap_or(0), &bytes)
                .into_uuid(),
        )
    }

    /// The first of a row of ids that differ in their last byte only: a ledger keeps the holds of a
    /// row in one place.
    pub fn first_of_row(now_ms: i64) -> HoldId {
        let mut bytes = *HoldId::new(now_ms).as_bytes();
        bytes[15] = 0;
        HoldId::from_bytes(bytes)
    }

    /// The next id of the row; `None` if this was the last.
    pub fn next_in_row(self) -> Option<HoldId> {
        let mut bytes = *self.as_bytes();
        bytes[15] = bytes[15].checked_add(1)?;
        Some(HoldId::from_bytes(bytes))
    }

    /// From its sixteen bytes, unchecked; used when reading back what the ledger stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> HoldId {
        HoldId(Uuid::from_bytes(bytes))
    }

    /// The sixteen bytes of the UUID, in its own order.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Returns when it was made, in Unix milliseconds.
    pub fn created_ms(&self) -> i64 {
        let bytes = self.0.as_bytes();
        bytes[..6].iter().fold(0i64, |time, byte| (time << 8) | i64::from(*byte))
    }
}

impl FromStr for HoldId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<HoldId, IdError> {
        Uuid::try_parse(text).map(HoldId).map_err(|_| IdError::NotUuid)
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.simple(), f)
    }
}

impl fmt::Debug for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for HoldId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HoldId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HoldId, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{AccountId, ChannelId, HoldId};

    #[test]
    fn ids_are_short_and_plain() {
        assert!("acme-1_B".parse::<AccountId>().is_ok());
        for text in ["", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(text.parse::<AccountId>().is_err(), "{text:?}");
        }
        assert!("106540352242922".parse::<ChannelId>().is_ok());
        assert!("10a".parse::<ChannelId>().is_err());
    }

    #[test]
    fn a_row_of_holds_has_256_in_order() {
        let first = HoldId::first_of_row(1_790_000_000_123);
        let row: Vec<HoldId> =
            std::iter::successors(Some(first), |hold| hold.next_in_row()).collect();
        assert_eq!(row.len(), 256);
        assert!(row.is_sorted() && row.iter().all(|hold| hold.created_ms() == 1_790_000_000_123));
        assert_ne!(HoldId::first_of_row(1_790_000_000_123), first);
    }

    #[test]
    fn a_hold_tells_its_age() {
        let hold = HoldId::new(1_790_000_000_123);
        assert_eq!(hold.created_ms(), 1_790_000_000_123);
        assert_eq!(hold.to_string().parse(), Ok(hold));
    }
}
