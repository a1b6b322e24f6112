//! `loadtest run --scenario FILE`: simulator, ledger and gateway are started, sends go on as the
//! file has it, and the books are audited at the end.

mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tokio_util::sync::CancellationToken;
use tollgate_simulator::{Simulator, SimulatorOptions};

use crate::audit::{self, AuditOptions, Check};
use crate::body::{BodyMaker, Content};
use crate::credits;
use crate::gateway::{Accounts, Gateway, GatewayOptions, OPERATOR_KEY};
use crate::generate::{self, Load, Pace, Plan};
use crate::pick::Pick;
use crate::process::Directory;
use crate::redis::RedisServer;
use crate::report::{Happening, Report};
use crate::tally::Tally;
use crate::timeline;
pub use file::LedgerKind;
use file::{Change, Event, Scenario};

const READY_WITHIN: Duration = Duration::from_secs(120);
/// Accounts whose books are shown if they are wrong.
const SHOWN_MAX: usize = 10;

/// Which scenario runs, on what.
#[derive(Args)]
pub struct ScenarioOptions {
    /// Run a scenario's file: start simulator, ledger and gateway, send, audit, end them
    #[arg(long = "scenario", conflicts_with_all = ["key", "phone_number_id"])]
    pub file: Option<PathBuf>,
    /// The gateway binary of a scenario
    #[arg(long, default_value = "target/release/tollgate")]
    pub gateway: PathBuf,
    /// The ledger of a scenario, instead of the one its file names
    #[arg(long, value_enum)]
    pub ledger: Option<LedgerKind>,
    /// A directory that gets the report as NAME.txt, NAME.json and NAME.html
    #[arg(long)]
    pub report: Option<PathBuf>,
}

/// Runs a scenario and prints its report; fails if the books are wrong or if something happened
/// that the file does not expect.
pub async fn run(file: &Path, options: &ScenarioOptions) -> anyhow::Result<()> {
    let scenario = Scenario::read(file)?;
    let ledger = options.ledger.unwrap_or(scenario.ledger);
    let mut stage = Stage::set(&scenario, ledger, &options.gateway).await?;
    let played = stage.play(&scenario).await;
    let mut report = match played {
        Ok(report) => report,
        Err(error) => {
            eprintln!("--- what the gateway wrote ---\n{}", stage.gateway.printed());
            return Err(error);
        }
    };
    stage.simulator.shutdown().await;
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or("scenario");
    report.name = name.to_owned();
    report.about = scenario.about.clone();
    report.ledger = Some(ledger.name());
    println!("{}", report.text());
    if let Some(directory) = &options.report {
        report.write(directory)?;
    }
    match report.failures.len() {
        0 => Ok(()),
        _ => bail!("{name} failed: {}", report.failures.join("; ")),
    }
}

/// Everything a scenario starts; dropping it ends all of it.
struct Stage {
    gateway: Gateway,
    simulator: Simulator,
    redis: Option<RedisServer>,
    accounts: Accounts,
    _home: Directory,
}

impl Stage {
    async fn set(scenario: &Scenario, ledger: LedgerKind, binary: &Path) -> anyhow::Result<Stage> {
        let home = Directory::make("scenario")?;
        let simulator = Simulator::start(SimulatorOptions {
            latency: Duration::from_millis(scenario.upstream.latency_ms),
            keep: 0,
            ..SimulatorOptions::default()
        })
        .context("cannot start the simulator")?;
        for fault in &scenario.upstream.faults {
            simulator.fault(fault.clone());
        }
        let redis = match ledger {
            LedgerKind::Redis => Some(RedisServer::start(&home.inside("redis")?).await?),
            LedgerKind::Embedded => None,
        };
        let accounts = scenario.declared();
        let embedded = || format!("embedded:{}", home.path().join("ledger").display());
        let gateway = Gateway::start(&GatewayOptions {
            binary,
            home: home.inside("gateway")?,
            ledger_url: redis.as_ref().map_or_else(embedded, RedisServer::url),
            upstream_url: simulator.url(),
            configuration: accounts.declared(),
            ready_within: READY_WITHIN,
        })
        .await?;
        Ok(Stage { gateway, simulator, redis, accounts, _home: home })
    }

    async fn play(&mut self, scenario: &Scenario) -> anyhow::Result<Report> {
        let plan = Arc::new(Plan::new(self.load(scenario)?)?);
        let done = CancellationToken::new();
        let watch = tokio::spawn(timeline::watch(plan.clone(), done.clone(), true));
        let (ran, events) = tokio::join!(
            generate::run(&plan),
            events(&scenario.events, &plan, &self.simulator, self.redis.as_mut()),
        );
        done.cancel();
        let points = watch.await.context("the progress task failed")??;
        let total = plan.total()?;
        let mut report = Report::new(&total, ran?, points);
        report.connections = scenario.connections;
        report.events = events?;
        report.failures = unexpected(scenario, &total);
        self.audit(scenario, &mut report).await?;
        Ok(report)
    }

