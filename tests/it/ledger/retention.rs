//! What is past ends: each kind after its days, a little with each sweep.

use tollgate::ledger::{Operation, PageRequest, Verdict};

use crate::support::ledger_script::operations::{self, operation};
use crate::support::ledger_script::{Labels, Line, check};
use crate::support::{DAY, LedgerCase, all, day, on_every_ledger};

on_every_ledger!(
    usage_ends_after_its_days,
    a_sweep_gets_on_by_some_days,
    days_a_year_apart_do_not_share_a_place,
    events_end_after_their_days,
    many_events_of_one_day_end_in_steps,
    a_campaign_that_nobody_uses_is_unknown_again,
    whatever_is_done_with_a_campaign_keeps_it,
    a_campaign_with_held_credits_stays,
    a_deduplicating_campaign_is_finished_first,
    a_finished_campaign_ends_however_many_recipients_it_has,
    many_campaigns_end_in_steps,
    a_reference_is_known_for_its_days,
    many_references_end_in_steps,
);

async fn usage_ends_after_its_days(case: LedgerCase) {
    let script = "
        wallet main limit=9.00           -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a                           -> held 1.00 left 8.00
        settle a                         -> settled 1.00
        at 1d
        send b                           -> held 1.00 left 7.00
        settle b                         -> settled 1.00
        at 20d
        sweep open=38s doubt=1d usage=20 -> swept marked 0 resolved 0
        show usage                  -> day 0 100 IN marketing 1 1.00, day 1 100 IN marketing 1 1.00
        at 21d
        sweep open=38s doubt=1d usage=20 -> swept marked 0 resolved 0
        show usage                       -> day 1 100 IN marketing 1 1.00
        # What ended does not come back if more is to be kept.
        sweep open=38s doubt=1d usage=90 -> swept marked 0 resolved 0
        show usage                       -> day 1 100 IN marketing 1 1.00
    ";
    check(case, script).await;
}

async fn a_sweep_gets_on_by_some_days(case: LedgerCase) {
    let script = "
        wallet main limit=9.00           -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a                           -> held 1.00 left 8.00
        settle a                         -> settled 1.00
        at 40d
        send b                           -> held 1.00 left 7.00
        settle b                         -> settled 1.00
        at 44d
        sweep open=38s doubt=1d usage=1  -> swept marked 0 resolved 0 more
        show usage                       -> day 40 100 IN marketing 1 1.00
        sweep open=38s doubt=1d usage=1  -> swept marked 0 resolved 0 more
        show usage                       -> day 40 100 IN marketing 1 1.00
        sweep open=38s doubt=1d usage=1  -> swept marked 0 resolved 0
        show usage                       -> none
    ";
    check(case, script).await;
}

async fn days_a_year_apart_do_not_share_a_place(case: LedgerCase) {
    let script = "
        wallet main limit=9.00           -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a                           -> held 1.00 left 8.00
        settle a                         -> settled 1.00
        at 64d
        send b                           -> held 1.00 left 7.00
        settle b                         -> settled 1.00
        at 256d
        send c                           -> held 1.00 left 6.00
        settle c                         -> settled 1.00
        sweep open=38s doubt=1d usage=200 -> swept marked 0 resolved 0 more
        sweep open=38s doubt=1d usage=200 -> swept marked 0 resolved 0 more
        sweep open=38s doubt=1d usage=200 -> swept marked 0 resolved 0 more
        sweep open=38s doubt=1d usage=200 -> swept marked 0 resolved 0
        show usage \
            -> day 64 100 IN marketing 1 1.00, day 256 100 IN marketing 1 1.00
    ";
    check(case, script).await;
}

async fn events_end_after_their_days(case: LedgerCase) {
    let script = "
        create holi                        -> active
        stop holi operator                 -> stopped operator since 0s
        at 1d
        restart holi                       -> active
        at 10d
        stop holi quality_red              -> stopped quality_red since 864000s
        at 21d
        sweep open=38s doubt=1d events=20  -> swept marked 0 resolved 0
        show events             -> campaign_restarted holi, campaign_stopped holi quality_red
    ";
    check(case, script).await;
}

