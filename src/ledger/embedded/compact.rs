//! Bytes of stored records: whole numbers as varints, texts and lists with their length, fields one
//! after another in a fixed order.
//!
//! A later version may add fields at the end of a record: what is left over is not read. Whatever
//! else changes needs another format of the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::amount::Amount;
use crate::ids::{AccountId, CampaignId, ChannelId, HoldId, PortfolioId, WalletId};
use crate::ledger::{DoubtReason, EntryKind, EventKind, HoldState, RefusalCode, StopReason};
use crate::pricing::{Category, Country};

/// Bytes that are no record of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed record")]
pub(super) struct Malformed;

/// What is left to read of a record.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Bytes with their length before them.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], Malformed> {
        let count = usize::take(self)?;
        self.bytes(count)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.sized()?).map_err(|_| Malformed)
    }

    /// Everything that is left, as text.
    pub(super) fn rest_as_text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(std::mem::take(&mut self.0)).map_err(|_| Malformed)
    }

    /// The text up to the next zero byte, which is passed over.
    pub(super) fn text_until_zero(&mut self) -> Result<&'a str, Malformed> {
        let length = self.0.iter().position(|byte| *byte == 0).ok_or(Malformed)?;
        let text = self.bytes(length)?;
        self.bytes(1)?;
        std::str::from_utf8(text).map_err(|_| Malformed)
    }
}

/// Writes bytes with their length before them.
pub(super) fn put_sized(bytes: &[u8], out: &mut Vec<u8>) {
    bytes.len().put(out);
    out.extend_from_slice(bytes);
}

/// What is stored as bytes.
pub(super) trait Compact: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(input: &mut Input<'_>) -> Result<Self, Malformed>;
}

impl Compact for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    fn take(input: &mut Input<'_>) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = input.bytes(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }
}

/// Small numbers of either sign are short.
impl Compact for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        (((self << 1) ^ (self >> 63)) as u64).put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<i64, Malformed> {
        let folded = u64::take(input)?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }
}

macro_rules! narrower {
    ($($narrow:ty as $wide:ty),+) => {
        $(impl Compact for $narrow {
            fn put(&self, out: &mut Vec<u8>) {
                (*self as $wide).put(out);
            }
            fn take(input: &mut Input<'_>) -> Result<$narrow, Malformed> {
                <$wide>::take(input)?.try_into().map_err(|_| Malformed)
            }
        })+
    };
}
narrower!(u32 as u64, u16 as u64, usize as u64, i32 as i64);

impl Compact for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(input: &mut Input<'_>) -> Result<bool, Malformed> {
        Ok(input.bytes(1)?[0] != 0)
    }
}

impl<const N: usize> Compact for [u8; N] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn take(input: &mut Input<'_>) -> Result<[u8; N], Malformed> {
        input.bytes(N)?.try_into().map_err(|_| Malformed)
    }
}

impl Compact for Amount {
    fn put(&self, out: &mut Vec<u8>) {
        self.micros().put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Amount, Malformed> {
        Amount::from_micros(i64::take(input)?).ok_or(Malformed)
    }
}

impl Compact for HoldId {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_bytes().put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<HoldId, Malformed> {
        Ok(HoldId::from_bytes(Compact::take(input)?))
    }
}

impl Compact for Country {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }

    fn take(input: &mut Input<'_>) -> Result<Country, Malformed> {
        let letters = std::str::from_utf8(input.bytes(2)?).map_err(|_| Malformed)?;
        letters.parse().map_err(|_| Malformed)
    }
}

impl Compact for Category {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.index());
    }

    fn take(input: &mut Input<'_>) -> Result<Category, Malformed> {
        Category::from_index(input.bytes(1)?[0]).ok_or(Malformed)
    }
}

macro_rules! texts {
    ($($text:ty),+) => {
        $(impl Compact for $text {
            fn put(&self, out: &mut Vec<u8>) {
                put_sized(AsText::as_text(self).as_bytes(), out);
            }
            fn take(input: &mut Input<'_>) -> Result<$text, Malformed> {
                <$text as AsText>::of(input.text()?)
            }
        })+
    };
}

/// What is stored as its text.
trait AsText: Sized {
    fn as_text(&self) -> &str;
    fn of(text: &str) -> Result<Self, Malformed>;
}

macro_rules! ids {
    ($($id:ty),+) => {
        $(impl AsText for $id {
            fn as_text(&self) -> &str {
                self.as_str()
            }
            fn of(text: &str) -> Result<$id, Malformed> {
                text.parse().map_err(|_| Malformed)
            }
        })+
    };
}
ids!(AccountId, WalletId, CampaignId, ChannelId, PortfolioId);

impl AsText for String {
    fn as_text(&self) -> &str {
        self
    }

