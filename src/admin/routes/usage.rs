//! Usage: messages and credits summed over what the caller asks for, in JSON or CSV; by day and
//! channel, or by campaign.

use std::collections::BTreeMap;

use axum::body::Body;
use http::Response;
use serde::Serialize;

use super::statement::date;
use super::table;
use crate::admin::call::{self, Call, bad_parameter};
use crate::admin::problem::Problem;
use crate::amount::Amount;
use crate::catalog::Snapshot;
use crate::ids::{CampaignId, ChannelId};
use crate::ledger::PageRequest;
use crate::ledger::UsageSum;
use crate::ledger::calendar::{date_at, date_of, day_index};
use crate::pricing::{Category, Country};

/// Days shown if the call names none.
const USUAL_DAYS: i32 = 30;

/// Days of one call at most.
const MAX_DAYS: i32 = 400;

/// Rows of one answer at most.
const MAX_ROWS: usize = 100_000;

/// Campaigns read from the ledger at once.
const CAMPAIGNS_AT_ONCE: usize = 500;

/// What rows are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Day,
    Channel,
    Campaign,
    Country,
    Category,
}

impl Column {
    /// In the order in which columns stand and rows are sorted.
    const ALL: [Column; 5] =
        [Column::Day, Column::Channel, Column::Campaign, Column::Country, Column::Category];

    const fn as_str(self) -> &'static str {
        match self {
            Column::Day => "day",
            Column::Channel => "channel",
            Column::Campaign => "campaign",
            Column::Country => "country",
            Column::Category => "category",
        }
    }
}

/// What a row is about: the columns that were asked for, the others empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct RowKey {
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<ChannelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign: Option<CampaignId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<Country>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<Category>,
}

impl RowKey {
    fn cell(&self, column: Column) -> String {
        match column {
            Column::Day => self.day.clone(),
            Column::Channel => self.channel.as_ref().map(ChannelId::to_string),
            Column::Campaign => {
                self.campaign.as_ref().map(|campaign| table::plain(campaign.as_str()))
            }
            Column::Country => self.country.map(|country| country.to_string()),
            Column::Category => self.category.map(|category| category.to_string()),
        }
        .unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    key: &'a RowKey,
    #[serde(flatten)]
    sum: UsageSum,
}

#[derive(Serialize)]
struct UsageAnswer<'a> {
    rows: Vec<Row<'a>>,
    total: UsageSum,
    currency: &'a str,
    #[serde(flatten)]
    days: Option<Days>,
}

/// The days a sum is over, both inclusive, in the account's zone.
#[derive(Serialize)]
struct Days {
    from: String,
    to: String,
    time_zone: String,
}

/// Sums rows as they come.
struct Sums {
    columns: Vec<Column>,
    rows: BTreeMap<RowKey, UsageSum>,
    total: UsageSum,
}

impl Sums {
    fn has(&self, column: Column) -> bool {
        self.columns.contains(&column)
    }

    /// `full` has everything that is known of the row; what was not asked for is dropped.
    fn add(&mut self, full: RowKey, sum: UsageSum) -> Result<(), Problem> {
        let key = RowKey {
            day: full.day.filter(|_| self.has(Column::Day)),
            channel: full.channel.filter(|_| self.has(Column::Channel)),
            campaign: full.campaign.filter(|_| self.has(Column::Campaign)),
            country: full.country.filter(|_| self.has(Column::Country)),
            category: full.category.filter(|_| self.has(Column::Category)),
        };
        plus(&mut self.total, sum)?;
        plus(self.rows.entry(key).or_default(), sum)?;
        if self.rows.len() > MAX_ROWS {
            return Err(bad_parameter(
                "group_by",
                format!("that makes more than {MAX_ROWS} rows; ask for fewer days or columns"),
            ));
        }
        Ok(())
    }
}

fn plus(sum: &mut UsageSum, more: UsageSum) -> Result<(), Problem> {
    let credits = sum.credits.checked_add(more.credits);
    let messages = sum.messages.checked_add(more.messages);
    let too_much = || Problem::internal("usage adds up to more than can be counted exactly", &more);
    (sum.credits, sum.messages) = credits.zip(messages).ok_or_else(too_much)?;
    Ok(())
}

pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    let columns = columns(call.query("group_by").unwrap_or("country,category"))?;
    let account = call.account()?;
    let mut sums = Sums { columns, rows: BTreeMap::new(), total: UsageSum::default() };
    let days = if sums.has(Column::Campaign) {
        by_campaign(call, account, &mut sums).await?;
        None
    } else {
        Some(by_day(call, account, &mut sums).await?)
    };
    if call.csv {
        return as_csv(&sums, &account.account.currency);
    }
    let rows = sums.rows.iter().map(|(key, sum)| Row { key, sum: *sum }).collect();
    call::ok(&UsageAnswer { rows, total: sums.total, currency: &account.account.currency, days })
}

/// Reads `group_by`.
fn columns(text: &str) -> Result<Vec<Column>, Problem> {
    let wrong = |detail: &str| bad_parameter("group_by", detail);
    let mut columns = Vec::new();
    for name in text.split(',') {
        let column = Column::ALL.into_iter().find(|column| column.as_str() == name.trim());
        let column = column.ok_or_else(|| {
            wrong(
                "it is a list of day, channel, country and category, or \
                                        campaign with country and category",
            )
        })?;
        if columns.contains(&column) {
            return Err(wrong("a column is given twice"));
        }
        columns.push(column);
    }
    if columns.contains(&Column::Campaign)
        && (columns.contains(&Column::Day) || columns.contains(&Column::Channel))
    {
        return Err(wrong(
            "a campaign's usage is kept by country and category, not by day or channel",
        ));
    }
    columns.sort_by_key(|column| Column::ALL.iter().position(|known| known == column));
    Ok(columns)
}

/// Sums the days that were asked for.
async fn by_day(call: &Call, account: &Snapshot, sums: &mut Sums) -> Result<Days, Problem> {
    let today = day_index(date_at(&account.time_zone, call.control.services.clock.now_ms()));
    let day = |name: &str| call.query(name).map(|text| date(name, text).map(day_index)).transpose();
    let to = day("to")?.unwrap_or(today);
    let from = day("from")?.unwrap_or(to.saturating_sub(USUAL_DAYS - 1));
    if from > to {
        return Err(bad_parameter("to", "it lies before from"));
    }
    if to.saturating_sub(from) >= MAX_DAYS {
        return Err(bad_parameter("from", format!("one call sums at most {MAX_DAYS} days")));
    }
    call.catch_up().await?;
    for row in call.control.services.reads.usage(&account.id, from, to).await? {
        let day = sums.has(Column::Day).then(|| date_of(row.day).to_string());
        let (channel, country, category) =
            (Some(row.channel), Some(row.country), Some(row.category));
        sums.add(RowKey { day, channel, campaign: None, country, category }, row.sum)?;
    }
    Ok(Days {
        from: date_of(from).to_string(),
        to: date_of(to).to_string(),
        time_zone: account.account.time_zone.clone(),
    })
}

/// Sums all that campaigns have used since they were created.
async fn by_campaign(call: &Call, account: &Snapshot, sums: &mut Sums) -> Result<(), Problem> {
    for name in ["from", "to"] {
        if call.query(name).is_some() {
            return Err(bad_parameter(name, "a campaign's usage is kept as a whole, not by day"));
        }
    }
    call.catch_up().await?;
    let mut request = PageRequest { cursor: None, limit: CAMPAIGNS_AT_ONCE };
    loop {
        let page = call.control.services.reads.campaigns(&account.id, &request).await?;
        for campaign in page.items {
            for ((country, category), sum) in campaign.usage {
                let (campaign, country, category) =
                    (Some(campaign.id.clone()), Some(country), Some(category));
                sums.add(RowKey { day: None, channel: None, campaign, country, category }, sum)?;
            }
        }
        if page.next.is_none() {
            return Ok(());
        }
        request.cursor = page.next;
    }
}

fn as_csv(sums: &Sums, currency: &str) -> Result<Response<Body>, Problem> {
    let names: Vec<&str> = sums
        .columns
        .iter()
        .map(|column| column.as_str())
        .chain(["messages", "credits", "currency"])
        .collect();
    let row = |(key, sum): (&RowKey, &UsageSum)| {
        let cells = sums.columns.iter().map(|column| key.cell(*column));
        cells
            .chain([sum.messages.to_string(), Amount::to_string(&sum.credits), currency.to_owned()])
            .collect()
    };
    table::csv(&names, sums.rows.iter().map(row), None)
}
