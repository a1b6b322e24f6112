//! What is past ends: each kind after its days, a little with each sweep.

use tollgate::ledger::{Operation, PageRequest, Verdict};

use crate::support::ledger_script::{Labels, Line, check, operations::operation};
use crate::support::{DAY, LedgerCase, on_every_ledger};

on_every_ledger!(
    usage_ends_after_its_days,
    a_sweep_gets_on_by_some_days,
    days_a_year_apart_do_not_share_a_place,
    events_end_after_their_days,
    many_events_of_one_day_end_in_steps,
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

/// Sweeps once, with events kept for a day; returns whether there is more.
async fn sweep_events(case: &mut LedgerCase) -> bool {
    let line = Line::parse("sweep open=38s doubt=1d events=1");
    let sweep = operation(&line, case.clock.now_ms(), &Labels::new());
    match case.apply(vec![sweep]).await.unwrap()[..] {
        [Verdict::Swept { marked: 0, resolved: 0, more }] => more,
        ref other => panic!("{other:?}"),
    }
}

async fn first_event(case: &LedgerCase) -> Option<u64> {
    let page = PageRequest { cursor: None, limit: 1 };
    let page = case.ledger.reads.events(&case.account, &page).await.unwrap();
    page.items.first().map(|event| event.sequence)
}

async fn many_events_of_one_day_end_in_steps(mut case: LedgerCase) {
    let lines = |lines: &[&str], now_ms| -> Vec<Operation> {
        lines.iter().map(|line| operation(&Line::parse(line), now_ms, &Labels::new())).collect()
    };
    case.apply(lines(&["create holi"], case.clock.now_ms())).await.unwrap();
    for _ in 0..1_500 / 60 {
        let both = ["stop holi operator", "restart holi"].repeat(30);
        case.apply(lines(&both, case.clock.now_ms())).await.unwrap();
    }
    case.clock.advance(2 * DAY);
    assert!(sweep_events(&mut case).await);
    assert_eq!(first_event(&case).await, Some(1_024));
    assert!(!sweep_events(&mut case).await);
    assert_eq!(first_event(&case).await, None);
    case.apply(lines(&["stop holi operator"], case.clock.now_ms())).await.unwrap();
    case.reopen().await;
    assert_eq!(first_event(&case).await, Some(1_501));
}
