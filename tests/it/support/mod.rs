//! What the tests share: servers, clients, the worlds that a case runs in.

pub mod admin_api;
mod client;
pub mod ledger_case;
pub mod ledger_script;
mod process;
pub mod redis_server;
mod world;

pub use client::{Client, Reply, Request, ask, micros};
pub use process::{Finished, Process, environment_name, free_address, run, run_in};
pub use world::*;
