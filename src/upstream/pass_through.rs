//! Which Graph paths other than sends an operator may allow.

/// A kind of Graph path that costs nothing and may be passed through, as `pass_through.allow` lists
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Upload, download and deletion of media.
    Media,
    /// Reading and changing the channel's business profile.
    BusinessProfile,
    /// Reading the channel's own phone number.
    PhoneNumber,
    /// Reading the templates of the channel's WABA.
    Templates,
}
