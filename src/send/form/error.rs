//! Why a form is not an upload, in words for its sender.

/// Bytes of the longest form: Meta takes files of 100 MB.
pub const MAX_FORM: u64 = 128 * 1024 * 1024;

/// Why a form is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A field that is not one of an upload's.
    #[error("an upload form has no fields but messaging_product, type and file")]
    Field,
    /// A field that came before.
    #[error("an upload form has each of its fields once")]
    Repeated,
    /// The head of a part could be read in two ways, or is too long.
    #[error(
        "the head of a part of the form must be `Content-Disposition: form-data` with a name in \
         quotes, given once, and at most a type, a length and an identity encoding"
    )]
    Head,
    /// The boundary is in a place in which it separates no parts.
    #[error("the form's boundary stands where it separates no parts; choose another one")]
    Boundary,
    /// Bytes before the first boundary or after the last.
    #[error("the form has bytes before its first boundary or after its last")]
    Outside,
    /// The last boundary is missing.
    #[error("the form ends before its last boundary")]
    Incomplete,
    /// More than [`MAX_FORM`].
    #[error("the form is longer than {MAX_FORM} bytes")]
    TooLong,
}
