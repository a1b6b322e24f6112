//! The program as operators run it: its commands and exit codes, its end by signal and by force,
//! its log, and a store that becomes unavailable.

mod commands;
mod crash;
mod ledger_identity;
mod log_level_reload;
mod log_redaction;
mod many_connections;
mod media_memory;
mod printed_secrets;
mod rate_card_reload;
mod readiness;
mod shutdown;
mod startup;
mod store_unavailable;
