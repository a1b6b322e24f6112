//! The ledgers that a case can run on, and the macro that makes a case a test on each.

/// Which ledger a case runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// In the gateway's own process.
    Embedded,
    /// In a redis-server.
    Redis,
}

/// What a case is given: the ledger's name, or something made on it.
pub trait OnLedger: Sized {
    async fn on_ledger(backend: Backend) -> Self;
}

impl OnLedger for Backend {
    async fn on_ledger(backend: Backend) -> Backend {
        backend
    }
}

/// Runs a case on one ledger.
pub async fn on_ledger<A: OnLedger, F: Future<Output = ()>>(
    backend: Backend,
    case: impl FnOnce(A) -> F,
) {
    case(A::on_ledger(backend).await).await;
}

/// Makes every case named a test of its own on each ledger: `async fn case(backend: Backend)`, or
/// with another argument that is [`OnLedger`].
macro_rules! on_every_ledger {
    ($($case:ident),+ $(,)?) => {
        $crate::support::on_every_ledger!(@ embedded Embedded $($case)+);
        $crate::support::on_every_ledger!(@ redis Redis $($case)+);
    };
    (@ $ledger:ident $backend:ident $($case:ident)+) => {
        mod $ledger {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                use $crate::support::{Backend, on_ledger};
                on_ledger(Backend::$backend, super::$case).await;
            })+
        }
    };
}
pub(crate) use on_every_ledger;
