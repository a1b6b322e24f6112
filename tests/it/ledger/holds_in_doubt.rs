//! Holds whose outcome nobody knows: found by age, ended by evidence or by policy, never by age
//! alone.

use tollgate::ids::HoldId;
use tollgate::ledger::{
    Batch, HoldState, InDoubtPolicies, InDoubtPolicy, Operation, Retention, Verdict,
};

use crate::support::ledger_script::{Labels, Line, check, operations, render};
use crate::support::{HOUR, LedgerCase, SECOND, all, day, on_every_ledger};

on_every_ledger!(
    old_open_holds_become_in_doubt_and_stay_held,
    the_deadline_charges,
    the_deadline_releases,
    evidence_ends_a_doubt,
    each_reason_has_its_policy,
    a_late_report_names_the_reason,
    a_sweep_takes_a_bounded_number,
    age_is_measured_by_the_ledgers_clock_not_the_gateways
);

async fn old_open_holds_become_in_doubt_and_stay_held(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a to=r1 limit=9 campaign=diwali   -> held 1.00 left 8.00
        later 38s
        send b to=r2 limit=9                   -> held 1.00 left 7.00
        sweep open=38001ms doubt=24h           -> swept marked 0 resolved 0
        sweep open=38s doubt=24h               -> swept marked 1 resolved 0
        sweep open=38s doubt=24h               -> swept marked 0 resolved 0
        show holds \
            -> a in doubt 1.00 100 IN marketing of main for diwali by unreported since 0s, \
               b open 1.00 100 IN marketing of main since 38s
        show wallet main                       -> settled 0.00 held 2.00 available 7.00 limit 9.00
        show campaign diwali                   -> active of main held 1.00 unknown 1
        show window p1                         -> 2
        show events                            -> hold_in_doubt main diwali a 1.00
        # It guards its body and knows its key, as one marked by hand.
        send c to=r1 body=a                    -> outcome_unknown a
        show usage                             -> none
    ";
    check(case, script).await;
}

async fn the_deadline_charges(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a to=r1 limit=9 key=k             -> held 1.00 left 8.00
        send b to=r2 limit=9                   -> held 1.00 left 7.00
        doubt a                                -> marked
        later 23h+59m+59s+999ms
        sweep open=100h doubt=24h              -> swept marked 0 resolved 0
        later 1ms
        # An open one is marked, not resolved.
        sweep open=100h doubt=24h              -> swept marked 0 resolved 1
        show entries main                      -> 1 charge a 100 IN marketing -1.00 balance -1.00
        show usage                             -> day 1 100 IN marketing 1 1.00
        show window p1                         -> 2
        settle a                               -> no hold
        release a                              -> no hold
        # Marked and past the deadline in one.
        sweep open=38s doubt=24h               -> swept marked 1 resolved 1
        show wallet main                       -> settled -2.00 held 0.00 available 7.00 limit 9.00
        show holds                             -> none
    ";
    check(case, script).await;
}

async fn the_deadline_releases(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                   -> settled 0.00 held 0.00 available 9.00 limit 9.00
        create diwali wallet=main dedupe                                    -> active of main dedupe
        send a to=r1 limit=1 key=k body=x caps=marketing:1:48h campaign=diwali \
            -> held 1.00 left 8.00
        doubt a                                                                      -> marked
        later 24h
        sweep open=38s doubt=24h release                                -> swept marked 0 resolved 1
        show wallet main                         -> settled 0.00 held 0.00 available 9.00 limit 9.00
        show window p1                                                               -> 0
        show usage                                                                   -> none
        send b to=r1 limit=1 key=k body=x caps=marketing:1:48h campaign=diwali \
            -> held 1.00 left 8.00
        show campaign diwali                            -> active of main dedupe held 1.00 unknown 1
    ";
    check(case, script).await;
}

