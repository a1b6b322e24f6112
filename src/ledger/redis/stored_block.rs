//! A block read back: its unresolved holds as views.

use super::block::RECORD_SIZE;
use super::codes::{doubt_code, flag, phase};
use super::keys::{BLOCK_VERSION, BlockId};
use super::packed::{Packed, Parts, unreadable};
use crate::amount::Amount;
use crate::ids::HoldId;
use crate::ledger::{DoubtReason, HoldState, HoldView, LedgerFault};

/// The unresolved holds of a block, in order of their positions in its segments.
pub(super) fn holds(
    block: &BlockId,
    contents: &[u8],
    states: &[u8],
) -> Result<Vec<HoldView>, LedgerFault> {
    let mut found = Vec::new();
    let (mut contents, mut states) = (Packed::new(contents, "hold"), Packed::new(states, "hold"));
    while !contents.rest.is_empty() {
        let size = usize::try_from(u32::from_be_bytes(contents.array()?));
        let content = contents.take(size.map_err(|_| contents.fault())?)?;
        let [a, b, c, d, e, f] = states.array()?;
        let reserved_ms = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let (count, _open, _doubt) = (states.byte()?, states.byte()?, states.byte()?);
        let segment = Segment::read(content)?;
        for index in 0..usize::from(count) {
            let (phase, flags) = (states.byte()?, states.byte()?);
            if i64::from(phase) != phase::GONE {
                found.push(segment.hold(block, index, (phase, flags), reserved_ms)?);
            }
        }
    }
    Ok(found)
}

/// The content of one segment of a block.
struct Segment<'a> {
    content: &'a [u8],
    routes: Vec<&'a [u8]>,
    records_at: usize,
}

impl<'a> Segment<'a> {
    fn read(content: &'a [u8]) -> Result<Segment<'a>, LedgerFault> {
        let mut packed = Packed::new(content, "hold");
        let (version, _count, routes) = (packed.byte()?, packed.byte()?, packed.byte()?);
        if version != BLOCK_VERSION {
            return Err(packed.fault());
        }
        let records_at = packed.short()?.saturating_sub(1);
        let mut route = || {
            let size = packed.short()?;
            packed.take(size)
        };
        let routes = (0..routes).map(|_| route()).collect::<Result<_, _>>()?;
        Ok(Segment { content, routes, records_at })
    }

    fn hold(
        &self,
        block: &BlockId,
        index: usize,
        (phase, flags): (u8, u8),
        reserved_ms: i64,
    ) -> Result<HoldView, LedgerFault> {
        let fault = || unreadable("hold");
        let at = self.records_at + index * RECORD_SIZE;
        let mut record = Packed::new(self.content.get(at..).ok_or_else(fault)?, "hold");
        let amount = record.amount()?;
        let _recipient_and_fingerprint = record.take(24)?;
        let (row_at, row_size) = (record.short()?.saturating_sub(1), usize::from(record.byte()?));
        let (route, position) = (usize::from(record.byte()?), record.byte()?);
        let route = route.checked_sub(1).and_then(|route| self.routes.get(route));
        let mut route = Packed::new(route.ok_or_else(fault)?, "hold");
        let (wallet, campaign) = (route.name()?, route.name()?);
        let row = self.content.get(row_at..row_at + row_size).ok_or_else(fault)?;
        let mut row = Parts::new(row, "hold");
        let (channel, (country, category)) = (row.parsed()?, row.country_and_category()?);
        let has = |flag: i64| i64::from(flags) & flag != 0;
        let state =
            if i64::from(phase) == phase::OPEN { HoldState::Open } else { HoldState::InDoubt };
        let doubt = DoubtReason::ALL
            .into_iter()
            .find(|reason| doubt_code(*reason).as_bytes() == [phase].as_slice());
        let mut id = [position; 16];
        id[..15].copy_from_slice(block);
        Ok(HoldView {
            id: HoldId::from_bytes(id),
            state,
            amount: if has(flag::FREE) { Amount::ZERO } else { amount },
            wallet,
            campaign: campaign.filter(|_| !has(flag::FOREIGN)),
            channel,
            country,
            category,
            reserved_ms,
            doubt,
        })
    }
}
