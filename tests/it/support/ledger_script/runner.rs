//! Cases as tables: one line is one operation or question and the whole answer to it, in words.
//!
//! ```text
//! top-up main 2.00 pay-1       -> posted 2.00 balance 2.00
//! send a campaign=diwali       -> held 1.00 left 1.00
//! later 90s
//! & settle a                   -> settled 1.00
//! ```
//! A line that begins with `&` belongs to the batch of the line before it. `send` knows the
//! defaults of [`super::operations::send`].

use super::operations;
use super::parser::{Labels, Line, span_ms};
use super::render;
use crate::support::ledger_case::{LedgerCase, all};
use crate::support::time::CASE_START_MS;
use tollgate::ledger::Operation;

/// A case and the names its script has given to holds.
pub struct Script {
    pub case: LedgerCase,
    pub labels: Labels,
    events_told: usize,
}

/// Runs a whole script in a fresh account; fails with every line whose answer is another.
pub async fn check(case: LedgerCase, script: &str) -> Script {
    let mut run = Script { case, labels: Labels::new(), events_told: 0 };
    run.check(script).await;
    run
}

impl Script {
    /// Goes on with further lines.
    pub async fn check(&mut self, script: &str) {
        let lines: Vec<&str> = script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let mut told = Vec::new();
        let mut wrong = false;
        let mut rest = &lines[..];
        while let [first, ..] = rest {
            let length = 1 + rest[1..].iter().take_while(|line| line.starts_with('&')).count();
            let (group, after) = rest.split_at(length);
            let answers = self.answer(group).await;
            for (line, answer) in group.iter().zip(answers) {
                let (command, expected) = line
                    .split_once("->")
                    .map_or((*line, ""), |(command, expected)| (command, expected.trim()));
                told.push(if answer == expected {
                    format!("  {line}")
                } else {
                    wrong = true;
                    format!(
                        "! {} -> {answer}\n      where {expected:?} was expected",
                        command.trim_end()
                    )
                });
            }
            assert!(!wrong, "after {first:?}:\n{}", told.join("\n"));
            rest = after;
        }
    }

    /// Answers to the lines of one batch, or to a single question.
    async fn answer(&mut self, group: &[&str]) -> Vec<String> {
        let lines: Vec<Line> = group.iter().map(|line| Line::parse(line)).collect();
        if let [line] = &lines[..]
            && let Some(answer) = self.read(line).await
        {
            return vec![answer];
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

    /// The answer to a question, or to a step in time; `None` where the line is an operation.
    async fn read(&mut self, line: &Line<'_>) -> Option<String> {
        let Script { case, labels, .. } = self;
        let (ledger, account) = (case.ledger.clone(), case.account.clone());
        let join = |items: Vec<String>| {
            if items.is_empty() { "none".to_owned() } else { items.join(", ") }
        };
        Some(match (line.verb(), line.word_or(1, "")) {
            ("later", span) => {
                case.clock.advance(span_ms(span));
                String::new()
            }
            ("at", span) => {
                case.clock.advance(CASE_START_MS + span_ms(span) - case.clock.now_ms());
                String::new()
            }
            ("show", "wallet") => {
                let wallets = ledger.reads.wallets(&account).await.unwrap();
                wallets
                    .iter()
                    .find(|view| view.id.as_str() == line.word(2))
                    .map_or_else(|| "none".into(), render::wallet)
            }
            ("show", "campaign") => {
                let found =
                    ledger.reads.campaign(&account, &line.word(2).parse().unwrap()).await.unwrap();
                found.as_ref().map_or_else(|| "none".into(), render::campaign)
            }
            ("show", "hold") => {
                let found = ledger.reads.hold(&account, labels[line.word(2)]).await.unwrap();
                found.as_ref().map_or_else(|| "none".into(), |view| render::hold(view, labels))
            }
            ("show", "holds") => {
                let holds =
                    all(100, async |page| ledger.reads.holds(&account, None, &page).await.unwrap())
                        .await;
                join(holds.iter().map(|view| render::hold(view, labels)).collect())
            }
            ("show", "window") => ledger
                .reads
                .window_used(&account, &line.word(2).parse().unwrap())
                .await
                .unwrap()
                .to_string(),
            ("show", "usage") => {
                let rows = ledger.reads.usage(&account, i32::MIN, i32::MAX).await.unwrap();
                join(rows.iter().map(render::usage).collect())
            }
            ("show", "entries") => {
                let wallet = line.word(2).parse().unwrap();
                let read = async |page| {
                    ledger
                        .reads
                        .entries(&account, &wallet, i64::MIN, i64::MAX, &page)
                        .await
                        .unwrap()
                };
                join(
                    all(100, read).await.iter().map(|entry| render::entry(entry, labels)).collect(),
                )
            }
            ("show", "events") => {
                let events =
                    all(100, async |page| ledger.reads.events(&account, &page).await.unwrap())
                        .await;
                let new: Vec<String> = events
                    .iter()
                    .skip(self.events_told)
                    .map(|event| render::event(event, labels))
                    .collect();
                self.events_told = events.len();
                join(new)
            }
            _ => return None,
        })
    }
}
