//! `loadtest audit`: do the gateway's books agree with what the upstream really accepted?

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use tollgate_simulator::Stats;

use crate::admin::JsonClient;
use crate::credits;
use crate::duration;

/// Most pages of holds that are read; ends a list whose cursors go in circles.
const HOLD_PAGES_MAX: usize = 10_000;

/// The gateway and the simulator whose books are compared.
#[derive(Args)]
pub struct AuditOptions {
    /// The gateway's admin listener
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    pub admin: String,
    /// A key that may read the account
    #[arg(long, env = "LOADTEST_OPERATOR_KEY", hide_env_values = true)]
    pub operator_key: String,
    /// The account
    #[arg(long)]
    pub account: String,
    /// Its wallet; it must have paid for all the account's messages
    #[arg(long, default_value = "main")]
    pub wallet: String,
    /// All that was ever put into the wallet (top-ups, allocations, adjustments)
    #[arg(long, value_parser = credits::parse, allow_negative_numbers = true)]
    pub topped_up: i64,
    /// The simulated upstream
    #[arg(long)]
    pub simulator: String,
    /// Count only what this phone number ID sent (repeatable); for a simulator that others use as
    /// well
    #[arg(long)]
    pub phone_number_id: Vec<String>,
    /// How long the books may take to agree, since a send settles after its response
    #[arg(long, default_value = "5s", value_parser = duration::parse)]
    pub within: Duration,
}

/// The figures of the gateway and of the upstream. Amounts are in micro-credits.
#[derive(Debug, Clone, Default)]
struct Books {
    topped_up: i64,
    settled: i64,
    held: i64,
    overdraft_limit: i64,
    available: i64,
    usage_messages: i64,
    usage_credits: i64,
    rows_messages: i64,
    rows_credits: i64,
    in_doubt: i64,
    in_doubt_credits: i64,
    accepted: i64,
}

/// One line of the result: two figures that must agree.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What is compared.
    pub what: &'static str,
    /// The figure that is checked.
    pub left: String,
    /// What it should be.
    pub right: String,
    /// Whether it is.
    pub agrees: bool,
}

impl std::fmt::Display for Check {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = if self.agrees { "agrees" } else { "DISAGREES" };
        write!(formatter, "{word:<9} {:<60}  {:>16}  {:>16}", self.what, self.left, self.right)
    }
}

/// Prints one line per check; fails unless every line agrees.
pub async fn audit(options: AuditOptions) -> anyhow::Result<()> {
    let checks = examine(&options).await?;
    for check in &checks {
        println!("{check}");
    }
    let wrong = checks.iter().filter(|check| !check.agrees).count();
    ensure!(wrong == 0, "{wrong} of {} checks disagree", checks.len());
    Ok(())
}

