//! Puts a gateway together - ledger, catalog, prices, upstream, listeners, jobs - and takes it
//! apart again without losing a send.

pub mod bootstrap;
mod cards;
mod certificates;
mod declare;
mod dispatch;
mod start;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin::ops::Ops;
use crate::clock::Stopwatch;
use crate::control::{Control, rate_card};
use crate::http::listener::Workers;
use crate::ledger::OpenLedger;
use crate::send::SendService;
use crate::services::Services;
use certificates::Certificates;
pub use start::{StartError, upstream_options};

/// How long the ledger may take to close after everything else has ended.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// A running gateway.
pub struct Gateway {
    data_addr: SocketAddr,
    admin_addr: SocketAddr,
    ops_addr: Option<SocketAddr>,
    /// An operator key made because the ledger held none; to be shown once.
    pub made_operator_key: Option<String>,
    drain: Duration,
    control: Arc<Control>,
    ops: Arc<Ops>,
    stop_data: CancellationToken,
    stop_rest: CancellationToken,
    data_task: JoinHandle<()>,
    /// What sends have queued for the ledger may be carried by them, until the last of it is.
    _workers: (Option<Workers>, Workers),
    tasks: Vec<JoinHandle<()>>,
    certificates: Certificates,
    send: Arc<SendService>,
    services: Arc<Services>,
    ledger: OpenLedger,
}

/// Whether everything in flight was brought to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// Sends or settles were left behind; the ledger's sweep resolves them after the next start.
    pub clean: bool,
}

impl Gateway {
    /// Address of the data listener.
    pub fn data_addr(&self) -> SocketAddr {
        self.data_addr
    }

    /// Address of the admin listener.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// Address of the ops listener, if there is one.
    pub fn ops_addr(&self) -> Option<SocketAddr> {
        self.ops_addr
    }

    /// The ledger's durability tier: what survives which fault, in a word or two.
    pub fn durability(&self) -> &'static str {
        self.ledger.durability
    }

    /// Reads the listeners' certificates anew; new connections are shown what is there now.
    /// Returns what is wrong with each pair of files that cannot be used; its listener keeps the
    /// pair it had.
    pub async fn reload_certificates(&self) -> Vec<String> {
        self.certificates.reload().await
    }

    /// Reads the rate card versions of `directory` anew and prices sends by them from now on.
    ///
    /// # Errors
    /// The directory cannot be read; then all stays as it was. Files that cannot be used are named
    /// in the log and left out.
    pub async fn reload_rate_cards(&self, directory: Option<PathBuf>) -> Result<(), String> {
        rate_card::reload(&self.control, directory).await
    }

    /// Stops taking sends, ends those in flight, writes what is queued, closes the ledger; within
    /// the configured time.
    pub async fn shutdown(self) -> Shutdown {
        let watch = Stopwatch::start();
        let left = || self.drain.saturating_sub(watch.elapsed());
        self.ops.drain();
        self.stop_data.cancel();
        let mut clean = self.data_task.await.is_ok();
        clean &= self.send.finish(left()).await;
        clean &= drain(&self.services, left()).await;
        self.stop_rest.cancel();
        for task in self.tasks {
            let _ = tokio::time::timeout(left().max(Duration::from_millis(100)), task).await;
        }
        // What the jobs have queued meanwhile.
        clean &= self.services.batcher.drain_all(left().max(Duration::from_millis(100))).await;
        clean &= matches!(
            tokio::time::timeout(CLOSE_PATIENCE, self.ledger.ledger.close()).await,
            Ok(Ok(()))
        );
        if !clean {
            tracing::warn!(
                "not everything in flight could be ended in time; \
                 what is left is resolved after the next start"
            );
        }
        Shutdown { clean }
    }
}

/// Writes everything queued, the counts of what was refused here included.
async fn drain(services: &Services, patience: Duration) -> bool {
    services.uncounted.flush_all(&services.batcher);
    services.batcher.drain_all(patience.max(Duration::from_millis(100))).await
}
