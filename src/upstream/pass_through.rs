//! Which Graph paths other than sends an operator may allow, and what such a request carries.

use hyper::header::HeaderValue;

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

/// What a passed-through request carries and asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passing {
    /// No body; its answer is read here.
    Question,
    /// A body of this type, as it was read here, not as the client named it.
    Body(HeaderValue),
    /// The bytes of a media object, or a part of them, in any encoding.
    Download,
}
