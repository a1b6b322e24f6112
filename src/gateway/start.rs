//! Starts a gateway: everything that can fail comes first, the listeners open last.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::certificates::Certificates;
use super::declare::declare;
use super::{CLOSE_PATIENCE, Gateway, bootstrap, cards, dispatch};
use crate::admin;
use crate::admin::ops::Ops;
use crate::catalog::rate_cards::Loaded;
use crate::catalog::{Tokens, rate_cards};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::control::{Control, rate_card};
use crate::http::listener::{self, ServerOptions, Workers};
use crate::http::tls::ListenerTls;
use crate::jobs::{Jobs, SweepOptions};
use crate::ledger::OpenLedger;
use crate::ledger::batcher::BatcherOptions;
use crate::ledger::open::{LedgerOptions, open};
use crate::pricing::PriceBook;
use crate::send::{MediaOptions, SendOptions, SendService};
use crate::services::{Services, ServicesOptions};
use crate::upstream::client::UpstreamOptions;
use crate::upstream::tls::Trust;

/// Open holds become in doubt this long after upstream's deadline.
const SWEEP_MARGIN: Duration = Duration::from_secs(30);

/// Operations that may wait for the ledger, per account.
const QUEUE_PER_ACCOUNT: usize = 8_192;

/// Why a gateway does not start: one sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

fn failed(what: &str) -> impl Fn(&dyn std::fmt::Display) -> StartError {
    let what = what.to_owned();
    move |error| StartError(format!("{what}: {error}"))
}

struct Listeners {
    data: TcpListener,
    admin: TcpListener,
    ops: Option<TcpListener>,
}

impl Gateway {
    /// What is wrong with the certificate and key files that the configuration names; nothing is
    /// started.
    pub fn unusable_files(config: &Config) -> Vec<String> {
        let mut mistakes = Certificates::load(&config.listen).err().unwrap_or_default();
        mistakes.extend(upstream_options(config).err());
        mistakes
    }

    /// Starts on the current tokio runtime.
    ///
    /// # Errors
    /// A sentence: the ledger cannot be opened, a declared object cannot be created, an address
    /// cannot be bound.
    pub async fn start(config: &Config, clock: Clock) -> Result<Gateway, StartError> {
        let cards = rate_cards::load(config.pricing.rate_card_dir.as_deref(), None)
            .map_err(|error| failed("the rate cards cannot be read")(&error))?;
        let certificates = Certificates::load(&config.listen)
            .map_err(|mistakes| StartError(mistakes.join("\n")))?;
        let ledger_options = LedgerOptions {
            deadline: config.ledger.deadline,
            key_prefix: config.ledger.key_prefix.clone(),
            allow_unsafe: config.ledger.allow_unsafe,
            tls: config.ledger.tls.clone(),
        };
        let ledger = open(config.ledger.url.expose(), ledger_options, clock.clone())
            .await
            .map_err(|error| StartError(error.to_string()))?;
        tracing::info!(
            durability = ledger.durability,
            ledger_id = ledger.identity.ledger_id,
            "the ledger is open"
        );
        if let Some(wanted) =
            config.ledger.id.as_deref().filter(|wanted| *wanted != ledger.identity.ledger_id)
        {
            let found = ledger.identity.ledger_id.clone();
            let sentence = format!(
                "the store is ledger {found}, not {wanted} as ledger.id says: it is empty, or \
                 another one"
            );
            let _ = tokio::time::timeout(CLOSE_PATIENCE, ledger.ledger.close()).await;
            return Err(StartError(sentence));
        }
        let started = Gateway::start_on(config, clock, &ledger, cards, certificates).await;
        if started.is_err() {
            // Another try in this process must find the ledger free; the error that counts is the
            // first.
            let _ = tokio::time::timeout(CLOSE_PATIENCE, ledger.ledger.close()).await;
        }
        started
    }

