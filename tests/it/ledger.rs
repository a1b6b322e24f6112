//! One suite for every ledger: a case stands once and runs on each. Cases are tables (see
//! `ledger/script.rs`); random operations come on top.

mod say;
mod script;
mod words;
mod world;

mod away;
mod backlog;
mod batches;
mod campaigns;
mod caps;
mod doubt;
mod exhaustion;
mod invariants;
mod lists;
mod money;
mod precedence;
mod random;
mod repetition;
mod restart;
mod settings;
mod traffic;
mod usage;
mod windows;

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
                    use crate::ledger::world::{Backend, World};
                    super::$case(World::new(Backend::$backend).await).await;
                }
            )*
        }
    };
}
use on_every_ledger;
