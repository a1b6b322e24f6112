//! What the tests share: servers, clients, and the worlds and cases that they run in.

mod admin_api;
mod api_reply;
mod certificates;
mod client;
mod deployment;
mod ledger_case;
pub mod ledger_script;
mod ledgers;
mod messages;
pub mod openapi_check;
mod operator;
pub mod printed;
mod process;
pub mod redis_server;
mod scripted;
mod services;
mod setup;
mod sweeping;
mod time;
mod world;

pub use admin_api::AdminApi;
pub use api_reply::ApiReply;
pub use certificates::{Authority, Issued, LOCAL};
pub use client::{Client, Reply, Request, ask, micros};
pub use deployment::Deployment;
pub use ledger_case::{LedgerCase, all};
pub(crate) use ledgers::on_every_ledger;
pub use ledgers::{Backend, OnLedger, on_ledger};
pub use messages::{READ_RECEIPT, indian, marketing, template, text};
pub use operator::Books;
pub use process::{Finished, Process, free_address, run, run_in};
pub use scripted::Scripted;
pub use setup::*;
pub use sweeping::Sweeping;
pub use time::*;
pub use world::World;
