//! The business operations, without HTTP: each takes typed input and the acting principal, and
//! returns a typed result or a [`ControlError`]. Used by the admin API, by declared objects and by
//! jobs; one file per kind of object.

pub mod account;
pub mod campaign;
pub mod channel;
mod error;
mod handles;
pub mod hold;
pub mod key;
mod mistakes;
mod permission;
mod put;
pub mod rate_card;
pub mod template;
pub mod template_sync;
pub mod tombstone;
pub mod waba;
pub mod wallet;

pub use error::{Conflict, ControlError, FieldError};
pub use handles::Control;
pub use put::{Existing, Made, given};
