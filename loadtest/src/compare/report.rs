//! The result of a comparison as a section of a page.

use std::fmt::Write;

use super::latency::{Added, LOAD_PERCENT};
use super::machine::Machine;
use super::measure::median;
use super::options::CompareOptions;
use super::peers::Kind;
use super::throughput::Turns;
use super::variants::Variant;

/// All that was measured; what was left out is empty.
#[derive(Default)]
pub struct Measured {
    pub throughput: Vec<Turns>,
    pub latency: Vec<Added>,
    pub variants: Vec<Variant>,
}

pub fn write(options: &CompareOptions, machine: &Machine, measured: &Measured) -> String {
    let mut text = String::new();
    push_conditions(&mut text, options, machine);
    if !measured.throughput.is_empty() {
        push_throughput(&mut text, options, &measured.throughput);
        push_ledgers(&mut text, &measured.throughput);
    }
    if !measured.latency.is_empty() {
        push_latency(&mut text, &measured.latency);
    }
    if !measured.variants.is_empty() {
        push_variants(&mut text, &measured.variants);
    }
    text
}

fn push_conditions(text: &mut String, options: &CompareOptions, machine: &Machine) {
    let command: Vec<String> = std::env::args().skip(1).collect();
    let _ = writeln!(
        text,
        "`loadtest {}`, at commit {}, {}.\n\n\
         - machine: {} cores of {}, {} of memory, {}\n\
         - programs: Redis {}, nginx {}\n\
         - load: {} connections, {} channels of one account, one campaign, messaging limit, one \
         frequency cap; {} rounds of {} s a peer\n",
        command.join(" "),
        machine.commit,
        machine.date,
        machine.cores,
        machine.processor,
        machine.memory,
        machine.kernel,
        machine.redis,
        machine.nginx,
        options.connections,
        options.channels,
        options.rounds,
        options.turn.as_secs_f64(),
    );
}

fn push_throughput(text: &mut String, options: &CompareOptions, all: &[Turns]) {
    let nginx = all.iter().find(|turns| turns.kind == Kind::Nginx);
    let lua = all.iter().find(|turns| turns.kind == Kind::NginxLua);
    let _ = writeln!(
        text,
        "## Sends a second\n\n\
         Medians of the rounds; the ratios are those of the same round, with least and most. \
         Processor time is in microseconds a send. {} recipients were stored before.\n\n\
         | | sends/s | against bare nginx | against nginx + Lua | proxy or gateway | its Redis | \
         upstream | generator |\n|---|---|---|---|---|---|---|---|",
        options.stored,
    );
    for turns in all {
        let _ = writeln!(
            text,
            "| {} | {:.0} | {} | {} | {} | {} | {:.1} | {:.1} |",
            turns.kind.name(),
            turns.median(|turn| turn.sends_per_second),
            ratio(turns, nginx),
            ratio(turns, lua),
            micros(turns.median(|turn| turn.server)),
            micros(turns.median(|turn| turn.store)),
            turns.median(|turn| turn.upstream),
            turns.median(|turn| turn.generator),
        );
    }
    text.push('\n');
}

fn ratio(turns: &Turns, base: Option<&Turns>) -> String {
    let Some(base) = base else { return "-".to_owned() };
    let ratios = turns.ratios(base);
    let middle = median(ratios.iter().copied());
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    format!("{middle:.2} ({least:.2}-{most:.2})")
}

fn micros(value: f64) -> String {
    if value > 0.0 { format!("{value:.1}") } else { "-".to_owned() }
}

fn push_ledgers(text: &mut String, all: &[Turns]) {
    let _ = writeln!(
        text,
        "## Ledgers\n\n\
         A send is two operations, a reserve and a settle. Bytes are the growth during the turns, \
         divided by their sends; in memory that is Redis' `used_memory`, or the resident memory of \
         the embedded gateway. Every recipient of a turn is new.\n\n\
         | | durability | operations a batch | bytes on disk a send | bytes in memory a send |\n\
         |---|---|---|---|---|",
    );
    for turns in all.iter().filter(|turns| turns.kind.has_ledger()) {
        let batch = turns.median(|turn| turn.batch);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} | {:.0} |",
            turns.kind.name(),
            turns.kind.durability(),
            micros(batch),
            turns.median(|turn| turn.disk_bytes),
            turns.median(|turn| turn.memory_bytes),
        );
    }
    text.push('\n');
}

fn push_latency(text: &mut String, all: &[Added]) {
    let _ = writeln!(
        text,
        "## Added latency\n\n\
         At {LOAD_PERCENT:.0} % of the gateway's most sends a second, through the gateway and \
         through the bare hyper proxy in turns. Milliseconds, from when a send was meant to \
         start; \"added\" is the median of the rounds' differences.\n\n\
         | | sends/s | p50 bare | p50 gateway | p50 added | p99 bare | p99 gateway | p99 added |\n\
         |---|---|---|---|---|---|---|---|",
    );
    for added in all {
        let _ = write!(text, "| {} | {} ", added.kind.name(), added.rate);
        for value in
            added.medians(|turn| turn.p50_ms).into_iter().chain(added.medians(|turn| turn.p99_ms))
        {
            let _ = write!(text, "| {value:.2} ");
        }
        text.push_str("|\n");
    }
    text.push('\n');
}

fn push_variants(text: &mut String, all: &[Variant]) {
    let _ = writeln!(
        text,
        "## Many against few\n\n\
         Two gateways take turns. Processor time is in microseconds a send; \"sends/s\" is many's \
         in proportion to few's.\n\n\
         | | few | many | sends/s | gateway: few | many | ratio | Redis: few | many | ratio | \
         operations a batch: few | many |\n|---|---|---|---|---|---|---|---|---|---|---|---|",
    );
    for variant in all {
        let [few, many] = variant.counts;
        let _ = write!(text, "| {}, {} | {few} | {many} ", variant.kind.name(), variant.what);
        let [_, _, ratio] = variant.compared(|turn| turn.sends_per_second);
        let _ = write!(text, "| {ratio:.2} ");
        let [few, many, ratio] = variant.compared(|turn| turn.server);
        let _ = write!(text, "| {few:.1} | {many:.1} | {ratio:.2} ");
        let [few, many, ratio] = variant.compared(|turn| turn.store);
        match few > 0.0 {
            true => _ = write!(text, "| {few:.1} | {many:.1} | {ratio:.2} "),
            false => text.push_str("| - | - | - "),
        }
        let [few, many, _] = variant.compared(|turn| turn.batch);
        let _ = writeln!(text, "| {few:.1} | {many:.1} |");
    }
}
