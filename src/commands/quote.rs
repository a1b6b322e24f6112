//! `tollgate quote`: what one message would cost, and why, without sending anything.

use std::io::Write;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::json;

use crate::amount::Amount;
use crate::pricing::recipient::{self, Recipient};
use crate::pricing::{Category, Markup, PriceBook, Quote, ServiceWindow, Terms};

/// What a message would cost.
#[derive(Debug, Clone, Args)]
pub struct QuoteArgs {
    /// The recipient: a phone number with its country calling code, or a business-scoped user id
    #[arg(long, value_name = "RECIPIENT")]
    pub to: String,
    /// marketing, utility, authentication, authentication_international or service
    #[arg(long)]
    pub category: Category,
    /// When it is sent: a date, a date and time, or an RFC 3339 instant; the first two are in the
    /// WABA's time zone [default: now]
    #[arg(long, value_name = "DATE")]
    pub at: Option<String>,
    /// The rate card: meta-usd, meta-eur or message
    #[arg(long, default_value = "meta-usd")]
    pub card: String,
    /// The WABA's time zone; prices and months begin at its midnight
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    pub time_zone: String,
    /// Mark-up on the rate, in percent
    #[arg(long, default_value = "0", value_name = "PERCENT")]
    pub markup_percent: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the quote to `out`. `now_ms` (Unix milliseconds) is when the message is sent unless
/// `--at` names another time.
pub fn run(args: &QuoteArgs, now_ms: i64, out: &mut impl Write) -> Result<(), anyhow::Error> {
    let zone = TimeZone::get(&args.time_zone).with_context(|| {
        format!("{:?} is no time zone, for example Asia/Kolkata", args.time_zone)
    })?;
    let at_ms = args.at.as_deref().map_or(Ok(now_ms), |text| instant_ms(text, &zone))?;
    let recipient =
        recipient::parse(&args.to).with_context(|| format!("{:?} is no recipient", args.to))?;
    let percent: Amount = args
        .markup_percent
        .parse()
        .with_context(|| format!("{:?} is no percentage", args.markup_percent))?;
    let markup = Markup::new(percent.to_decimal(), Amount::ZERO)?;
    let terms = Terms {
        card: &args.card,
        time_zone: &zone,
        markup: &markup,
        authentication_international: args.category == Category::AuthenticationInternational,
        window: ServiceWindow::Unknown,
    };
    let book = PriceBook::builtin();
    let quote = book.quote(&terms, book.locate(&recipient)?, args.category, at_ms)?;
    let country_name = book.markets().country_name(quote.country).unwrap_or_default();
    if args.json {
        writeln!(out, "{:#}", as_json(args, &recipient, country_name, &quote))?;
    } else {
        print(args, &recipient, country_name, &quote, out)?;
    }
    Ok(())
}

/// Reads `2026-09-30`, `2026-09-30T12:00` (both in `zone`) or an RFC 3339 instant.
fn instant_ms(text: &str, zone: &TimeZone) -> Result<i64, anyhow::Error> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let wall = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from));
    let wall = wall.with_context(|| {
        format!("{text:?} is no date; write 2026-09-30 or 2026-09-30T12:00:00Z")
    })?;
    Ok(zone
        .to_timestamp(wall)
        .with_context(|| format!("{text:?} is beyond the calendar"))?
        .as_millisecond())
}

fn written(recipient: &Recipient) -> String {
    match recipient {
        Recipient::Phone(phone) => format!("+{}", phone.digits()),
        Recipient::UserId(user) => user.as_str().to_owned(),
    }
}

/// The instant until which the quote holds, if one is known.
fn valid_until(quote: &Quote) -> Option<Timestamp> {
    Timestamp::from_millisecond(quote.valid_until_ms).ok()
}

fn print(
    args: &QuoteArgs,
    recipient: &Recipient,
    country_name: &str,
    quote: &Quote,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let price = format!("{} {}", quote.amount, quote.currency);
    writeln!(out, "recipient   {}", written(recipient))?;
    writeln!(out, "country     {} ({country_name})", quote.country)?;
    writeln!(out, "market      {}", quote.market)?;
    writeln!(out, "category    {}", quote.category)?;
    writeln!(out, "rate card   {}, version {}", quote.card, quote.version)?;
    writeln!(out, "price       {price}")?;
    if let Some(allowance) = quote.free_allowance {
        let limit = grouped(allowance.limit);
        let zone = &args.time_zone;
        writeln!(
            out,
            "allowance   The first {limit} service messages of a channel in each calendar month \
             ({zone}) are free;"
        )?;
        writeln!(out, "            each further one costs {price}.")?;
    }
    if quote.category != args.category {
        writeln!(
            out,
            "note        {} has no {} rate; the {} rate applies.",
            quote.market, args.category, quote.category
        )?;
    }
    if let Some(until) = valid_until(quote) {
        writeln!(out, "valid until {until}, when the next rates or rules begin")?;
    }
    Ok(())
}

