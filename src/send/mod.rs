//! A send: accept, authenticate, parse, classify, price, throttle, reserve, forward, settle,
//! reply - in `SendRequest::process`, in this order. Each stage is a file.

mod accept;
mod alias;
mod authenticate;
mod classify;
mod context;
mod fingerprints;
mod form;
mod forward;
mod hangup;
mod heard;
mod in_flight;
mod json_answer;
mod log;
pub mod media;
mod media_object;
mod media_url;
pub mod message;
mod observe;
mod outliving;
mod paging;
mod parameters;
pub mod pass_through;
mod profile_body;
mod question;
pub mod rejected;
pub mod reply;
mod request;
mod reserve;
mod route;
mod service;
mod settle;
mod shares;
mod streamed;
mod taken;
mod throttle;
mod upload;

pub use heard::Heard;
pub use request::handle;
pub use route::SendRoute;
pub use service::{MediaOptions, SendOptions, SendService};
pub use streamed::StreamedReply;