    async fn start_on(
        config: &Config,
        clock: Clock,
        ledger: &OpenLedger,
        cards: Loaded,
        certificates: Certificates,
    ) -> Result<Gateway, StartError> {
        let services = Services::new(ledger, services_options(config, clock, cards.book)?);
        rate_card::report(&services.metrics, &cards.skipped);
        let control = Control::new(services.clone(), config.pricing.rate_card_dir.clone());
        let ops = Arc::new(Ops::new(services.readiness.clone(), services.metrics.clone()));
        for account in &config.accounts {
            declare(&control, account, &cards.skipped).await.map_err(StartError)?;
        }
        let listeners = bind(config).await?;
        // Last of all that can fail: a key that was made is shown once, by a gateway that serves.
        let configured = config.admin.bootstrap_key.as_ref().map(config::Secret::expose);
        let made =
            bootstrap::bootstrap(&*services.claims, services.catalog.hasher(), configured).await;
        let made = made
            .map_err(|error| failed("the operator key")(&error))?
            .map(|key| key.as_str().to_owned());
        let parts = Parts { listeners, certificates, ledger: ledger.clone(), control, ops };
        serve(config, parts, made)
    }
}

fn services_options(
    config: &Config,
    clock: Clock,
    book: PriceBook,
) -> Result<ServicesOptions, StartError> {
    let (directory, permitted) = (config.secrets.dir.clone(), config.secrets.env.clone());
    Ok(ServicesOptions {
        book,
        tokens: Tokens::new(directory, permitted, clock.clone()),
        upstream: upstream_options(config).map_err(StartError)?,
        base_url: config.upstream.url.clone(),
        allow_plaintext: config.upstream.allow_plaintext,
        batching: BatcherOptions { deadline: config.ledger.deadline, queue: QUEUE_PER_ACCOUNT },
        wallet_metrics: config.metrics.wallets,
        failed_keys_per_minute: NonZeroU32::new(config.server.failed_keys_per_minute),
        clock,
    })
}

/// How upstreams are reached.
///
/// # Errors
/// A sentence about `upstream.ca_file`.
pub fn upstream_options(config: &Config) -> Result<UpstreamOptions, String> {
    let upstream = &config.upstream;
    let trust = Trust::load(upstream.ca_file.as_deref())
        .map_err(|error| format!("upstream.ca_file: {error}"))?;
    Ok(UpstreamOptions {
        trust,
        http2: upstream.http2,
        connect_timeout: upstream.connect_timeout,
        answer_timeout: upstream.answer_timeout,
        stream_idle_timeout: config.pass_through.stall_timeout,
        ..UpstreamOptions::default()
    })
}

