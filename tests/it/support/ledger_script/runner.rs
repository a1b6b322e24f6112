//! Runs a script on a ledger and compares every verdict; the grammar is in `parser.rs`.

use tollgate::ledger::Operation;

use super::operations;
use super::parser::{self, Labels, Line, span_ms};
use super::render;
use crate::support::ledger_case::{LedgerCase, all};
use crate::support::time::CASE_START_MS;

/// A case and the names its script has given to holds.
pub struct Script {
    pub case: LedgerCase,
    pub labels: Labels,
    events_shown: usize,
}

/// Runs a whole script in a fresh account; fails if a line returns something else than expected.
pub async fn check(case: LedgerCase, script: &str) -> Script {
    let mut run = Script { case, labels: Labels::new(), events_shown: 0 };
    run.check(script).await;
    run
}

impl Script {
    /// Goes on with further lines.
    pub async fn check(&mut self, script: &str) {
        let lines = parser::lines(script);
        let mut report = Vec::new();
        let mut wrong = false;
        let mut rest = &lines[..];
        while let [first, ..] = rest {
            let length = 1 + rest[1..].iter().take_while(|line| line.starts_with('&')).count();
            let (group, after) = rest.split_at(length);
            let results = self.run(group).await;
            for (line, result) in group.iter().zip(results) {
                let (command, expected) = line
                    .split_once("->")
                    .map_or((line.as_str(), ""), |(command, expected)| (command, expected.trim()));
                report.push(if result == expected {
                    format!("  {line}")
                } else {
                    wrong = true;
                    format!("! {} -> {result}\n      expected: {expected:?}", command.trim_end())
                });
            }
            assert!(!wrong, "after {first:?}:\n{}", report.join("\n"));
            rest = after;
        }
    }

    /// What the lines of one batch return, or a single question or step in time.
    async fn run(&mut self, group: &[String]) -> Vec<String> {
        let lines: Vec<Line> = group.iter().map(|line| Line::parse(line)).collect();
        if let [line] = &lines[..]
            && let Some(result) = self.step_or_question(line).await
        {
            return vec![result];
        }
        let operations: Vec<Operation> = lines.iter().map(|line| self.operation(line)).collect();
        match self.case.apply(operations).await {
            Ok(verdicts) => {
                assert_eq!(verdicts.len(), group.len(), "one verdict per operation");
                verdicts.iter().map(|verdict| render::verdict(verdict, &self.labels)).collect()
            }
            Err(fault) => vec![render::fault(&fault).to_owned(); group.len()],
        }
    }

    fn operation(&mut self, line: &Line) -> Operation {
        let now_ms = self.case.clock.now_ms();
        if line.verb() == "send" {
            let reserve = operations::send(line, now_ms, self.case.settings_version);
            self.labels.insert(line.word(1).to_owned(), reserve.hold);
            return Operation::Reserve(Box::new(reserve));
        }
        operations::operation(line, now_ms, &self.labels)
    }

    /// What a step in time or a question returns; `None` if the line is an operation.
    async fn step_or_question(&mut self, line: &Line<'_>) -> Option<String> {
        let clock = &self.case.clock;
        match line.verb() {
            "later" => clock.advance(span_ms(line.word(1))),
            "at" => clock.advance(CASE_START_MS + span_ms(line.word(1)) - clock.now_ms()),
            "show" if line.word(1) == "events" => return Some(self.new_events().await),
            "show" => return Some(self.show(line).await),
            _ => return None,
        }
        Some(String::new())
    }

    async fn show(&self, line: &Line<'_>) -> String {
        let Script { case: LedgerCase { ledger, account, .. }, labels, .. } = self;
        let reads = &ledger.reads;
        match line.word(1) {
            "wallet" => {
                let wallets = reads.wallets(account).await.unwrap();
                let found = wallets.iter().find(|view| view.id.as_str() == line.word(2));
                found.map_or_else(|| "none".into(), render::wallet)
            }
            "campaign" => {
                let found = reads.campaign(account, &line.word(2).parse().unwrap()).await.unwrap();
                found.as_ref().map_or_else(|| "none".into(), render::campaign)
            }
            "hold" => {
                let found = reads.hold(account, labels[line.word(2)]).await.unwrap();
                found.as_ref().map_or_else(|| "none".into(), |view| render::hold(view, labels))
            }
            "holds" => {
                let read = async |page| reads.holds(account, None, &page).await.unwrap();
                join(all(100, read).await.iter().map(|view| render::hold(view, labels)))
            }
            "window" => {
                let portfolio = line.word(2).parse().unwrap();
                reads.window_used(account, &portfolio).await.unwrap().to_string()
            }
            "usage" => {
                let rows = reads.usage(account, i32::MIN, i32::MAX).await.unwrap();
                join(rows.iter().map(render::usage))
            }
            "entries" => {
                let wallet = line.word(2).parse().unwrap();
                let read = async |page| {
                    reads.entries(account, &wallet, i64::MIN, i64::MAX, &page).await.unwrap()
                };
                join(all(100, read).await.iter().map(|entry| render::entry(entry, labels)))
            }
            other => panic!("{other:?} cannot be shown"),
        }
    }

    /// The events since the last time they were shown.
    async fn new_events(&mut self) -> String {
        let LedgerCase { ledger, account, .. } = &self.case;
        let read = async |page| ledger.reads.events(account, &page).await.unwrap();
        let events = all(100, read).await;
        let new = events.iter().skip(self.events_shown);
        let shown = join(new.map(|event| render::event(event, &self.labels)));
        self.events_shown = events.len();
        shown
    }
}

fn join(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
