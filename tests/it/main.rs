//! The one integration binary: every file here is named after the behaviour it shows.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of a test fails by panicking, like the test itself"
)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test's notes are shown when it fails"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "deadlines of tests are real time; the gateway's own clock is not involved"
)]

mod admin;
mod books_audit;
mod declared_accounts;
mod ledger;
mod load_scenarios;
mod processes;
mod sdk;
mod sends;
mod support;
mod template_sync;
mod tidy;
mod tls;
