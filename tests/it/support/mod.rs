//! What the tests share: servers, clients, the worlds that a case runs in.

pub mod admin_api;
mod client;
pub mod ledger_case;
pub mod ledger_script;
mod process;
pub mod program;
pub mod redis_server;
mod world;

pub use client::{Client, Reply, Request, micros};
pub use process::{Process, environment_name, free_address, run};
pub use world::*;
