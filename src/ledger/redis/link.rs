//! One multiplexed connection and its care: every call has a deadline, the number in
//! flight is bounded, a broken or silent connection is replaced by the next call, and a server that
//! does not know the script (or is another than before) gets it loaded again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ErrorKind, IntoConnectionInfo,
    RedisError, ServerErrorKind, TlsCertificates,
};
use tokio::sync::{Mutex, Semaphore};

use super::options::{OpenError, RedisOptions};
use super::script::{self, Script};
use crate::clock::Stopwatch;
use crate::ledger::{Cause, FaultReason, LedgerFault};

/// Calls in flight on one connection; more wait, within their deadline.
const CALLS: usize = 1024;

/// Time-outs in a row after which the connection is replaced: the client would keep a half-open one
/// for ever.
const SILENT_CALLS: u32 = 3;

/// A connection that could not be made is not tried again sooner.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// A connection in use.
pub(super) struct Live {
    pub(super) connection: MultiplexedConnection,
    /// The batch script as this server knows it.
    pub(super) script: Script,
}

/// What a connection must find at its server.
#[derive(Clone)]
pub(super) struct Expected {
    pub(super) identity_key: String,
    /// As stored; none only while the ledger is opened.
    pub(super) identity: Option<Vec<u8>>,
}

/// Keeps a connection to the server.
pub(super) struct Link {
    client: Client,
    deadline: Duration,
    expected: Expected,
    live: ArcSwapOption<Live>,
    /// One task connects, the others wait; holds when the last attempt failed and how.
    connecting: Mutex<Option<(Stopwatch, LedgerFault)>>,
    silent: AtomicU32,
    calls: Semaphore,
}

/// A client for a URL, with the settings that the library leaves off.
pub(super) fn client(url: &str, options: &RedisOptions) -> Result<Client, OpenError> {
    let address = |error: RedisError| OpenError::Address(error.to_string());
    let info = url.into_connection_info().map_err(address)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(5));
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive)
        .set_user_timeout(options.deadline.saturating_mul(3));
    let info = info.set_tcp_settings(tcp);
    if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        return Client::open(info).map_err(address);
    }
    let read = |file: &Path| {
        std::fs::read(file)
            .map_err(|error| OpenError::Address(format!("{}: {error}", file.display())))
    };
    let root_cert = options.tls.ca_file.as_deref().map(read).transpose()?;
    let client_tls = match &options.tls.client {
        Some((cert, key)) => {
            Some(ClientTlsConfig { client_cert: read(cert)?, client_key: read(key)? })
        }
        None => None,
    };
    Client::build_with_tls(info, TlsCertificates { client_tls, root_cert }).map_err(address)
}

impl Link {
    pub(super) fn new(client: Client, deadline: Duration, expected: Expected) -> Link {
        Link {
            client,
            deadline,
            expected,
            live: ArcSwapOption::empty(),
            connecting: Mutex::new(None),
            silent: AtomicU32::new(0),
            calls: Semaphore::new(CALLS),
        }
    }