async fn evidence_ends_a_doubt(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a                                 -> held 1.00 left 8.00
        send b                                 -> held 1.00 left 7.00
        doubt a                                -> marked
        & doubt b                              -> marked
        settle a                               -> settled 1.00
        release b operator                     -> released 1.00
        later 48h
        sweep open=38s doubt=24h               -> swept marked 0 resolved 0
        show wallet main                       -> settled -1.00 held 0.00 available 8.00 limit 9.00
        show events                          -> hold_in_doubt main a 1.00, hold_in_doubt main b 1.00
    ";
    check(case, script).await;
}

async fn each_reason_has_its_policy(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a to=r1 limit=9                   -> held 1.00 left 8.00
        send b to=r2 limit=9                   -> held 1.00 left 7.00
        later 1ms
        send c to=r3 limit=9                   -> held 1.00 left 6.00
        send d to=r4 limit=9                   -> held 1.00 left 5.00
        doubt a deadline                       -> marked
        doubt b server_error                   -> marked
        doubt c gave_up                        -> marked
        later 24h
        sweep open=38s doubt=24h release=server_error,unreported -> swept marked 1 resolved 4
        show entries main \
            -> 1 charge a 100 IN marketing -1.00 balance -1.00, \
               2 charge c 100 IN marketing -1.00 balance -2.00
        show wallet main                       -> settled -2.00 held 0.00 available 7.00 limit 9.00
    ";
    check(case, script).await;
}

async fn a_late_report_names_the_reason(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a to=r1 limit=9                   -> held 1.00 left 8.00
        later 38s
        sweep open=38s doubt=24h               -> swept marked 1 resolved 0
        show holds     -> a in doubt 1.00 100 IN marketing of main by unreported since 0s
        doubt a connection_lost                -> marked
        show holds     -> a in doubt 1.00 100 IN marketing of main by connection_lost since 0s
        # The first report stands.
        doubt a deadline                       -> marked
        doubt a unreported                     -> marked
        show holds     -> a in doubt 1.00 100 IN marketing of main by connection_lost since 0s
        show events                            -> hold_in_doubt main a 1.00
        # Whoever hangs up now changes nothing about the reason.
        abandon a                              -> marked
        show holds     -> a in doubt 1.00 100 IN marketing of main by connection_lost since 0s
    ";
    check(case, script).await;
}

async fn a_sweep_takes_a_bounded_number(mut case: LedgerCase) {
    let wallet = "wallet main limit=999.00";
    let (mut now_ms, no_labels) = (case.clock.now_ms(), Labels::new());
    case.apply(vec![operations::operation(&Line::parse(wallet), now_ms, &no_labels)])
        .await
        .unwrap();
    for round in 0..3 {
        let sends = (0..if round == 2 { 22 } else { 64 }).map(|send| {
            let line = format!("send {round}-{send}");
            Operation::Reserve(Box::new(operations::send(&Line::parse(&line), now_ms, 1)))
        });
        case.apply(sends.collect()).await.unwrap();
    }
    case.clock.advance(HOUR);
    now_ms += HOUR;
    let sweep = |in_doubt_age_ms| Operation::Sweep {
        open_age_ms: 38 * SECOND,
        in_doubt_age_ms,
        policies: InDoubtPolicies::always(InDoubtPolicy::Charge),
        retention: Retention::default(),
        day: day(now_ms),
    };
    let swept = |marked, resolved, more| Verdict::Swept { marked, resolved, more };
    // 150 holds, 64 at a time: two calls only put in doubt, the third 22 and has room to resolve
    // 42.
    assert_eq!(case.apply(vec![sweep(2 * HOUR)]).await.unwrap(), [swept(64, 0, true)]);
    assert_eq!(case.apply(vec![sweep(HOUR)]).await.unwrap(), [swept(64, 0, true)]);
    assert_eq!(case.apply(vec![sweep(HOUR)]).await.unwrap(), [swept(22, 42, true)]);
    assert_eq!(
        case.apply(vec![sweep(HOUR), sweep(HOUR)]).await.unwrap(),
        [swept(0, 64, true), swept(0, 44, false)]
    );
    let holds =
        all(7, async |page| case.ledger.reads.holds(&case.account, None, &page).await.unwrap())
            .await;
    assert!(holds.is_empty(), "{holds:?}");
    let late = Operation::Settle { hold: HoldId::new(now_ms), message_id: None, day: day(now_ms) };
    assert_eq!(case.apply(vec![late]).await.unwrap(), [Verdict::NoHold]);
    let wallets = case.ledger.reads.wallets(&case.account).await.unwrap();
    assert_eq!(
        render::wallet(&wallets[0]),
        "settled -150.00 held 0.00 available 849.00 limit 999.00"
    );
    let in_doubt = case.ledger.reads.holds(
        &case.account,
        Some(HoldState::InDoubt),
        &tollgate::ledger::PageRequest { cursor: None, limit: 1 },
    );
    assert_eq!(in_doubt.await.unwrap().items, []);
}

