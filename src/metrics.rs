//! What the gateway counts: the only file that names a metric. Handles are made once at start and
//! found by position in short lists of label values, so that counting costs nanoseconds and no
//! label can grow without bound. Each gateway has a recorder of its own.

mod labels;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString,
};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use crate::amount::Amount;
use crate::ids::{AccountId, WalletId};
use labels::{
    CATEGORIES, EVENTS, LATE_OUTCOMES, OPERATIONS, OTHER, OUTCOMES, REJECTIONS, STAGES,
    UPSTREAM_CODES, position,
};

/// How often [`Metrics::run_upkeep`] must be called: the recorder keeps every histogram sample
/// until then.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Upper bounds in seconds, from what a lookup costs to what a patient client waits.
const SECONDS: &[f64] = &[
    0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of batch sizes; 64 is the cap of a batch.
const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// Currencies times categories times countries that get a series of their own; further ones are
/// counted under country "other".
const CHARGED_SERIES_MAX: usize = 8192;

const CHARGED: &str = "tollgate_charged_credits_total";
const STAGE_SECONDS: &str = "tollgate_stage_seconds";
const LEDGER_SECONDS: &str = "tollgate_ledger_seconds";
const LEDGER_BATCH_SIZE: &str = "tollgate_ledger_batch_size";
const WALLET_AVAILABLE: &str = "tollgate_wallet_available_credits";
const LEDGER_DURABILITY: &str = "tollgate_ledger_durability";

static METADATA: Metadata<'static> = Metadata::new("tollgate", Level::INFO, None);

/// One gateway's metrics. Label values come from closed lists; one that stands in none is counted
/// as `other`.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    sends: Vec<Family<Counter>>,
    rejections: Family<Counter>,
    stages: Family<Histogram>,
    upstream_errors: Family<Counter>,
    ledger: Family<Histogram>,
    ledger_batch_size: Histogram,
    ledger_up: Gauge,
    holds_in_doubt: Gauge,
    in_flight: Gauge,
    low_balance: Counter,
    late_outcomes: Family<Counter>,
    events: Family<Counter>,
    charged: DashMap<Charged, AtomicU64>,
    charged_series: AtomicUsize,
    wallets: DashMap<(AccountId, WalletId), Gauge>,
    wallets_left: AtomicUsize,
}

/// The handles of one metric along one label.
struct Family<H> {
    values: &'static [&'static str],
    handles: Vec<H>,
}

impl<H> Family<H> {
    fn new(values: &'static [&'static str], handle: impl FnMut(&&'static str) -> H) -> Family<H> {
        Family { values, handles: values.iter().map(handle).collect() }
    }

    fn at(&self, value: &str) -> &H {
        &self.handles[position(self.values, value)]
    }
}

/// The labels of charged credits, without anything on the heap so that a lookup allocates nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Charged {
    currency: Short<7>,
    category: u8,
    country: Short<5>,
}

/// Up to `N` letters, padded with zeros.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Short<const N: usize>([u8; N]);

impl<const N: usize> Short<N> {
    /// `text` if it is 1 to `N` ASCII letters, else `other`.
    fn new(text: &str) -> Short<N> {
        let fits =
            (1..=N).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        let mut letters = [0; N];
        let text = if fits { text } else { OTHER };
        letters.iter_mut().zip(text.bytes()).for_each(|(letter, byte)| *letter = byte);
        Short(letters)
    }

    fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(N);
        std::str::from_utf8(&self.0[..end]).unwrap_or(OTHER)
    }
}

/// Registers metrics with their help texts.
struct Registrar<'a>(&'a PrometheusRecorder);

impl Registrar<'_> {
    fn counter(&self, name: &'static str, help: &'static str, labels: Vec<Label>) -> Counter {
        self.0.describe_counter(KeyName::from_const_str(name), None, SharedString::const_str(help));
        self.0.register_counter(&Key::from_parts(name, labels), &METADATA)
    }

    fn gauge(&self, name: &'static str, help: &'static str, labels: Vec<Label>) -> Gauge {
        self.0.describe_gauge(KeyName::from_const_str(name), None, SharedString::const_str(help));
        self.0.register_gauge(&Key::from_parts(name, labels), &METADATA)
    }

    fn histogram(&self, name: &'static str, help: &'static str, labels: Vec<Label>) -> Histogram {
        self.0.describe_histogram(
            KeyName::from_const_str(name),
            None,
            SharedString::const_str(help),
        );
        self.0.register_histogram(&Key::from_parts(name, labels), &METADATA)
    }
}