    /// Runs one call within the deadline.
    ///
    /// # Errors
    /// [`LedgerFault::Unavailable`] without an answer; [`LedgerFault::Refused`] by a server that is
    /// out of memory; [`LedgerFault::Closed`] if the address serves another ledger now.
    pub(super) async fn run<T, F>(&self, call: impl Fn(Arc<Live>) -> F) -> Result<T, LedgerFault>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let mut used = None;
        let work = async {
            let _permit = self
                .calls
                .acquire()
                .await
                .map_err(|_| LedgerFault::Closed("it was shut down".into()))?;
            let mut live = self.live().await?;
            used = Some(live.clone());
            let mut answer = call(live.clone()).await;
            if answer.as_ref().is_err_and(may_be_repeated) {
                self.drop_connection(&live);
                live = self.live().await?;
                used = Some(live.clone());
                answer = call(live).await;
            }
            Ok(answer)
        };
        let answered = tokio::time::timeout(self.deadline, work).await;
        match answered {
            Ok(Ok(Ok(value))) => {
                self.silent.store(0, Ordering::Relaxed);
                Ok(value)
            }
            Ok(Ok(Err(error))) => Err(self.fault(&error, used.as_ref())),
            Ok(Err(fault)) => Err(fault),
            Err(_) => {
                self.count_silence(used.as_ref());
                Err(self.too_late())
            }
        }
    }

    fn too_late(&self) -> LedgerFault {
        let text = format!("no answer within {} ms", self.deadline.as_millis());
        LedgerFault::Unavailable(text.into())
    }

    fn fault(&self, error: &RedisError, used: Option<&Arc<Live>>) -> LedgerFault {
        if error.is_timeout() {
            self.count_silence(used);
            return self.too_late();
        }
        if let Some(live) = used
            && (error.is_io_error()
                || error.is_connection_dropped()
                || error.is_unrecoverable_error()
                || is_elsewhere(error))
        {
            self.drop_connection(live);
        }
        if script::is_out_of_memory(error) { out_of_memory() } else { unavailable(error) }
    }

    fn count_silence(&self, used: Option<&Arc<Live>>) {
        if self.silent.fetch_add(1, Ordering::Relaxed) + 1 >= SILENT_CALLS
            && let Some(live) = used
        {
            self.silent.store(0, Ordering::Relaxed);
            self.drop_connection(live);
        }
    }

    fn drop_connection(&self, live: &Arc<Live>) {
        self.live.compare_and_swap(&Some(live.clone()), None);
    }

    async fn live(&self) -> Result<Arc<Live>, LedgerFault> {
        if let Some(live) = self.live.load_full() {
            return Ok(live);
        }
        let mut last_failure = self.connecting.lock().await;
        if let Some(live) = self.live.load_full() {
            return Ok(live);
        }
        if let Some((since, fault)) =
            last_failure.as_ref().filter(|(since, _)| since.elapsed() < RETRY_AFTER)
        {
            tracing::trace!(since_ms = since.elapsed().as_millis(), "not connecting again yet");
            return Err(fault.clone());
        }
        match self.connect().await {
            Ok(live) => {
                let live = Arc::new(live);
                *last_failure = None;
                self.silent.store(0, Ordering::Relaxed);
                self.live.store(Some(live.clone()));
                Ok(live)
            }
            Err(fault) => {
                *last_failure = Some((Stopwatch::start(), fault.clone()));
                Err(fault)
            }
        }
    }

    /// Fails if `found` is not the identity of the ledger that was opened.
    pub(super) fn check_identity(&self, found: Option<&[u8]>) -> Result<(), LedgerFault> {
        if found == self.expected.identity.as_deref() {
            return Ok(());
        }
        let what = if found.is_some() { "another ledger" } else { "no ledger" };
        let text =
            format!("the server holds {what} now; nothing is decided until the right one is back");
        Err(LedgerFault::Closed(Cause::new(FaultReason::AnotherLedger, text)))
    }

    async fn connect(&self) -> Result<Live, LedgerFault> {
        let unavailable = |error: RedisError| unavailable(&error);
        let mut connection = connection(&self.client, self.deadline).await.map_err(unavailable)?;
        let identity: Option<Vec<u8>> = redis::cmd("GET")
            .arg(&self.expected.identity_key)
            .query_async(&mut connection)
            .await
            .map_err(unavailable)?;
        self.check_identity(identity.as_deref())?;
        let script = script::load(&mut connection).await.map_err(unavailable)?;
        Ok(Live { connection, script })
    }
}

/// What a server's answer means, if it is none of those that mean more.
fn unavailable(error: &RedisError) -> LedgerFault {
    let reason = match error.code() {
        Some("LOADING") => FaultReason::Loading,
        Some("READONLY" | "MASTERDOWN") => FaultReason::ReadOnly,
        Some("NOREPLICAS") => FaultReason::TooFewReplicas,
        Some("MISCONF") => FaultReason::NotPersisting,
        Some("OOM") => FaultReason::OutOfMemory,
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => FaultReason::NotPermitted,
        Some(_) => FaultReason::Other,
        None => FaultReason::NoAnswer,
    };
    LedgerFault::Unavailable(Cause::new(reason, error.to_string()))
}

/// A new connection, each of whose calls has the deadline.
pub(super) async fn connection(
    client: &Client,
    deadline: Duration,
) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(deadline))
        .set_response_timeout(Some(deadline))
        .set_pipeline_buffer_size(CALLS);
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// A script that the server does not know did not run. A connection that broke may have been idle
/// since a restart; the call may have run, but every call is harmless to repeat: batches by their
/// number, the others by what they are.
fn may_be_repeated(error: &RedisError) -> bool {
    script::is_unknown(error) || error.is_connection_dropped()
}

/// What a full server's refusal means.
pub(super) fn out_of_memory() -> LedgerFault {
    let text = "it is out of memory and takes no new business; raise maxmemory";
    LedgerFault::Refused(Cause::new(FaultReason::OutOfMemory, text))
}

/// The server is no longer the one to write to: the address may lead to another by now.
fn is_elsewhere(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
    )
}

#[cfg(test)]
mod tests {
    use redis::{ErrorKind, RedisError, ServerErrorKind};

    use super::unavailable;
    use crate::ledger::FaultReason;

    #[test]
    fn a_servers_answer_has_a_word() {
        for (kind, reason) in [
            (ErrorKind::Server(ServerErrorKind::BusyLoading), FaultReason::Loading),
            (ErrorKind::Server(ServerErrorKind::ReadOnly), FaultReason::ReadOnly),
            (ErrorKind::Server(ServerErrorKind::MasterDown), FaultReason::ReadOnly),
            (ErrorKind::Server(ServerErrorKind::ResponseError), FaultReason::Other),
            (ErrorKind::Io, FaultReason::NoAnswer),
        ] {
            let fault = unavailable(&RedisError::from((kind, "a test")));
            assert_eq!(fault.reason(), reason, "{kind:?}");
        }
    }
}