async fn age_is_measured_by_the_ledgers_clock_not_the_gateways(mut case: LedgerCase) {
    let wallet = operations::operation(
        &Line::parse("wallet main limit=9.00"),
        case.clock.now_ms(),
        &Labels::new(),
    );
    case.apply(vec![wallet]).await.unwrap();
    // By id the youngest hold comes first and an old one last.
    reserve_with_clock_off_by(&mut case, "straight", 0).await;
    reserve_with_clock_off_by(&mut case, "ahead", 60 * SECOND).await;
    case.clock.advance(30 * SECOND);
    reserve_with_clock_off_by(&mut case, "behind", -60 * SECOND).await;
    case.clock.advance(8 * SECOND - 1);
    assert_eq!(sweep(&mut case).await, (0, 0));
    case.clock.advance(1);
    assert_eq!(sweep(&mut case).await, (2, 0));
    case.clock.advance(30 * SECOND - 1);
    assert_eq!(sweep(&mut case).await, (0, 0));
    case.clock.advance(1);
    assert_eq!(sweep(&mut case).await, (1, 0));
    case.clock.advance(24 * HOUR - 68 * SECOND - 1);
    assert_eq!(sweep(&mut case).await, (0, 0));
    case.clock.advance(1);
    assert_eq!(sweep(&mut case).await, (0, 2));
    case.clock.advance(30 * SECOND - 1);
    assert_eq!(sweep(&mut case).await, (0, 0));
    case.clock.advance(1);
    assert_eq!(sweep(&mut case).await, (0, 1));
}

/// A send of a gateway whose clock, and so the hold's id, is that far off.
async fn reserve_with_clock_off_by(case: &mut LedgerCase, label: &str, skew_ms: i64) {
    let gateway_ms = case.clock.now_ms() + skew_ms;
    let line = format!("send {label} to={label}");
    let send = Operation::Reserve(Box::new(operations::send(&Line::parse(&line), gateway_ms, 1)));
    let batch = Batch { clock_ms: gateway_ms, ..case.batch(vec![send]) };
    let verdicts = case.ledger.ledger.apply(&case.account, &batch).await.unwrap();
    assert!(matches!(verdicts[..], [Verdict::Reserved { .. }]), "{verdicts:?}");
}

/// How many holds became in doubt and how many were resolved, after 38 seconds and a day.
async fn sweep(case: &mut LedgerCase) -> (u32, u32) {
    let day = day(case.clock.now_ms());
    let sweep = Operation::Sweep {
        open_age_ms: 38 * SECOND,
        in_doubt_age_ms: 24 * HOUR,
        policies: InDoubtPolicies::always(InDoubtPolicy::Charge),
        retention: Retention::default(),
        day,
    };
    match case.apply(vec![sweep]).await.unwrap()[..] {
        [Verdict::Swept { marked, resolved, more: false }] => (marked, resolved),
        ref other => panic!("{other:?}"),
    }
}
