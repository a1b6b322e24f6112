//! One suite for every ledger: a case stands once and runs on each. Cases are tables (see
//! `support/ledger_script`); random operations come on top.

mod batches;
mod campaigns;
mod embedded_restart;
mod exhausted_wallets;
mod frequency_caps;
mod holds_in_doubt;
mod invariants;
mod messaging_limit;
mod paged_lists;
mod random_operations;
mod random_traffic;
mod redis_unavailable;
mod rejection_order;
mod repeated_sends;
mod settings;
mod sweep_fairness;
mod usage;
mod wallets;

/// Registers cases once per ledger: each is an `async fn(World)`.
macro_rules! on_every_ledger {
    ($($case:ident)*) => {
        crate::ledger::on_every_ledger!(@ embedded Embedded $($case)*);
        crate::ledger::on_every_ledger!(@ redis Redis $($case)*);
    };
    (@ $ledger:ident $backend:ident $($case:ident)*) => {
        mod $ledger {
            $(
                #[tokio::test]
                async fn $case() {
                    use crate::support::ledger_case::{Backend, World};
                    super::$case(World::new(Backend::$backend).await).await;
                }
            )*
        }
    };
}
use on_every_ledger;
