//! The types that streamed bodies and the connections to Meta share.

use std::error::Error as StdError;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;

/// Any error, boxed; what streamed bodies fail with.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// A body that is passed on frame by frame.
pub type StreamBody = BoxBody<Bytes, BoxError>;