impl Metrics {
    /// Registers everything; the first `wallets` wallets get a gauge of their own.
    pub fn new(wallets: usize) -> Metrics {
        let recorder = recorder();
        let to = Registrar(&recorder);
        let label =
            |name: &'static str, value: &'static str| vec![Label::from_static_parts(name, value)];
        let sends = |outcome: &&'static str| {
            Family::new(CATEGORIES, |category| {
                let labels = vec![
                    Label::from_static_parts("outcome", outcome),
                    Label::from_static_parts("category", category),
                ];
                to.counter("tollgate_sends_total", "Sends by what became of them.", labels)
            })
        };
        to.gauge(
            "tollgate_build_info",
            "1, labelled with the version that runs.",
            label("version", env!("CARGO_PKG_VERSION")),
        )
        .set(1.0);
        Metrics {
            sends: OUTCOMES.iter().map(sends).collect(),
            rejections: Family::new(REJECTIONS, |name| {
                to.counter(
                    "tollgate_rejections_total",
                    "Sends rejected here, by rule.",
                    label("rejection", name),
                )
            }),
            stages: Family::new(STAGES, |name| {
                to.histogram(STAGE_SECONDS, "Time a send spent in a stage.", label("stage", name))
            }),
            upstream_errors: Family::new(UPSTREAM_CODES, |code| {
                to.counter(
                    "tollgate_upstream_errors_total",
                    "Upstream's errors by Graph code.",
                    label("code", code),
                )
            }),
            ledger: Family::new(OPERATIONS, |name| {
                to.histogram(
                    LEDGER_SECONDS,
                    "Time of a ledger operation.",
                    label("operation", name),
                )
            }),
            ledger_batch_size: to.histogram(
                LEDGER_BATCH_SIZE,
                "Sends decided in one ledger batch.",
                Vec::new(),
            ),
            ledger_up: to.gauge("tollgate_ledger_up", "1 while the ledger answers.", Vec::new()),
            holds_in_doubt: to.gauge(
                "tollgate_holds_in_doubt",
                "Open holds whose outcome is unknown.",
                Vec::new(),
            ),
            in_flight: to.gauge("tollgate_in_flight_sends", "Sends in work.", Vec::new()),
            low_balance: to.counter(
                "tollgate_low_balance_total",
                "Wallets that fell below a threshold.",
                Vec::new(),
            ),
            late_outcomes: Family::new(LATE_OUTCOMES, |name| {
                let help = "Outcomes of upstream's that found their hold resolved already; compare the statement.";
                to.counter("tollgate_late_outcomes_total", help, label("outcome", name))
            }),
            events: Family::new(EVENTS, |name| {
                to.counter("tollgate_events_total", "Events written.", label("event", name))
            }),
            charged: DashMap::new(),
            charged_series: AtomicUsize::new(0),
            wallets: DashMap::new(),
            wallets_left: AtomicUsize::new(wallets),
            handle: recorder.handle(),
            recorder,
        }
    }

    /// Counts a send that ended as `outcome` (`accepted`, `refused`, `unknown`, `rejected`,
    /// `replayed`); `category` by its wire name, `none` where the send never had one.
    pub fn send(&self, outcome: &str, category: &str) {
        self.sends[position(OUTCOMES, outcome)].at(category).increment(1);
    }

    /// Counts a rejection by its contract name.
    pub fn rejection(&self, name: &str) {
        self.rejections.at(name).increment(1);
    }

    /// Records how long a send was in `stage`.
    pub fn stage(&self, stage: &str, elapsed: Duration) {
        self.stages.at(stage).record(elapsed);
    }

    /// Counts an error of upstream's by its Graph code; `None` where there was no code.
    pub fn upstream_error(&self, code: Option<i64>) {
        let known = |code: i64| {
            UPSTREAM_CODES.iter().copied().find(|text| text.parse() == Ok(code)).unwrap_or(OTHER)
        };
        self.upstream_errors.at(code.map_or("none", known)).increment(1);
    }

    /// Records how long a ledger operation took.
    pub fn ledger(&self, operation: &str, elapsed: Duration) {
        self.ledger.at(operation).record(elapsed);
    }

    /// Records how many sends one batch decided.
    pub fn ledger_batch(&self, size: usize) {
        self.ledger_batch_size.record(u32::try_from(size).unwrap_or(u32::MAX));
    }

    /// Says whether the ledger answers.
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

    /// Adds a charge; `currency` as the wallet's unit, `country` as two capitals. Nothing is added
    /// for free messages and refunds.
    pub fn charged(&self, currency: &str, category: &str, country: &str, amount: Amount) {
        let Some(micros) = u64::try_from(amount.micros()).ok().filter(|micros| *micros > 0) else {
            return;
        };
        // The lists are shorter than 256, so the position fits.
        let category = u8::try_from(position(CATEGORIES, category)).unwrap_or_default();
        let series =
            Charged { currency: Short::new(currency), category, country: Short::new(country) };
        if let Some(sum) = self.charged.get(&series) {
            sum.fetch_add(micros, Ordering::Relaxed);
            return;
        }
        let full = self.charged_series.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            (used < CHARGED_SERIES_MAX).then_some(used + 1)
        });
        let series = if full.is_ok() {
            series
        } else {
            Charged { currency: Short::new(OTHER), country: Short::new(OTHER), ..series }
        };
        self.charged.entry(series).or_default().fetch_add(micros, Ordering::Relaxed);
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
        // The entry's lock keeps two callers from taking two places for one wallet.
        let entry = self.wallets.entry(name);
        if let dashmap::Entry::Occupied(gauge) = &entry {
            gauge.get().set(credits);
            return;
        }
        let place = self
            .wallets_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if place.is_ok() {
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

    /// Sorts recorded samples into their buckets; to be called every [`UPKEEP_INTERVAL`], or memory
    /// grows with each sample.
    pub fn run_upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Everything in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        self.render_charged(&mut text);
        text
    }

    /// Charged credits are counted in whole micro-credits and written as exact decimals; the
    /// recorder's counters know whole numbers only.
    fn render_charged(&self, text: &mut String) {
        let mut series: Vec<(Charged, u64)> = self
            .charged
            .iter()
            .map(|entry| (*entry.key(), entry.value().load(Ordering::Relaxed)))
            .collect();
        series.sort_unstable();
        text.push_str(&format!(
            "# HELP {CHARGED} Credits charged for accepted sends.\n# TYPE {CHARGED} counter\n"
        ));
        for (Charged { currency, category, country }, micros) in series {
            let (currency, category, country) =
                (currency.as_str(), CATEGORIES[usize::from(category)], country.as_str());
            let (whole, fraction) = (micros / 1_000_000, micros % 1_000_000);
            let labels =
                format!("currency=\"{currency}\",category=\"{category}\",country=\"{country}\"");
            text.push_str(&format!("{CHARGED}{{{labels}}} {whole}.{fraction:06}\n"));
        }
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

fn recorder() -> PrometheusRecorder {
    let buckets = [(STAGE_SECONDS, SECONDS), (LEDGER_SECONDS, SECONDS), (LEDGER_BATCH_SIZE, SIZES)];
    let builder = buckets.into_iter().fold(PrometheusBuilder::new(), |builder, (name, bounds)| {
        builder
            .set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
            .expect("fails for an empty list only, and none is")
    });
    builder.build_recorder()
}

/// For gauges only, which are doubles.
fn micros_to_credits(amount: Amount) -> f64 {
    // Amounts stay below 2^53, which a double holds exactly.
    #[allow(clippy::cast_precision_loss, reason = "see above")]
    let micros = amount.micros() as f64;
    micros / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CHARGED_SERIES_MAX, Metrics, REJECTIONS};
    use crate::amount::Amount;

    fn amount(text: &str) -> Amount {
        text.parse().expect("an amount")
    }

    fn has(metrics: &Metrics, line: &str) {
        let text = metrics.render();
        assert!(text.lines().any(|rendered| rendered == line), "{line}\n{text}");
    }

    fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
        text.parse().expect("an id")
    }

    #[test]
    fn names_and_labels_are_the_contract() {
        let metrics = Metrics::new(1);
        metrics.send("accepted", "marketing");
        metrics.rejection("insufficient_balance");
        metrics.stage("reserve", Duration::from_micros(300));
        metrics.upstream_error(Some(131_026));
        metrics.upstream_error(None);
        metrics.ledger("batch", Duration::from_millis(2));
        metrics.ledger_batch(3);
        metrics.ledger_up(true);
        metrics.ledger_durability("everysec");
        metrics.holds_in_doubt(4);
        metrics.event("low_balance");
        metrics.charged("USD", "marketing", "IN", amount("0.0118"));
        metrics.charged("USD", "marketing", "IN", amount("1"));
        metrics.wallet_available(&id("acme"), &id("main"), amount("98.82"));
        metrics.run_upkeep();
        for line in [
            "tollgate_sends_total{outcome=\"accepted\",category=\"marketing\"} 1",
            "tollgate_sends_total{outcome=\"refused\",category=\"utility\"} 0",
            "tollgate_rejections_total{rejection=\"insufficient_balance\"} 1",
            "tollgate_stage_seconds_bucket{stage=\"reserve\",le=\"0.00025\"} 0",
            "tollgate_stage_seconds_bucket{stage=\"reserve\",le=\"0.0005\"} 1",
            "tollgate_upstream_errors_total{code=\"131026\"} 1",
            "tollgate_upstream_errors_total{code=\"none\"} 1",
            "tollgate_ledger_seconds_count{operation=\"batch\"} 1",
            "tollgate_ledger_batch_size_bucket{le=\"2\"} 0",
            "tollgate_ledger_batch_size_bucket{le=\"4\"} 1",
            "tollgate_ledger_up 1",
            "tollgate_ledger_durability{tier=\"everysec\"} 1",
            "tollgate_holds_in_doubt 4",
            "tollgate_low_balance_total 1",
            "tollgate_events_total{event=\"low_balance\"} 1",
            "tollgate_charged_credits_total{currency=\"USD\",category=\"marketing\",country=\"IN\"} 1.011800",
            "tollgate_wallet_available_credits{account=\"acme\",wallet=\"main\"} 98.82",
            concat!("tollgate_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "# TYPE tollgate_charged_credits_total counter",
            "# TYPE tollgate_stage_seconds histogram",
        ] {
            has(&metrics, line);
        }
    }

    #[test]
    fn what_is_in_no_list_is_other() {
        let metrics = Metrics::new(0);
        metrics.rejection("a new rule");
        metrics.upstream_error(Some(999));
        metrics.charged("USD", "marketing", "I\"N", amount("1"));
        has(&metrics, "tollgate_rejections_total{rejection=\"other\"} 1");
        has(&metrics, "tollgate_upstream_errors_total{code=\"other\"} 1");
        has(
            &metrics,
            "tollgate_charged_credits_total{currency=\"USD\",category=\"marketing\",country=\"other\"} 1.000000",
        );
    }

    #[test]
    fn only_the_first_wallets_get_a_gauge() {
        let metrics = Metrics::new(1);
        for wallet in ["main", "second", "main"] {
            metrics.wallet_available(&id("acme"), &id(wallet), amount("-1.5"));
        }
        has(&metrics, "tollgate_wallet_available_credits{account=\"acme\",wallet=\"main\"} -1.5");
        assert!(!metrics.render().contains("wallet=\"second\""));
    }

    #[test]
    fn series_of_charges_are_bounded() {
        let metrics = Metrics::new(0);
        let letters = || b'A'..=b'Z';
        for currency in [
            "USD", "EUR", "INR", "GBP", "BRL", "MXN", "IDR", "AUD", "CLP", "COP", "SAR", "AED",
            "ARS",
        ] {
            for (first, second) in
                letters().flat_map(|first| letters().map(move |second| (first, second)))
            {
                metrics.charged(
                    currency,
                    "marketing",
                    &String::from_utf8_lossy(&[first, second]),
                    amount("1"),
                );
            }
        }
        assert_eq!(metrics.charged.len(), CHARGED_SERIES_MAX + 1);
        let beyond = 13 * 26 * 26 - CHARGED_SERIES_MAX;
        let line = format!(
            "tollgate_charged_credits_total{{currency=\"other\",category=\"marketing\",country=\"other\"}} {beyond}.000000"
        );
        has(&metrics, &line);
    }

    #[test]
    fn sends_in_work_are_counted_until_dropped() {
        let metrics = Metrics::new(0);
        let first = metrics.in_flight();
        let second = metrics.in_flight();
        drop(first);
        has(&metrics, "tollgate_in_flight_sends 1");
        drop(second);
        has(&metrics, "tollgate_in_flight_sends 0");
    }

    #[test]
    fn gateways_do_not_share_their_metrics() {
        let (one, other) = (Metrics::new(0), Metrics::new(0));
        one.rejection(REJECTIONS[0]);
        has(&one, "tollgate_rejections_total{rejection=\"malformed\"} 1");
        has(&other, "tollgate_rejections_total{rejection=\"malformed\"} 0");
    }
}
