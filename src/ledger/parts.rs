//! Parts that names are divided into, so that nothing that is kept of many becomes large.

/// Parts of the campaigns that were last used on the same day.
pub(in crate::ledger) const CAMPAIGN_PARTS: u32 = 16;

/// The part of a name: FNV-1a, because it must never change. store.lua computes the same.
pub(in crate::ledger) fn part_of(name: &str, parts: u32) -> u32 {
    let hash = name
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ (hash >> 16)) % parts
}
