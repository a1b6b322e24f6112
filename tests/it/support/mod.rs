//! What the tests share: servers, clients, and the worlds and cases that they run in.

pub mod admin_api;
mod client;
mod deployment;
mod ledger_case;
pub mod ledger_script;
mod ledgers;
mod messages;
mod operator;
mod process;
pub mod redis_server;
mod setup;
mod time;
mod world;

pub use client::{Client, Reply, Request, ask, micros};
pub use deployment::Deployment;
pub use ledger_case::{LedgerCase, all};
pub(crate) use ledgers::on_every_ledger;
pub use ledgers::{Backend, on_ledger};
pub use messages::{indian, marketing, template, text};
pub use operator::Books;
pub use process::{Finished, Process, free_address, run, run_in};
pub use setup::*;
pub use time::*;
pub use world::World;