    fn of(text: &str) -> Result<String, Malformed> {
        Ok(text.to_owned())
    }
}

impl AsText for Arc<str> {
    fn as_text(&self) -> &str {
        self
    }

    fn of(text: &str) -> Result<Arc<str>, Malformed> {
        Ok(text.into())
    }
}
texts!(AccountId, WalletId, CampaignId, ChannelId, PortfolioId, String, Arc<str>);

impl<T: Compact> Compact for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        self.iter().for_each(|value| value.put(out));
    }

    fn take(input: &mut Input<'_>) -> Result<Option<T>, Malformed> {
        bool::take(input)?.then(|| T::take(input)).transpose()
    }
}

impl<T: Compact> Compact for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        self.iter().for_each(|value| value.put(out));
    }

    fn take(input: &mut Input<'_>) -> Result<Vec<T>, Malformed> {
        let count = usize::take(input)?;
        (0..count).map(|_| T::take(input)).collect()
    }
}

impl<A: Compact, B: Compact> Compact for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<(A, B), Malformed> {
        Ok((A::take(input)?, B::take(input)?))
    }
}

impl<K: Compact + Ord, V: Compact> Compact for BTreeMap<K, V> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        self.iter().for_each(|(key, value)| {
            key.put(out);
            value.put(out);
        });
    }

    fn take(input: &mut Input<'_>) -> Result<BTreeMap<K, V>, Malformed> {
        Ok(Vec::take(input)?.into_iter().collect())
    }
}

impl Compact for RefusalCode {
    fn put(&self, out: &mut Vec<u8>) {
        let (by_intermediary, code) = match self {
            RefusalCode::Graph(code) => (false, *code),
            RefusalCode::Intermediary(status) => (true, i64::from(*status)),
        };
        by_intermediary.put(out);
        code.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<RefusalCode, Malformed> {
        let (by_intermediary, code) = <(bool, i64)>::take(input)?;
        if !by_intermediary {
            return Ok(RefusalCode::Graph(code));
        }
        code.try_into().map(RefusalCode::Intermediary).map_err(|_| Malformed)
    }
}

/// Words of a closed list, stored as their place in it: new ones are added at its end.
macro_rules! words {
    ($($word:ty: $all:expr),+ $(,)?) => {
        $(impl Compact for $word {
            fn put(&self, out: &mut Vec<u8>) {
                let place = $all.iter().position(|word| word == self);
                out.push(place.and_then(|place| place.try_into().ok()).unwrap_or(u8::MAX));
            }
            fn take(input: &mut Input<'_>) -> Result<$word, Malformed> {
                $all.get(usize::from(input.bytes(1)?[0])).copied().ok_or(Malformed)
            }
        })+
    };
}
words! {
    HoldState: [HoldState::Open, HoldState::InDoubt],
    DoubtReason: DoubtReason::ALL,
    StopReason: StopReason::ALL,
    EntryKind: EntryKind::ALL,
    EventKind: EventKind::ALL,
}

/// A field that may be missing.
pub(super) fn later<T: Compact + Default>(input: &mut Input<'_>) -> Result<T, Malformed> {
    if input.0.is_empty() { Ok(T::default()) } else { T::take(input) }
}

/// Records as their fields, one after another; those behind a `;` are missing from what an earlier
/// version wrote, which is why such a record is the last of whatever holds it.
macro_rules! fields {
    ($($record:ident { $($field:ident),+ $(,)? $(; $($later:ident),+)? })+) => {
        $(impl Compact for $record {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)+
                $($(self.$later.put(out);)+)?
            }
            fn take(input: &mut Input<'_>) -> Result<$record, Malformed> {
                Ok($record {
                    $($field: Compact::take(input)?,)+
                    $($($later: super::compact::later(input)?,)+)?
                })
            }
        })+
    };
}
pub(super) use fields;

#[cfg(test)]
mod tests {
    use super::{Compact, Input};

    #[test]
    fn numbers_of_every_size_come_back() {
        let mut numbers = vec![0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN];
        numbers.extend((0..63).flat_map(|bit| [1 << bit, -(1 << bit), (1 << bit) - 1]));
        let mut bytes = Vec::new();
        numbers.put(&mut bytes);
        let mut input = Input(&bytes);
        assert_eq!(Vec::<i64>::take(&mut input).unwrap(), numbers);
        assert!(input.0.is_empty());
    }

    #[test]
    fn what_is_cut_off_is_malformed() {
        let mut bytes = Vec::new();
        ("a text".to_owned(), 700_u64).put(&mut bytes);
        for length in 0..bytes.len() {
            assert!(<(String, u64)>::take(&mut Input(&bytes[..length])).is_err(), "{length}");
        }
        let endless = [0xff; 11];
        assert!(u64::take(&mut Input(&endless)).is_err());
    }
}