fn as_json(
    args: &QuoteArgs,
    recipient: &Recipient,
    country_name: &str,
    quote: &Quote,
) -> serde_json::Value {
    json!({
        "to": written(recipient),
        "country": quote.country,
        "country_name": country_name,
        "market": quote.market,
        "category": quote.category,
        "rate_card": &*quote.card,
        "version": quote.version,
        "currency": &*quote.currency,
        "price": quote.amount,
        "free_allowance": quote.free_allowance.map(|allowance| json!({
            "messages": allowance.limit,
            "per": "channel and calendar month",
            "time_zone": args.time_zone,
        })),
        "valid_until": valid_until(quote),
    })
}

/// `1000` as `1,000`.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use jiff::Timestamp;

    use super::{QuoteArgs, grouped, run};

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        quote: QuoteArgs,
    }

    /// What the command prints, or its error with all causes, at noon of 21 November 2026.
    fn quote(line: &str) -> String {
        let words = std::iter::once("quote").chain(line.split('|'));
        let command = match Command::try_parse_from(words) {
            Ok(command) => command,
            Err(error) => return error.to_string(),
        };
        let now = "2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
        let mut out = Vec::new();
        match run(&command.quote, now, &mut out) {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn prints_the_price_and_where_it_comes_from() {
        assert_eq!(
            quote("--to|+91 (98123) 456-78|--category|marketing"),
            "recipient   +919812345678\ncountry     IN (India)\nmarket      India\n\
             category    marketing\n\
             rate card   meta-usd, version 2026-10-01\nprice       0.0118 USD\n"
        );
    }

    #[test]
    fn says_the_allowance_in_words() {
        let text = quote("--to|US.ENT.13490001|--category|service");
        assert!(
            text.contains("country     US (United States)\nmarket      North America\n"),
            "{text}"
        );
        assert!(
            text.contains(
                "The first 1,000 service messages of a channel in each calendar \
                               month (UTC) are free;"
            ),
            "{text}"
        );
        assert!(text.contains("each further one costs 0.0034 USD."), "{text}");
    }

    #[test]
    fn takes_the_rules_of_the_day() {
        let text = quote("--to|+919812345678|--category|service|--at|2026-09-30");
        assert!(
            text.contains(
                "version 2026-07-01\nprice       0.00 USD\nvalid until 2026-10-01T00:00:00Z"
            ),
            "{text}"
        );
        let text = quote("--to|+525512345678|--category|marketing|--at|2026-10-01T00:30:00+05:30");
        assert!(
            text.contains("price       0.0305 USD"),
            "midnight in India is not midnight in UTC: {text}"
        );
        let text = quote("--to|+525512345678|--category|marketing|--at|2026-10-01T00:00");
        assert!(text.contains("price       0.0397 USD"), "{text}");
    }

    #[test]
    fn takes_card_mark_up_and_zone() {
        let text =
            quote("--to|+919812345678|--category|marketing|--card|meta-eur|--markup-percent|10");
        assert!(text.contains("price       0.01089 EUR"), "{text}");
        let text = quote("--to|+5511987650001|--category|authentication_international");
        assert!(
            text.contains(
                "Brazil has no authentication_international rate; the authentication rate applies."
            ),
            "{text}"
        );
    }

    #[test]
    fn prints_json() {
        let value: serde_json::Value =
            serde_json::from_str(&quote("--to|+919812345678|--category|service|--json")).unwrap();
        let expected = serde_json::json!({
            "to": "+919812345678", "country": "IN", "country_name": "India",
            "market": "India", "category": "service", "rate_card": "meta-usd",
            "version": "2026-10-01", "currency": "USD", "price": "0.0014", "valid_until": null,
            "free_allowance": {
                "messages": 1000, "per": "channel and calendar month", "time_zone": "UTC"
            },
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn names_what_is_wrong() {
        for (line, part) in [
            ("--to|12|--category|marketing", "at least 7 digits"),
            ("--to|+99912345678|--category|marketing", "belongs to no country"),
            ("--to|+919812345678|--category|MARKETING", "a category is one of marketing"),
            ("--to|+919812345678|--category|marketing|--card|none", "no rate card \"none\""),
            ("--to|+919812345678|--category|marketing|--at|yesterday", "is no date"),
            ("--to|+919812345678|--category|marketing|--at|2026-06-30", "no version in force"),
            ("--to|+919812345678|--category|marketing|--time-zone|Mars/Olympus", "is no time zone"),
            ("--to|+919812345678|--category|marketing|--markup-percent|-1", "unexpected argument"),
            ("--to|+919812345678|--category|marketing|--markup-percent=-1", "from 0 to 10000"),
            ("--to|+919812345678|--category|marketing|--markup-percent|ten", "is no percentage"),
        ] {
            let text = quote(line);
            assert!(text.contains(part), "{line}: {text}");
        }
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