/// Sweeps once, with one kind kept for a day; returns whether there is more.
async fn sweep(case: &mut LedgerCase, kind: &str) -> bool {
    let line = format!("sweep open=38s doubt=1d {kind}=1");
    match case.apply(lines(&[&line], case.clock.now_ms())).await.unwrap()[..] {
        [Verdict::Swept { marked: 0, resolved: 0, more }] => more,
        ref other => panic!("{other:?}"),
    }
}

async fn first_event(case: &LedgerCase) -> Option<u64> {
    let page = PageRequest { cursor: None, limit: 1 };
    let page = case.ledger.reads.events(&case.account, &page).await.unwrap();
    page.items.first().map(|event| event.sequence)
}

fn lines(lines: &[&str], now_ms: i64) -> Vec<Operation> {
    lines.iter().map(|line| operation(&Line::parse(line), now_ms, &Labels::new())).collect()
}

async fn many_events_of_one_day_end_in_steps(mut case: LedgerCase) {
    case.apply(lines(&["create holi"], case.clock.now_ms())).await.unwrap();
    for _ in 0..1_500 / 60 {
        let both = ["stop holi operator", "restart holi"].repeat(30);
        case.apply(lines(&both, case.clock.now_ms())).await.unwrap();
    }
    case.clock.advance(2 * DAY);
    assert!(sweep(&mut case, "events").await);
    assert_eq!(first_event(&case).await, Some(1_024));
    assert!(!sweep(&mut case, "events").await);
    assert_eq!(first_event(&case).await, None);
    case.apply(lines(&["stop holi operator"], case.clock.now_ms())).await.unwrap();
    case.reopen().await;
    assert_eq!(first_event(&case).await, Some(1_501));
}

async fn a_campaign_that_nobody_uses_is_unknown_again(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                  -> settled 0.00 held 0.00 available 9.00 limit 9.00
        create diwali wallet=main budget=2.00   -> active of main budget 2.00
        create holi                             -> active
        send a campaign=diwali                  -> held 1.00 left 8.00
        settle a                                -> settled 1.00
        at 10d
        send b campaign=holi to=r2              -> held 1.00 left 7.00
        settle b                                -> settled 1.00
        at 20d
        sweep open=38s doubt=1d campaigns=20    -> swept marked 0 resolved 0
        show campaign diwali \
            -> active of main budget 2.00 spent 1.00 accepted 1 used IN marketing 1 1.00
        at 21d
        sweep open=38s doubt=1d campaigns=20    -> swept marked 0 resolved 0
        show campaign diwali                    -> none
        show campaign holi          -> active of main spent 1.00 accepted 1 used IN marketing 1 1.00
        stop diwali operator                    -> campaign unknown
        send c known-campaign=diwali            -> campaign_unknown
        # It begins anew, without a budget.
        send d campaign=diwali                  -> held 1.00 left 6.00
        show campaign diwali                    -> active of main held 1.00
        settle d                                -> settled 1.00
        show campaign diwali        -> active of main spent 1.00 accepted 1 used IN marketing 1 1.00
        at 41d
        sweep open=38s doubt=1d campaigns=20    -> swept marked 0 resolved 0 more
        sweep open=38s doubt=1d campaigns=20    -> swept marked 0 resolved 0
        show campaign holi                      -> none
        show campaign diwali        -> active of main spent 1.00 accepted 1 used IN marketing 1 1.00
    ";
    check(case, script).await;
}

