//! What a put does with something that exists, and what it did.

use serde::de::{Deserialize, Deserializer};

/// What becomes of something that exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays unchanged, whatever its settings: declared objects are a beginning, not the state.
    Keep,
    /// The new settings replace its own.
    Replace,
}

/// What a put did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// There was none.
    New,
    /// There was one; it was kept or replaced as asked.
    Present,
    /// There is none, because a person removed it: what is only declared does not bring it back.
    Removed {
        /// When it was first removed, in Unix milliseconds.
        at_ms: i64,
    },
}

/// Reads a field that may be left out but not be null, unless null means something to `T`.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