    fn load(&self, scenario: &Scenario) -> anyhow::Result<Load> {
        let senders = self.accounts.senders(self.gateway.data, "scenario")?;
        let template =
            Content::Template { name: "spring_offer".to_owned(), language: "en_US".to_owned() };
        let recipients = Pick::new(scenario.recipients.count, scenario.recipients.skew, 1);
        Ok(Load {
            authority: self.gateway.data.to_string(),
            sender: Pick::new(senders.len() as u64, scenario.accounts.skew, 2),
            senders,
            campaigns: None,
            bodies: BodyMaker::new(&template, vec!["+9198".to_owned()], recipients),
            varied_key: None,
            idempotency: None,
            deadline: Duration::from_millis(scenario.deadline_ms),
            connections: scenario.connections,
            pace: Pace::Open(scenario.schedule()),
            first: 0,
        })
    }

    /// Compares each account's books with what upstream accepted.
    async fn audit(&self, scenario: &Scenario, report: &mut Report) -> anyhow::Result<()> {
        let topped_up = credits::parse(&self.accounts.opening_top_up);
        let topped_up = topped_up.map_err(anyhow::Error::msg)?;
        let mut wrong = 0;
        for account in 1..=self.accounts.count {
            let checks = audit::examine(&AuditOptions {
                admin: self.gateway.admin_url(),
                operator_key: OPERATOR_KEY.to_owned(),
                account: Accounts::id(account),
                wallet: "main".to_owned(),
                topped_up,
                simulator: self.simulator.url(),
                phone_number_id: self.accounts.numbers(account).collect(),
                within: Duration::from_secs(scenario.audit_within_s),
            })
            .await?;
            let disagreeing = checks.iter().filter(|check| !check.agrees).count();
            wrong += usize::from(disagreeing > 0);
            report.audited += 1;
            if self.accounts.count == 1 || (disagreeing > 0 && wrong <= SHOWN_MAX) {
                report.checks.extend(
                    checks
                        .into_iter()
                        .filter(|check: &Check| self.accounts.count == 1 || !check.agrees),
                );
            }
        }
        if wrong > 0 {
            report.failures.push(format!("the books of {wrong} accounts are wrong"));
        }
        Ok(())
    }
}

/// Lets everything happen at its time.
async fn events(
    events: &[Event],
    plan: &Plan,
    simulator: &Simulator,
    mut redis: Option<&mut RedisServer>,
) -> anyhow::Result<Vec<Happening>> {
    let mut happenings = Vec::new();
    for event in events {
        plan.reach(Duration::from_secs_f64(event.at_s)).await;
        let mut note = |what: String| {
            eprintln!("{:>4.0} s  {what}", plan.elapsed().as_secs_f64());
            happenings.push(Happening { at_s: plan.elapsed().as_secs_f64(), what });
        };
        match &event.change {
            Change::UpstreamLatencyMs(ms) => {
                simulator.set_latency(Duration::from_millis(*ms));
                note(format!("upstream takes {ms} ms"));
            }
            Change::RestartRedisAfterMs(ms) => {
                let redis = redis.as_mut().context("this scenario needs --ledger redis")?;
                note("Redis is killed".to_owned());
                redis.restart(Duration::from_millis(*ms)).await?;
                note("Redis is back".to_owned());
            }
        }
    }
    Ok(happenings)
}

/// Returns what happened that the scenario does not expect, and what did not that it must.
fn unexpected(scenario: &Scenario, total: &Tally) -> Vec<String> {
    let expect = &scenario.expect;
    let mut found = Vec::new();
    for (rejection, count) in &total.rejections {
        if !expect.must_reject.contains(rejection) && !expect.may_reject.contains(rejection) {
            found.push(format!("{count} sends were rejected as {rejection}"));
        }
    }
    for rejection in &expect.must_reject {
        if !total.rejections.contains_key(rejection) {
            found.push(format!("no send was rejected as {rejection}"));
        }
    }
    let refused = total.answered() - total.succeeded() - total.rejections.values().sum::<u64>();
    let counts = [
        (total.failed(), expect.may_fail, "were not answered"),
        (total.unsent, expect.may_fail, "were not sent"),
        (refused, expect.may_be_refused, "were refused by upstream"),
    ];
    for (count, may, what) in counts {
        if count > 0 && !may {
            found.push(format!("{count} sends {what}"));
        }
    }
    if total.succeeded() == 0 {
        found.push("no send succeeded".to_owned());
    }
    found
}
