//! What the gateway counts: the only file that names a metric. Handles are made once at start and
//! found by position in short lists of label values, so that counting costs nanoseconds and no
//! label can grow without bound. Each gateway has a recorder of its own.

mod charged;
mod histogram;
mod labels;
mod registrar;
mod stage_timer;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use metrics::{Counter, Gauge, Label};
use metrics_exporter_prometheus::{PrometheusHandle, PrometheusRecorder};

use crate::amount::Amount;
use crate::ids::{AccountId, WalletId};
use crate::rejection::RejectionKind;
use charged::ChargedCredits;
use histogram::{Histograms, SIZES};
use labels::{
    CATEGORIES, EVENTS, INTERMEDIARY, LATE_OUTCOMES, LEDGER_FAULTS, OPERATIONS, OTHER,
    UPSTREAM_CODES, position,
};
pub use labels::{RefusedConnection, SendOutcome, Stage};
use metrics_exporter_prometheus::PrometheusBuilder;
use registrar::{Family, Registrar};
pub use stage_timer::StageTimer;

const WALLET_AVAILABLE: &str = "tollgate_wallet_available_credits";
const LEDGER_DURABILITY: &str = "tollgate_ledger_durability";

/// One gateway's metrics. Label values come from closed lists; one that is in none is counted as
/// `other`.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    sends: Vec<Family<Counter>>,
    rejections: Family<Counter>,
    observed_rejections: Family<Counter>,
    stages: Histograms,
    upstream_errors: Family<Counter>,
    connections_refused: Family<Counter>,
    ledger: Histograms,
    ledger_batch_size: Histograms,
    ledger_up: Gauge,
    ledger_faults: Family<Counter>,
    holds_in_doubt: Gauge,
    in_flight: Gauge,
    low_balance: Counter,
    rate_cards_skipped: Gauge,
    late_outcomes: Family<Counter>,
    recipients_completed: Counter,
    events: Family<Counter>,
    charged: ChargedCredits,
    wallets: DashMap<(AccountId, WalletId), Gauge>,
    wallets_left: AtomicUsize,
}

impl Metrics {
    /// Registers everything; the first `wallets` wallets get a gauge of their own.
    pub fn new(wallets: usize) -> Metrics {
        let recorder = PrometheusBuilder::new().build_recorder();
        let to = Registrar(&recorder);
        let build = label("version", env!("CARGO_PKG_VERSION"));
        to.gauge("tollgate_build_info", "1, labelled with the version that runs.", build).set(1.0);
        let gauge = |name, help| to.gauge(name, help, Vec::new());
        let counter = |name, help| to.counter(name, help, Vec::new());
        Metrics {
            sends: sends(&to),
            rejections: rejections(&to, "tollgate_rejections_total", "Sends rejected, by rule."),
            observed_rejections: rejections(
                &to,
                "tollgate_observed_rejections_total",
                "Sends let through that would have been rejected, by rule.",
            ),
            stages: stages(),
            connections_refused: Family::new(
                RefusedConnection::ALL.iter().map(|reason| reason.as_str()),
                |reason| {
                    let help = "Connections ended before their next request was handled, by why.";
                    let labels = label("reason", reason);
                    to.counter("tollgate_connections_refused_total", help, labels)
                },
            ),
            upstream_errors: Family::of(UPSTREAM_CODES, |code| {
                let help = "Upstream's errors by Graph code.";
                to.counter("tollgate_upstream_errors_total", help, label("code", code))
            }),
            ledger: Histograms::along(
                "operation",
                OPERATIONS.iter().copied(),
                ("tollgate_ledger_seconds", "Time of a ledger operation."),
            ),
            ledger_batch_size: Histograms::single(
                SIZES,
                ("tollgate_ledger_batch_size", "Sends decided in one ledger batch."),
            ),
            ledger_up: gauge("tollgate_ledger_up", "1 while the ledger can decide sends."),
            ledger_faults: Family::of(LEDGER_FAULTS, |reason| {
                let help = "Batches and probes that the ledger did not decide, by reason.";
                to.counter("tollgate_ledger_faults_total", help, label("reason", reason))
            }),
            holds_in_doubt: gauge("tollgate_holds_in_doubt", "Holds whose outcome is unknown."),
            rate_cards_skipped: gauge(
                "tollgate_rate_card_files_skipped",
                "Rate card files that cannot be used.",
            ),
            in_flight: gauge("tollgate_in_flight_sends", "Sends in work."),
            low_balance: counter(
                "tollgate_low_balance_total",
                "Wallets that fell below a threshold.",
            ),
            late_outcomes: late_outcomes(&to),
            recipients_completed: counter(
                "tollgate_recipients_completed_total",
                "Numbers without a plus that upstream put a calling code before.",
            ),
            events: Family::of(EVENTS, |name| {
                to.counter("tollgate_events_total", "Events written.", label("event", name))
            }),
            charged: ChargedCredits::default(),
            wallets: DashMap::new(),
            wallets_left: AtomicUsize::new(wallets),
            handle: recorder.handle(),
            recorder,
        }
    }