/// Reads the books until they agree or the time is up.
pub async fn examine(options: &AuditOptions) -> anyhow::Result<Vec<Check>> {
    let begin = Instant::now();
    loop {
        let checks = compare(&read(options).await?);
        let agreed = checks.iter().all(|check| check.agrees);
        if agreed || begin.elapsed() >= options.within {
            return Ok(checks);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn compare(books: &Books) -> Vec<Check> {
    let amounts = |what, left: i64, right: i64| Check {
        what,
        left: credits::format(left),
        right: credits::format(right),
        agrees: left == right,
    };
    let unexplained = books.accepted - books.usage_messages;
    vec![
        amounts(
            "topped up - settled = credits on usage",
            books.topped_up - books.settled,
            books.usage_credits,
        ),
        amounts("credits on usage rows = their total", books.rows_credits, books.usage_credits),
        Check {
            what: "messages on usage rows = their total",
            left: books.rows_messages.to_string(),
            right: books.usage_messages.to_string(),
            agrees: books.rows_messages == books.usage_messages,
        },
        Check {
            what: "accepted upstream = messages on usage (+ up to all in doubt)",
            left: books.accepted.to_string(),
            right: format!("{} + {}", books.usage_messages, books.in_doubt),
            agrees: (0..=books.in_doubt).contains(&unexplained),
        },
        amounts("held = holds in doubt", books.held, books.in_doubt_credits),
        amounts(
            "available = settled - held + overdraft limit",
            books.available,
            books.settled - books.held + books.overdraft_limit,
        ),
        Check {
            what: "never oversold: available >= 0",
            left: credits::format(books.available),
            right: "0".to_owned(),
            agrees: books.available >= 0,
        },
    ]
}

async fn read(options: &AuditOptions) -> anyhow::Result<Books> {
    let admin = JsonClient::new(&options.admin, Some(&options.operator_key));
    let account = format!("/v1/accounts/{}", options.account);
    let wallet = admin.get(&format!("{account}/wallets/{}", options.wallet)).await?;
    let usage = admin.get(&format!("{account}/usage?group_by=country,category")).await?;
    let rows = usage["rows"].as_array().context("usage has no rows")?;
    let mut books = Books {
        topped_up: options.topped_up,
        settled: amount(&wallet, "settled")?,
        held: amount(&wallet, "held")?,
        overdraft_limit: amount(&wallet, "overdraft_limit")?,
        available: amount(&wallet, "available")?,
        usage_messages: count(&usage["total"], "messages")?,
        usage_credits: amount(&usage["total"], "credits")?,
        ..Books::default()
    };
    for row in rows {
        books.rows_messages += count(row, "messages")?;
        books.rows_credits += amount(row, "credits")?;
    }
    for hold in in_doubt(&admin, &account).await? {
        books.in_doubt += 1;
        books.in_doubt_credits += amount(&hold, "amount")?;
    }
    books.accepted = accepted(options).await?;
    Ok(books)
}

async fn accepted(options: &AuditOptions) -> anyhow::Result<i64> {
    let simulator = JsonClient::new(&options.simulator, None);
    let stats = simulator.get("/_simulator/stats").await?;
    let stats: Stats = serde_json::from_value(stats).context("these are not simulator counters")?;
    let accepted: u64 = match options.phone_number_id.as_slice() {
        [] => stats.accepted,
        ids => {
            let by_id = &stats.accepted_by_phone_number_id;
            ids.iter().filter_map(|id| by_id.get(id)).sum()
        }
    };
    i64::try_from(accepted).context("too many messages")
}

/// Returns all holds in doubt, page by page. The admin API's lists are `{"items": [...], "next":
/// ...}`; `next` is the cursor of the next page, and null on the last one. Anything else fails: a
/// list read in part would let wrong books pass.
async fn in_doubt(admin: &JsonClient, account: &str) -> anyhow::Result<Vec<Value>> {
    let mut holds = Vec::new();
    let mut cursor = String::new();
    for _ in 0..HOLD_PAGES_MAX {
        let path = format!("{account}/holds?state=in_doubt{cursor}");
        let mut page = admin.get(&path).await?;
        let items = page.get_mut("items").and_then(Value::as_array_mut);
        holds.append(items.with_context(|| format!("{path}: the page has no items"))?);
        match page.get("next") {
            Some(Value::String(next)) => cursor = format!("&cursor={next}"),
            Some(Value::Null) => return Ok(holds),
            _ => bail!("{path}: next is missing or not a cursor"),
        }
    }
    bail!("more than {HOLD_PAGES_MAX} pages of holds");
}

fn amount(object: &Value, name: &str) -> anyhow::Result<i64> {
    let text = object[name]
        .as_str()
        .with_context(|| format!("{name} is missing or not a string in {object}"))?;
    credits::parse(text).map_err(anyhow::Error::msg)
}

fn count(object: &Value, name: &str) -> anyhow::Result<i64> {
    object[name]
        .as_i64()
        .with_context(|| format!("{name} is missing or not a whole number in {object}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Books {
        Books {
            topped_up: 100_000_000,
            settled: 99_000_000,
            held: 20_000,
            overdraft_limit: 5_000_000,
            available: 103_980_000,
            usage_messages: 100,
            usage_credits: 1_000_000,
            rows_messages: 100,
            rows_credits: 1_000_000,
            in_doubt: 2,
            in_doubt_credits: 20_000,
            accepted: 101,
        }
    }

    /// Asserts how many checks disagree after a change to books that agree.
    fn check(change: impl FnOnce(&mut Books), expected: usize) {
        let mut books = good();
        change(&mut books);
        let checks = compare(&books);
        let wrong: Vec<_> = checks.iter().filter(|check| !check.agrees).collect();
        assert_eq!(wrong.len(), expected, "{books:?}: {wrong:?}");
    }

    #[test]
    fn books_that_agree_and_books_that_do_not() {
        check(|_| {}, 0);
        check(|books| books.accepted = 100, 0);
        check(|books| books.accepted = 102, 0);
        check(|books| books.accepted = 103, 1);
        check(|books| books.accepted = 99, 1);
        check(|books| books.topped_up += 1, 1);
        check(|books| books.rows_credits -= 1, 1);
        check(|books| books.rows_messages += 1, 1);
        check(|books| books.in_doubt_credits = 0, 1);
        check(|books| books.available += 1, 1);
        check(|books| (books.overdraft_limit, books.available) = (-99_000_000, -20_000), 1);
    }
}
