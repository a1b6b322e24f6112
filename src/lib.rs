//! Tollgate: a send gateway in front of the WhatsApp Business Cloud API that prices, reserves,
//! forwards and settles every message.

pub mod admin;
pub mod amount;
pub mod catalog;
pub mod clock;
pub mod commands;
pub mod config;
pub mod control;
pub mod gateway;
pub mod http;
pub mod ids;
pub mod jobs;
pub mod ledger;
pub mod metrics;
pub mod pricing;
pub mod rejection;
pub mod send;
pub mod services;
pub mod telemetry;
pub mod upstream;