async fn whatever_is_done_with_a_campaign_keeps_it(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                -> settled 0.00 held 0.00 available 9.00 limit 9.00
        create refused wallet=main            -> active of main
        create counted                        -> active
        create stopped                        -> active
        create restarted                      -> active
        create finished                       -> active
        create nothing                        -> active
        stop refused operator                 -> stopped operator since 0s of main
        stop restarted operator               -> stopped operator since 0s
        at 10d
        send a campaign=refused               -> campaign_stopped operator since 0s
        count counted campaign_stopped 2      -> counted
        stop stopped operator                 -> stopped operator since 864000s
        restart restarted                     -> active
        finish finished                       -> finished since 864000s
        # Asking changes nothing.
        restart nothing                       -> active
        at 21d
        sweep open=38s doubt=1d campaigns=20  -> swept marked 0 resolved 0
        show campaign refused      -> stopped operator since 0s of main rejected campaign_stopped 1
        show campaign counted                 -> active rejected campaign_stopped 2
        show campaign stopped                 -> stopped operator since 864000s
        show campaign restarted               -> active
        show campaign finished                -> finished since 864000s
        show campaign nothing                 -> none
        at 31d
        sweep open=38s doubt=1d campaigns=20  -> swept marked 0 resolved 0
        show campaign refused                 -> none
        show campaign finished                -> none
    ";
    check(case, script).await;
}

async fn a_campaign_with_held_credits_stays(case: LedgerCase) {
    let script = "
        wallet main limit=9.00               -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a campaign=holi                 -> held 1.00 left 8.00
        at 3d
        sweep open=9d doubt=9d campaigns=1   -> swept marked 0 resolved 0
        show campaign holi                   -> active of main held 1.00
        settle a                             -> settled 1.00
        show campaign holi          -> active of main spent 1.00 accepted 1 used IN marketing 1 1.00
        at 5d
        sweep open=9d doubt=9d campaigns=1   -> swept marked 0 resolved 0
        show campaign holi                   -> none
    ";
    check(case, script).await;
}

async fn a_deduplicating_campaign_is_finished_first(case: LedgerCase) {
    let script = "
        wallet main limit=9.00               -> settled 0.00 held 0.00 available 9.00 limit 9.00
        create holi dedupe                   -> active dedupe
        send a campaign=holi                 -> held 1.00 left 8.00
        settle a                             -> settled 1.00
        at 21d
        sweep open=38s doubt=1d campaigns=20 -> swept marked 0 resolved 0 more
        sweep open=38s doubt=1d campaigns=20 -> swept marked 0 resolved 0
        send b campaign=holi                 -> campaign_stopped finished since 1814400s
        # Its recipients are kept for 30 days, whatever is set.
        at 42d
        sweep open=38s doubt=1d campaigns=20 -> swept marked 0 resolved 0 more
        sweep open=38s doubt=1d campaigns=20 -> swept marked 0 resolved 0
        send c campaign=holi                 -> campaign_stopped finished since 1814400s
        at 63d
        sweep open=38s doubt=1d campaigns=20 -> swept marked 0 resolved 0 more
        sweep open=38s doubt=1d campaigns=20 -> swept marked 0 resolved 0 more
        sweep open=38s doubt=1d campaigns=20 -> swept marked 0 resolved 0
        show campaign holi                   -> none
        create holi dedupe                   -> active dedupe
        send d campaign=holi                 -> held 1.00 left 7.00
        send e campaign=holi                 -> already_sent
    ";
    check(case, script).await;
}