    /// Counts a send by what became of it; `category` by its wire name, `none` if it never had one.
    pub fn send(&self, outcome: SendOutcome, category: &str) {
        self.sends[outcome as usize].at(category).increment(1);
    }

    /// Counts a rejection.
    pub fn rejection(&self, kind: RejectionKind) {
        self.rejections.at_index(kind as usize).increment(1);
    }

    /// Counts a send that was let through because its account only observes.
    pub fn observed_rejection(&self, kind: RejectionKind) {
        self.observed_rejections.at_index(kind as usize).increment(1);
    }

    /// Records how long a send was in `stage`.
    pub fn stage(&self, stage: Stage, elapsed: Duration) {
        self.stages.record(stage as usize, elapsed);
    }

    /// Counts an error of upstream's by its Graph code; `None` if there was no code.
    pub fn upstream_error(&self, code: Option<i64>) {
        let known = |code: i64| {
            UPSTREAM_CODES.iter().copied().find(|text| text.parse() == Ok(code)).unwrap_or(OTHER)
        };
        self.upstream_errors.at(code.map_or("none", known)).increment(1);
    }

    /// Counts a send that something between the gateway and Meta refused.
    pub fn refused_by_intermediary(&self) {
        self.upstream_errors.at(INTERMEDIARY).increment(1);
    }

    /// Counts a connection that was ended by the gateway.
    pub fn connection_refused(&self, reason: RefusedConnection) {
        self.connections_refused.at_index(reason as usize).increment(1);
    }

    /// Records how long a ledger operation took.
    pub fn ledger(&self, operation: &str, elapsed: Duration) {
        self.ledger.record(position(OPERATIONS, operation), elapsed);
    }

    /// Records how many sends one batch decided.
    pub fn ledger_batch(&self, size: usize) {
        self.ledger_batch_size.add(0, size as u64);
    }

    /// Counts a batch or probe that the ledger did not decide, by the word of its reason.
    pub fn ledger_fault(&self, reason: &str) {
        self.ledger_faults.at(reason).increment(1);
    }

    /// Sets whether the ledger can decide sends.
    pub fn ledger_up(&self, up: bool) {
        self.ledger_up.set(if up { 1.0 } else { 0.0 });
    }

    /// Names the durability tier of the ledger; called once at start.
    pub fn ledger_durability(&self, tier: &'static str) {
        let labels = vec![Label::from_static_parts("tier", tier)];
        Registrar(&self.recorder)
            .gauge(LEDGER_DURABILITY, "1, labelled with what survives a crash.", labels)
            .set(1.0);
    }

