//! The handles that sends, admin calls, business operations and jobs share: built once at start and
//! passed as one value.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use arc_swap::ArcSwap;

use crate::catalog::documents::ChannelSettings;
use crate::catalog::{Catalog, Tokens};
use crate::clock::Clock;
use crate::ledger::batcher::{Batcher, BatcherOptions};
use crate::ledger::lease::StopLease;
use crate::ledger::readiness::Readiness;
use crate::ledger::uncounted::Uncounted;
use crate::ledger::{Claims, LedgerReads, OpenLedger};
use crate::metrics::Metrics;
use crate::pricing::PriceBook;
use crate::upstream::client::{Upstream, UpstreamOptions};
use crate::upstream::target::{AccessToken, BaseUrl, Target};

/// Shared handles of one gateway process.
pub struct Services {
    /// Accounts, channels, templates and keys as immutable snapshots.
    pub catalog: Arc<Catalog>,
    /// Channels' Meta tokens.
    pub tokens: Arc<Tokens>,
    /// The rate cards in force; a new version is swapped in.
    pub prices: Arc<ArcSwap<PriceBook>>,
    /// Writes: every operation goes to the ledger through it.
    pub batcher: Batcher,
    /// Reads of the ledger.
    pub reads: Arc<dyn LedgerReads>,
    /// Whether the ledger can decide sends.
    pub readiness: Arc<Readiness>,
    /// Names that one account at most may hold.
    pub claims: Arc<dyn Claims>,
    /// Campaigns known to be stopped.
    pub leases: Arc<StopLease>,
    /// Refused sends that the ledger has not counted yet.
    pub uncounted: Arc<Uncounted>,
    /// The HTTP client to Meta.
    pub upstream: Upstream,
    /// Meta's address for channels without one of their own.
    pub base_url: BaseUrl,
    /// Whether upstreams on other machines may be reached without TLS.
    pub allow_plaintext: bool,
    /// What SREs watch.
    pub metrics: Arc<Metrics>,
    /// Ledger-independent time of this process; tests inject it.
    pub clock: Clock,
    /// When the ledger began to open, by the clock.
    pub opened_ms: i64,
    /// How many gateways share the channels' throughput limits.
    pub gateways_alive: Arc<AtomicU32>,
}

/// What [`Services`] are built from, beside an open ledger.
pub struct ServicesOptions {
    /// The rate cards to begin with.
    pub book: PriceBook,
    /// Channels' Meta tokens.
    pub tokens: Tokens,
    /// Deadlines of the client to Meta.
    pub upstream: UpstreamOptions,
    /// Meta's address for channels without one of their own.
    pub base_url: BaseUrl,
    /// Whether upstreams on other machines may be reached without TLS.
    pub allow_plaintext: bool,
    /// Deadline and bound of the batcher.
    pub batching: BatcherOptions,
    /// Wallets that have a metric of their own, at most.
    pub wallet_metrics: usize,
    /// Unknown keys that one address may present in a minute; `None` is any number.
    pub failed_keys_per_minute: Option<NonZeroU32>,
    /// Ledger-independent time of this process; tests inject it.
    pub clock: Clock,
}

impl Services {
    /// The handles of a gateway over `ledger`.
    pub fn new(ledger: &OpenLedger, options: ServicesOptions) -> Arc<Services> {
        let clock = options.clock;
        let metrics = Arc::new(Metrics::new(options.wallet_metrics));
        metrics.ledger_durability(ledger.durability);
        metrics.ledger_up(true);
        let (writes, batching) = (ledger.ledger.clone(), options.batching);
        let batcher = Batcher::new(writes, clock.clone(), metrics.clone(), batching);
        Arc::new(Services {
            catalog: Arc::new(Catalog::new(ledger, clock.clone(), options.failed_keys_per_minute)),
            tokens: Arc::new(options.tokens),
            prices: Arc::new(ArcSwap::from_pointee(options.book)),
            readiness: Readiness::new(ledger.reads.clone(), batcher.clone(), metrics.clone()),
            batcher,
            reads: ledger.reads.clone(),
            claims: ledger.claims.clone(),
            leases: Arc::default(),
            uncounted: Arc::default(),
            upstream: Upstream::new(options.upstream),
            base_url: options.base_url,
            allow_plaintext: options.allow_plaintext,
            metrics,
            clock,
            opened_ms: ledger.opened_ms,
            gateways_alive: Arc::new(AtomicU32::new(1)),
        })
    }

    /// Address and token for a channel's requests.
    ///
    /// # Errors
    /// Why it has no usable address or token, without the token.
    pub fn target(&self, channel: &ChannelSettings) -> Result<Target, String> {
        let base = match &channel.upstream_url {
            Some(url) => url
                .parse::<BaseUrl>()
                .and_then(|base| base.protected(self.allow_plaintext))
                .map_err(|error| format!("upstream_url {error}"))?,
            None => self.base_url.clone(),
        };
        let token = self.tokens.of(channel).map_err(|error| error.to_string())?;
        let token = match &channel.upstream_auth_header {
            Some(header) => AccessToken::in_header(header, &token),
            None => token.parse::<AccessToken>(),
        };
        let token = token.map_err(|error| format!("its token: {error}"))?;
        Ok(Target { base, token })
    }
}
