//! How a record is taken apart: texts between bars, or numbers in the order of their bytes.

use std::str::FromStr;

use crate::amount::Amount;
use crate::ids::HoldId;
use crate::ledger::LedgerFault;
use crate::pricing::{Category, Country};

/// The store holds something this version did not write.
pub(super) fn unreadable(what: &str) -> LedgerFault {
    LedgerFault::Closed(format!("it holds a {what} this version cannot read").into())
}

/// A hold's sixteen bytes.
pub(super) fn hold_id(bytes: &[u8]) -> Option<HoldId> {
    Some(HoldId::from_bytes(bytes.try_into().ok()?))
}

/// The parts of a packed record, in order.
pub(super) struct Parts<'a> {
    pub(super) rest: &'a [u8],
    what: &'static str,
}

impl<'a> Parts<'a> {
    pub(super) const fn new(packed: &'a [u8], what: &'static str) -> Parts<'a> {
        Parts { rest: packed, what }
    }

    pub(super) fn fault(&self) -> LedgerFault {
        unreadable(self.what)
    }

    /// Up to the next separator, or all that is left.
    pub(super) fn text(&mut self) -> Result<&'a str, LedgerFault> {
        let end = self.rest.iter().position(|byte| *byte == b'|');
        let (part, rest) = match end {
            Some(end) => (self.rest.get(..end), self.rest.get(end + 1..)),
            None => (Some(self.rest), None),
        };
        self.rest = rest.unwrap_or_default();
        part.and_then(|part| std::str::from_utf8(part).ok()).ok_or_else(|| self.fault())
    }

    pub(super) fn parsed<T: FromStr>(&mut self) -> Result<T, LedgerFault> {
        self.text()?.parse().map_err(|_| self.fault())
    }

    pub(super) fn optional<T: FromStr>(&mut self) -> Result<Option<T>, LedgerFault> {
        match self.text()? {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| self.fault()),
        }
    }

    pub(super) fn amount(&mut self) -> Result<Amount, LedgerFault> {
        Ok(Amount::saturating_from_micros(self.parsed()?))
    }

    pub(super) fn optional_amount(&mut self) -> Result<Option<Amount>, LedgerFault> {
        Ok(self.optional()?.map(Amount::saturating_from_micros))
    }

    pub(super) fn country_and_category(&mut self) -> Result<(Country, Category), LedgerFault> {
        country_and_category(self.text()?).ok_or_else(|| self.fault())
    }

    pub(super) fn hold_id(&self) -> Result<HoldId, LedgerFault> {
        hold_id(self.rest).ok_or_else(|| self.fault())
    }
}

/// `IN0`: a country and the number of a category.
pub(super) fn country_and_category(text: &str) -> Option<(Country, Category)> {
    let country = text.get(..2)?.parse().ok()?;
    Some((country, Category::from_index(text.get(2..)?.parse().ok()?)?))
}

/// Numbers in the order of their bytes, then what follows them.
pub(super) struct Packed<'a> {
    pub(super) rest: &'a [u8],
    what: &'static str,
}

impl<'a> Packed<'a> {
    pub(super) const fn new(packed: &'a [u8], what: &'static str) -> Packed<'a> {
        Packed { rest: packed, what }
    }

    pub(super) fn fault(&self) -> LedgerFault {
        unreadable(self.what)
    }

    pub(super) fn take(&mut self, size: usize) -> Result<&'a [u8], LedgerFault> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or_else(|| self.fault())?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], LedgerFault> {
        self.take(N)?.try_into().map_err(|_| self.fault())
    }

    pub(super) fn number(&mut self) -> Result<i64, LedgerFault> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub(super) fn amount(&mut self) -> Result<Amount, LedgerFault> {
        Ok(Amount::saturating_from_micros(self.number()?))
    }

    pub(super) fn count(&mut self) -> Result<u64, LedgerFault> {
        u64::try_from(self.number()?).map_err(|_| self.fault())
    }

    pub(super) fn byte(&mut self) -> Result<u8, LedgerFault> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn flag(&mut self) -> Result<bool, LedgerFault> {
        Ok(self.byte()? == 1)
    }

    pub(super) fn short(&mut self) -> Result<usize, LedgerFault> {
        Ok(usize::from(u16::from_be_bytes(self.array()?)))
    }

    /// An id with its length before it; `None` if it is empty.
    pub(super) fn name<T: FromStr>(&mut self) -> Result<Option<T>, LedgerFault> {
        let size = usize::from(self.byte()?);
        match std::str::from_utf8(self.take(size)?).map_err(|_| self.fault())? {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| self.fault()),
        }
    }
}

/// Codes and counts of a batch are below 256.
pub(super) fn byte(value: impl TryInto<u8>) -> u8 {
    value.try_into().unwrap_or(u8::MAX)
}

/// Offsets and counts of a batch are below 65,536.
pub(super) fn short(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

/// Nothing that is stored has 4 GiB.
pub(super) fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