    /// Sets the number of rate card files that are left out.
    pub fn rate_cards_skipped(&self, count: usize) {
        self.rate_cards_skipped.set(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Sets the number of holds in doubt.
    pub fn holds_in_doubt(&self, count: u64) {
        self.holds_in_doubt.set(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Counts a send as in work until the value is dropped.
    pub fn in_flight(&self) -> InFlight {
        self.in_flight.increment(1.0);
        InFlight(self.in_flight.clone())
    }

    /// Counts an event by its contract name; `low_balance` also in a metric of its own, which
    /// alerts can be written on.
    pub fn event(&self, name: &str) {
        self.events.at(name).increment(1);
        if name == "low_balance" {
            self.low_balance.increment(1);
        }
    }

    /// Counts an outcome that came after its hold was resolved: `settle` or `release`.
    pub fn late_outcome(&self, outcome: &str) {
        self.late_outcomes.at(outcome).increment(1);
    }

    /// Counts a number without a plus that upstream read as a national one.
    pub fn recipient_completed(&self) {
        self.recipients_completed.increment(1);
    }

    /// Adds a charge; `currency` as the wallet's unit, `country` as two capitals. Nothing is added
    /// for free messages and refunds.
    pub fn charged(&self, currency: &str, category: &str, country: &str, amount: Amount) {
        self.charged.add(currency, category, country, amount);
    }

    /// Sets what a wallet has available, if it is among the first that get a gauge.
    pub fn wallet_available(&self, account: &AccountId, wallet: &WalletId, available: Amount) {
        let credits = micros_to_credits(available);
        let name = (account.clone(), wallet.clone());
        if let Some(gauge) = self.wallets.get(&name) {
            gauge.set(credits);
            return;
        }
        if self.wallets_left.load(Ordering::Relaxed) == 0 {
            return;
        }
        // The entry's lock keeps two callers from taking two gauges for one wallet.
        let entry = self.wallets.entry(name);
        if let dashmap::Entry::Occupied(gauge) = &entry {
            gauge.get().set(credits);
            return;
        }
        let taken = self
            .wallets_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_ok() {
            let labels = vec![
                Label::new("account", account.to_string()),
                Label::new("wallet", wallet.to_string()),
            ];
            let gauge = Registrar(&self.recorder).gauge(
                WALLET_AVAILABLE,
                "settled - held + overdraft limit of a wallet.",
                labels,
            );
            gauge.set(credits);
            entry.insert(gauge);
        }
    }

    /// Everything in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        for histograms in [&self.stages, &self.ledger, &self.ledger_batch_size] {
            histograms.render(&mut text);
        }
        self.charged.render(&mut text);
        text
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// A send in work; dropping it ends the count.
#[must_use]
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// For gauges only, which are doubles.
fn micros_to_credits(amount: Amount) -> f64 {
    // Amounts stay below 2^53, which a double holds exactly.
    #[allow(clippy::cast_precision_loss, reason = "see above")]
    let micros = amount.micros() as f64;
    micros / 1_000_000.0
}

fn label(name: &'static str, value: &'static str) -> Vec<Label> {
    vec![Label::from_static_parts(name, value)]
}

fn stages() -> Histograms {
    let names = Stage::ALL.iter().map(|stage| stage.as_str());
    Histograms::along("stage", names, ("tollgate_stage_seconds", "Time a send spent in a stage."))
}

fn late_outcomes(to: &Registrar<'_>) -> Family<Counter> {
    Family::of(LATE_OUTCOMES, |name| {
        let help = "Outcomes of upstream's that found their hold resolved already; compare the \
                    statement.";
        to.counter("tollgate_late_outcomes_total", help, label("outcome", name))
    })
}

fn rejections(to: &Registrar<'_>, name: &'static str, help: &'static str) -> Family<Counter> {
    let kinds = RejectionKind::ALL.iter().map(|kind| kind.name());
    Family::new(kinds, |kind| to.counter(name, help, label("rejection", kind)))
}

/// One family along the category for each outcome.
fn sends(to: &Registrar<'_>) -> Vec<Family<Counter>> {
    let family = |outcome: &SendOutcome| {
        Family::of(CATEGORIES, |category| {
            let labels = vec![
                Label::from_static_parts("outcome", outcome.as_str()),
                Label::from_static_parts("category", category),
            ];
            to.counter("tollgate_sends_total", "Sends by what became of them.", labels)
        })
    };
    SendOutcome::ALL.iter().map(family).collect()
}