async fn bind(config: &Config) -> Result<Listeners, StartError> {
    let bind = async |address: SocketAddr| {
        TcpListener::bind(address)
            .await
            .map_err(|error| failed(&format!("listening on {address}"))(&error))
    };
    let data = bind(config.listen.data).await?;
    let admin = bind(config.listen.admin).await?;
    let ops = match config.listen.ops {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    Ok(Listeners { data, admin, ops })
}

/// What a gateway serves with.
struct Parts {
    listeners: Listeners,
    certificates: Certificates,
    ledger: OpenLedger,
    control: Arc<Control>,
    ops: Arc<Ops>,
}

fn serve(
    config: &Config,
    parts: Parts,
    made_operator_key: Option<String>,
) -> Result<Gateway, StartError> {
    let Parts { listeners, certificates, ledger, control, ops } = parts;
    let address =
        |listener: &TcpListener| listener.local_addr().map_err(|error| failed("listening")(&error));
    let (data_addr, admin_addr) = (address(&listeners.data)?, address(&listeners.admin)?);
    let ops_addr = listeners.ops.as_ref().map(address).transpose()?;
    let (stop_data, stop_rest) = (CancellationToken::new(), CancellationToken::new());
    let services = control.services.clone();
    let (senders, others) = workers(config)?;
    let options = |tls: &Option<_>, workers: Option<&Workers>| {
        server_options(config, &services, tls.clone(), workers.cloned())
    };
    let send = SendService::new(services.clone(), send_options(config));
    let (jobs, service) = (Jobs { services: services.clone() }, send.clone());
    let sends = service_fn(move |request| dispatch::dispatch(service.clone(), request));
    let data_task = task(listener::serve(
        listeners.data,
        options(&certificates.data, senders.as_ref()),
        sends,
        stop_data.clone(),
    ));
    let router = admin::service(admin::router(control.clone(), ops.clone()));
    let mut tasks = vec![task(listener::serve(
        listeners.admin,
        options(&certificates.admin, Some(&others)),
        router,
        stop_rest.clone(),
    ))];
    if let Some(listener) = listeners.ops {
        let router = admin::service(admin::ops::ops_router(ops.clone()));
        tasks.push(task(listener::serve(
            listener,
            options(&certificates.ops, Some(&others)),
            router,
            stop_rest.clone(),
        )));
    }
    tasks.push(task(cards::watch(
        control.clone(),
        config.pricing.rate_card_interval,
        stop_rest.clone(),
    )));
    tasks.push(task(certificates.clone().watch(stop_rest.clone())));
    tasks.push(task(send.clone().upkeep(stop_rest.clone())));
    tasks.extend(start_jobs(jobs, sweep_options(config), &stop_rest));
    Ok(Gateway {
        data_addr,
        admin_addr,
        ops_addr,
        made_operator_key,
        drain: config.shutdown.drain,
        control,
        ops,
        stop_data,
        stop_rest,
        data_task,
        _workers: (senders, others),
        tasks,
        certificates,
        send,
        services,
        ledger,
    })
}

/// The threads that serve the data listener, and the one of the other listeners, so that nobody
/// waits for whoever asks for a long report. A core is left to the thread that speaks to the
/// ledger. If that leaves one, it serves the sends as well: two threads that wake each other for
/// every send cost more than they gain, and a batch is larger if all that is ready has run before
/// it leaves.
fn workers(config: &Config) -> Result<(Option<Workers>, Workers), StartError> {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = config.process.worker_threads.unwrap_or_else(|| cores().saturating_sub(1));
    let failed = |error| failed("starting threads")(&error);
    let senders = (threads > 1).then(|| Workers::start("sends", threads).map_err(failed));
    Ok((senders.transpose()?, Workers::start("admin", 1).map_err(failed)?))
}

fn server_options(
    config: &Config,
    services: &Services,
    tls: Option<Arc<ListenerTls>>,
    workers: Option<Workers>,
) -> ServerOptions {
    let server = &config.server;
    ServerOptions {
        workers,
        tls,
        proxies: Arc::new(config.listen.proxies.clone()),
        metrics: Some(services.metrics.clone()),
        max_connections: server.max_connections,
        max_connections_per_address: server.max_connections_per_address,
        max_requests_per_connection: server.max_requests_per_connection,
        max_connection_age: server.max_connection_age,
        max_streams: server.max_streams,
        first_request_timeout: server.header_timeout,
        idle_timeout: server.idle_timeout,
        write_timeout: server.write_timeout,
        drain_timeout: config.shutdown.drain,
        max_headers: server.max_headers,
        max_head_bytes: server.max_head_bytes,
    }
}

fn task<T>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async {
        future.await;
    })
}

fn start_jobs(jobs: Jobs, sweep: SweepOptions, stop: &CancellationToken) -> [JoinHandle<()>; 5] {
    [
        task(jobs.clone().upkeep(stop.clone())),
        task(jobs.clone().presence(stop.clone())),
        task(jobs.clone().readiness(stop.clone())),
        task(jobs.clone().count_refusals(stop.clone())),
        task(jobs.sweep(sweep, stop.clone())),
    ]
}

fn send_options(config: &Config) -> SendOptions {
    SendOptions {
        max_body_bytes: config.send.max_body_bytes,
        max_body_memory_bytes: config.send.max_body_memory_bytes,
        body_timeout: config.send.body_timeout,
        abandoned_replay_s: config.send.abandoned_replay_s,
        max_requests_per_key_s: config.send.max_requests_per_key_s,
        max_in_flight: config.send.max_in_flight,
        max_in_flight_per_account: config.send.max_in_flight_per_account,
        max_throttle_wait: config.throttle.max_wait,
        auto_create: config.campaigns.auto_create,
        without_plus: config.recipients.without_plus,
        pass_through: config.pass_through.allow.clone(),
        max_passing: config.pass_through.max_in_flight,
        max_passing_per_account: config.pass_through.max_in_flight_per_account,
        max_passing_memory_bytes: config.pass_through.max_memory_bytes,
        media: MediaOptions {
            public_url: config.media.public_url.clone(),
            tls: config.listen.tls.is_some(),
            hosts: config.media.hosts.clone(),
            url_lifetime_ms: i64::try_from(config.media.url_lifetime.as_millis())
                .unwrap_or(i64::MAX),
        },
    }
}

fn sweep_options(config: &Config) -> SweepOptions {
    SweepOptions {
        interval: config.ledger.sweep_interval,
        open_age: config.upstream.answer_timeout.saturating_add(SWEEP_MARGIN),
        in_doubt_age: config.ledger.in_doubt_deadline,
        policies: config.ledger.in_doubt_policies,
        retention: config.ledger.retention,
    }
}
