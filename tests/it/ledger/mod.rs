//! One suite for every ledger: a case is written once and runs on each. Cases are tables (see
//! `support/ledger_script`); random operations come on top.

mod aliases;
mod batches;
mod campaigns;
mod embedded_journal;
mod embedded_restart;
mod embedded_store;
mod embedded_volume;
mod exhausted_wallets;
mod expired_records;
mod frequency_caps;
mod growth;
mod holds_in_doubt;
mod idle_accounts;
mod invariants;
mod messaging_limit;
mod observe;
mod paged_lists;
mod random_operations;
mod random_traffic;
mod record_bytes;
mod redis_script;
mod redis_unavailable;
mod rejection_order;
mod repeated_sends;
mod retention;
mod settings;
mod sweep_fairness;
mod usage;
mod wallets;
