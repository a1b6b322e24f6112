//! Load generator, simulated upstream and books audit for the Tollgate gateway. Speaks HTTP only
//! and knows the gateway by its public contract, not by its code. The program is `main.rs`; the
//! gateway's own tests run the audit from here.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "results go to stdout and progress to stderr: that is this program's whole interface"
)]

mod admin;
pub mod audit;
mod body;
pub mod compare;
mod credits;
mod date;
mod duration;
mod gateway;
mod generate;
pub mod hold;
mod pick;
mod process;
pub mod proxy;
mod redis;
mod report;
pub mod run;
pub mod scenario;
mod schedule;
pub mod simulate;
pub mod smoke;
mod tally;
mod timeline;
