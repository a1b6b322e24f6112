//! The program as operators run it: its commands and exit codes, its end by signal and by force,
//! its log, and a store that goes away.

mod commands;
mod crash;
mod ending;
mod identity;
mod log;
mod reload;
mod store_away;
