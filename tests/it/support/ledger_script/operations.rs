//! Operations from the lines of a script, with defaults for what a line leaves out.

use std::sync::Arc;

use tollgate::amount::Amount;
use tollgate::ids::HoldId;
use tollgate::ledger::{
    AllowanceRule, Answer, CampaignPlan, CampaignUse, CapRule, DocumentKind, DoubtReason,
    InDoubtPolicies, InDoubtPolicy, Operation, ReleaseReason, Reserve, Retention, StopReason,
    WindowRule,
};
use tollgate::pricing::{Category, Country};
use tollgate::rejection::RejectionKind;

use super::parser::{Labels, Line, span_ms};
use crate::support::time::{SECOND, day, month};

pub fn amount(text: &str) -> Amount {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Bytes for a word: its letters, filled up with dots.
fn bytes<const N: usize>(word: &str) -> [u8; N] {
    assert!(word.len() <= N, "{word:?} is longer than {N} letters");
    let mut bytes = [b'.'; N];
    bytes[..word.len()].copy_from_slice(word.as_bytes());
    bytes
}

fn category(text: &str) -> Category {
    text.parse().unwrap()
}

fn caps(text: &str) -> Arc<[CapRule]> {
    let rule = |rule: &str| {
        let [categories, max, window] = rule.split(':').collect::<Vec<_>>()[..] else {
            panic!("{rule:?} is not categories:max:span")
        };
        let categories =
            categories.split('+').fold(0, |bits, name| bits | 1 << category(name).index());
        CapRule {
            categories,
            max: max.parse().unwrap(),
            window_s: u32::try_from(span_ms(window) / SECOND).unwrap(),
        }
    };
    text.split(',').map(rule).collect()
}

/// The reserve of `send LABEL`. Options left out make it a marketing message to India from channel
/// 100 to the recipient `r1`, at 1.00 from the wallet `main`, with a body and a hold of its own, at
/// the settings version given.
///
/// `wallet=`, `external`, `campaign=` (created if new), `known-campaign=`, `channel=`, `country=`,
/// `category=`, `price=`, `free=LIMIT` (that many are free this month), `to=`, `spelled=`,
/// `limit=RECIPIENTS` (of portfolio `p1`, or `portfolio=`), `caps=categories:max:span,...`,
/// `body=`, `key=`, `version=`, `valid=SPAN` (the price is valid that long), `clock=SPAN`,
/// `guarding` (its body, from the beginning), `observe` (no limit refuses).
pub fn send(line: &Line, now_ms: i64, settings_version: u64) -> Reserve {
    let label = line.word(1);
    let gateway_ms = now_ms + line.value("clock").map_or(0, span_ms);
    let campaign = |name: &str, auto_create| {
        line.value(name).map(|id| CampaignUse { id: id.parse().unwrap(), auto_create })
    };
    let external = line.has("external");
    Reserve {
        hold: HoldId::new(gateway_ms),
        settings_version: line
            .value("version")
            .map_or(settings_version, |version| version.parse().unwrap()),
        price_valid_until_ms: line.value("valid").map_or(i64::MAX, |span| now_ms + span_ms(span)),
        wallet: (!external).then(|| line.value("wallet").unwrap_or("main").parse().unwrap()),
        campaign: campaign("campaign", true).or_else(|| campaign("known-campaign", false)),
        channel: line.value("channel").unwrap_or("100").parse().unwrap(),
        country: line.value("country").unwrap_or("IN").parse::<Country>().unwrap(),
        category: line.value("category").map_or(Category::Marketing, category),
        amount: amount(line.value("price").unwrap_or(if external { "0.00" } else { "1.00" })),
        allowance: line
            .value("free")
            .map(|limit| AllowanceRule { limit: limit.parse().unwrap(), month: month(gateway_ms) }),
        recipient: bytes(line.value("to").unwrap_or("r1")),
        spelled: line.value("spelled").map(bytes),
        window: line.value("limit").map(|limit| WindowRule {
            portfolio: line.value("portfolio").unwrap_or("p1").parse().unwrap(),
            limit: limit.parse().unwrap(),
        }),
        caps: line.value("caps").map_or_else(|| Arc::from([]), caps),
        fingerprint: bytes(line.value("body").unwrap_or(label)),
        key: line.value("key").map(bytes),
        guarding: line.has("guarding"),
        observe: line.has("observe"),
        abandoned_replay_s: 86_400,
    }
}

/// Any operation but a send.
pub fn operation(line: &Line, now_ms: i64, labels: &Labels) -> Operation {
    let gateway_ms = now_ms + line.value("clock").map_or(0, span_ms);
    // A label that no line has given is a hold that never was.
    let hold =
        || labels.get(line.word(1)).copied().unwrap_or_else(|| HoldId::from_bytes([0xee; 16]));
    let wallet = || line.word(1).parse().unwrap();
    match line.verb() {
        "settle" => Operation::Settle {
            hold: hold(),
            message_id: (!line.has("without-id"))
                .then(|| Arc::from(line.value("id").unwrap_or("wamid.1"))),
            day: day(gateway_ms),
        },
        "release" => Operation::Release { hold: hold(), reason: release_reason(line) },
        "doubt" => Operation::MarkInDoubt {
            hold: hold(),
            reason: doubt_reason(line.word_or(2, "deadline")),
        },
        "abandon" => Operation::Abandon { hold: hold() },
        "top-up" => Operation::TopUp {
            wallet: wallet(),
            amount: amount(line.word(2)),
            reference: line.word(3).into(),
        },
        "adjust" => Operation::Adjust {
            wallet: wallet(),
            amount: amount(line.word(2)),
            reference: line.word(3).into(),
            reason: line.word_or(4, "").into(),
        },
        "wallet" => Operation::PutWallet {
            wallet: wallet(),
            overdraft_limit: line.value("limit").map(amount),
            low_balance_thresholds: line
                .value("low")
                .map(|list| list.split(',').filter(|text| !text.is_empty()).map(amount).collect()),
        },
        "document" => {
            let (kind, id) = document(line.word(1));
            Operation::PutDocument {
                kind,
                id,
                body: line.word(2).into(),
                only_if_absent: line.has("if-absent"),
                replaces: line.value("replaces").map(Arc::from),
            }
        }
        "delete" => {
            let (kind, id) = document(line.word(1));
            let replaces = line.value("replaces").map(Arc::from);
            Operation::DeleteDocument { kind, id, replaces }
        }
        "unheard" | "hear" => answer(line, hold()),
        "alias" => {
            Operation::LearnAlias { recipients: line.word(1).split('~').map(bytes).collect() }
        }
        "sweep" => Operation::Sweep {
            open_age_ms: span_ms(line.value("open").unwrap()),
            in_doubt_age_ms: span_ms(line.value("doubt").unwrap()),
            policies: policies(line),
            retention: retention(line),
            day: day(gateway_ms),
        },
        _ => campaign_operation(line),
    }
}

/// An answer that nobody heard, or that was heard, to the body named or of the label's own name.
fn answer(line: &Line, hold: HoldId) -> Operation {
    let fingerprint = bytes(line.word_or(2, line.word(1)));
    if line.verb() == "hear" {
        return Operation::Hear { hold, fingerprint };
    }
    let amount = amount(line.value("price").unwrap_or("1.00"));
    let message_id = Arc::from(line.value("id").unwrap_or("wamid.1"));
    Operation::KeepUnheard(Box::new(Answer { hold, fingerprint, amount, message_id }))
}

fn campaign_operation(line: &Line) -> Operation {
    let campaign = || line.word(1).parse().unwrap();
    match line.verb() {
        "create" => Operation::CreateCampaign(Box::new(CampaignPlan {
            id: campaign(),
            name: line.value("name").unwrap_or("").into(),
            wallet: line.value("wallet").map(|id| id.parse().unwrap()),
            budget: line.value("budget").map(amount),
            dedupe_recipients: line.has("dedupe"),
            exempt_from_caps: line.has("exempt"),
        })),
        "stop" => {
            Operation::StopCampaign { campaign: campaign(), reason: stop_reason(line.word(2)) }
        }
        "restart" => Operation::RestartCampaign { campaign: campaign() },
        "finish" => Operation::FinishCampaign { campaign: campaign() },
        "count" => {
            let rejection = RejectionKind::from_name(line.word(2)).unwrap();
            Operation::CountRejections {
                campaign: campaign(),
                rejection,
                count: line.word(3).parse().unwrap(),
            }
        }
        verb => panic!("{verb:?} is no operation"),
    }
}

/// `release`: all are released; `release=gave_up,deadline`: those of these reasons.
fn policies(line: &Line) -> InDoubtPolicies {
    let all = if line.has("release") { InDoubtPolicy::Release } else { InDoubtPolicy::Charge };
    let named = line.value("release").into_iter().flat_map(|list| list.split(','));
    named.fold(InDoubtPolicies::always(all), |policies, name| {
        policies.with(doubt_reason(name), InDoubtPolicy::Release)
    })
}

/// `usage=20`: that many days; what is not named is kept.
fn retention(line: &Line) -> Retention {
    let days = |name| line.value(name).map_or(Retention::MAX_DAYS, |days| days.parse().unwrap());
    Retention {
        usage_days: days("usage"),
        events_days: days("events"),
        campaign_days: days("campaigns"),
        reference_days: days("references"),
    }
}

fn doubt_reason(name: &str) -> DoubtReason {
    DoubtReason::ALL.into_iter().find(|reason| reason.as_str() == name).unwrap()
}

fn document(name: &str) -> (DocumentKind, Arc<str>) {
    let (kind, id) = name.split_once('/').unwrap();
    (DocumentKind::from_name(kind).unwrap(), id.into())
}

fn release_reason(line: &Line) -> ReleaseReason {
    match line.word_or(2, "not-sent") {
        "not-sent" => ReleaseReason::NotSent,
        "operator" => ReleaseReason::Operator,
        code => ReleaseReason::Refused(code.strip_prefix("refused=").unwrap().parse().unwrap()),
    }
}

fn stop_reason(name: &str) -> StopReason {
    StopReason::ALL.into_iter().find(|reason| reason.as_str() == name).unwrap()
}