async fn a_finished_campaign_ends_however_many_recipients_it_has(mut case: LedgerCase) {
    let now_ms = case.clock.now_ms();
    case.apply(lines(&["wallet main limit=9999.00", "create holi dedupe"], now_ms)).await.unwrap();
    for some in 0..1_500 / 25 {
        let sends = (0..25).flat_map(|number| {
            let line = format!("send {some}-{number} campaign=holi to={some}-{number}");
            let send = operations::send(&Line::parse(&line), now_ms, 1);
            let settle = Operation::Settle { hold: send.hold, message_id: None, day: day(now_ms) };
            [Operation::Reserve(Box::new(send)), settle]
        });
        case.apply(sends.collect()).await.unwrap();
    }
    case.apply(lines(&["finish holi"], now_ms)).await.unwrap();
    case.clock.advance(31 * DAY);
    let mut sweeps = 1;
    while sweep(&mut case, "campaigns").await {
        sweeps += 1;
        assert!(sweeps < 12, "it is still there after {sweeps} sweeps");
    }
    let page = PageRequest { cursor: None, limit: 1 };
    let left = case.ledger.reads.campaigns(&case.account, &page).await.unwrap();
    assert_eq!(left.items, []);
}

async fn many_campaigns_end_in_steps(mut case: LedgerCase) {
    let ids: Vec<String> = (0..150).map(|number| format!("create c{number:03}")).collect();
    for some in ids.chunks(50) {
        let some: Vec<&str> = some.iter().map(String::as_str).collect();
        case.apply(lines(&some, case.clock.now_ms())).await.unwrap();
    }
    case.clock.advance(3 * DAY);
    let mut left = Vec::new();
    while sweep(&mut case, "campaigns").await {
        let read = async |page| case.ledger.reads.campaigns(&case.account, &page).await.unwrap();
        left.push(all(40, read).await.len());
    }
    assert_eq!(left, [86, 22]);
    let read = async |page| case.ledger.reads.campaigns(&case.account, &page).await.unwrap();
    assert_eq!(all(40, read).await, []);
}

async fn a_reference_is_known_for_its_days(case: LedgerCase) {
    let script = "
        wallet main                           -> settled 0.00 held 0.00 available 0.00
        wallet other                          -> settled 0.00 held 0.00 available 0.00
        top-up main 1.00 pay|1                -> posted 1.00 balance 1.00
        at 1d
        adjust main 2.00 gift late            -> posted 2.00 balance 3.00
        top-up other 5.00 pay|1               -> posted 5.00 balance 5.00
        at 20d
        sweep open=38s doubt=1d references=20 -> swept marked 0 resolved 0
        top-up main 1.00 pay|1                -> posted before 1.00 balance 1.00
        at 21d
        sweep open=38s doubt=1d references=20 -> swept marked 0 resolved 0
        adjust main 2.00 gift late            -> posted before 2.00 balance 3.00
        top-up other 5.00 pay|1               -> posted before 5.00 balance 5.00
        # It is another payment now, and stays known for as long.
        top-up main 7.00 pay|1                -> posted 7.00 balance 10.00
        at 41d
        sweep open=38s doubt=1d references=20 -> swept marked 0 resolved 0 more
        sweep open=38s doubt=1d references=20 -> swept marked 0 resolved 0
        top-up main 7.00 pay|1                -> posted before 7.00 balance 10.00
        adjust main 2.00 gift late            -> posted 2.00 balance 12.00
        top-up other 5.00 pay|1               -> posted 5.00 balance 10.00
    ";
    check(case, script).await;
}

async fn many_references_end_in_steps(mut case: LedgerCase) {
    case.apply(lines(&["wallet main"], case.clock.now_ms())).await.unwrap();
    let all: Vec<String> = (0..150).map(|number| format!("top-up main 1.00 p{number}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for some in all.chunks(50) {
        case.apply(lines(some, case.clock.now_ms())).await.unwrap();
    }
    case.clock.advance(3 * DAY);
    for known in [64, 128] {
        assert!(sweep(&mut case, "references").await);
        let asked = [all[known], all[known - 1]];
        let verdicts = case.apply(lines(&asked, case.clock.now_ms())).await.unwrap();
        let repeated: Vec<_> = verdicts
            .iter()
            .map(|verdict| matches!(verdict, Verdict::Posted { repeated: true, .. }))
            .collect();
        assert_eq!(repeated, [true, false], "the oldest go first");
    }
    assert!(!sweep(&mut case, "references").await);
}
