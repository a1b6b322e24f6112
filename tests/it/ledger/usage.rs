//! What was used: booked on the right day, by channel, country and category; and the free messages
//! of a month.
use tollgate::ledger::Operation;

use crate::support::ledger_script::{Labels, Line, check, operations};
use crate::support::{Backend, DAY, LedgerCase, day, on_every_ledger};

on_every_ledger!(
    usage_is_booked_when_it_is_settled,
    a_clock_that_is_off_books_nothing_on_the_wrong_day,
    the_first_messages_of_a_month_are_free,
    a_released_message_is_free_for_another,
    a_new_month_has_free_messages_again,
    a_clock_that_is_off_takes_nothing_from_the_wrong_month,
    many_channels_of_one_batch_have_a_row_each
);

/// The case begins at 08:00 UTC; its day ends 16 hours later.
async fn usage_is_booked_when_it_is_settled(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                   -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a                                              -> held 1.00 left 8.00
        send b channel=200 country=DE category=utility      -> held 1.00 left 7.00
        send c channel=200 external                         -> held 0.00
        send d                                              -> held 1.00 left 6.00
        show usage                                          -> none
        settle a                                            -> settled 1.00
        settle c                                            -> settled 0.00
        at 15h+59m+59s+999ms
        settle b                                            -> settled 1.00
        at 16h
        settle d                                            -> settled 1.00
        send e                                              -> held 1.00 left 5.00
        release e                                           -> released 1.00
        show usage \
            -> day 0 100 IN marketing 1 1.00, day 0 200 DE utility 1 1.00, day 0 200 IN marketing \
               1 0.00, day 1 100 IN marketing 1 1.00
    ";
    check(case, script).await;
}

async fn a_clock_that_is_off_books_nothing_on_the_wrong_day(case: LedgerCase) {
    let script = "
        wallet main limit=9.00            -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a                            -> held 1.00 left 8.00
        send b                            -> held 1.00 left 7.00
        send c                            -> held 1.00 left 6.00
        send d                            -> held 1.00 left 5.00
        at 15h+59m+59s+999ms
        # This gateway has tomorrow already.
        settle a clock=30s                -> settled 1.00
        settle b clock=-30s               -> settled 1.00
        at 16h
        # This gateway has still yesterday.
        settle c clock=-1ms               -> settled 1.00
        settle d clock=1s                 -> settled 1.00
        show usage                   -> day 0 100 IN marketing 2 2.00, day 1 100 IN marketing 2 2.00
    ";
    check(case, script).await;
}

async fn the_first_messages_of_a_month_are_free(case: LedgerCase) {
    let script = "
        wallet main                                         -> settled 0.00 held 0.00 available 0.00
        send a category=service free=2                           -> held 0.00 left 0.00
        send b category=service free=2                           -> held 0.00 left 0.00
        send c category=service free=2                   -> insufficient_balance needs 1.00 has 0.00
        send d category=service free=2 channel=200               -> held 0.00 left 0.00
        top-up main 1.00 p                                       -> posted 1.00 balance 1.00
        send e category=service free=2 campaign=diwali           -> held 1.00 left 0.00
        settle a                                                 -> settled 0.00
        settle e                                                 -> settled 1.00
        # A raised allowance counts what was taken before.
        send f category=service free=3                           -> held 0.00 left 0.00
        send g category=service free=3                   -> insufficient_balance needs 1.00 has 0.00
        show usage                                               -> day 0 100 IN service 2 1.00
        show campaign diwali          -> active of main spent 1.00 accepted 1 used IN service 1 1.00
    ";
    check(case, script).await;
}

async fn a_released_message_is_free_for_another(case: LedgerCase) {
    let script = "
        wallet main                                         -> settled 0.00 held 0.00 available 0.00
        send a category=service free=1                           -> held 0.00 left 0.00
        send b category=service free=1                   -> insufficient_balance needs 1.00 has 0.00
        release a                                                -> released 0.00
        send c category=service free=1                           -> held 0.00 left 0.00
        settle c                                                 -> settled 0.00
        send d category=service free=1                   -> insufficient_balance needs 1.00 has 0.00
        # A paid one gives nothing back.
        top-up main 5.00 p                                       -> posted 5.00 balance 5.00
        send e category=service free=1                           -> held 1.00 left 4.00
        release e                                                -> released 1.00
        send f category=service free=1                           -> held 1.00 left 4.00
    ";
    check(case, script).await;
}

/// October ends 16 days and 16 hours after the case begins.
async fn a_new_month_has_free_messages_again(case: LedgerCase) {
    let script = "
        wallet main                                         -> settled 0.00 held 0.00 available 0.00
        send a category=service free=2                           -> held 0.00 left 0.00
        send b category=service free=2                           -> held 0.00 left 0.00
        at 16d+15h+59m+59s+999ms
        send c category=service free=2                   -> insufficient_balance needs 1.00 has 0.00
        at 16d+16h
        send d category=service free=2                           -> held 0.00 left 0.00
        # A free message of last month is none of this month.
        release a                                                -> released 0.00
        send e category=service free=2                           -> held 0.00 left 0.00
        send f category=service free=2                   -> insufficient_balance needs 1.00 has 0.00
    ";
    check(case, script).await;
}

async fn a_clock_that_is_off_takes_nothing_from_the_wrong_month(case: LedgerCase) {
    let script = "
        wallet main                                         -> settled 0.00 held 0.00 available 0.00
        at 16d+15h+59m+30s
        send a category=service free=1 clock=45s                 -> held 0.00 left 0.00
        send b category=service free=1                   -> insufficient_balance needs 1.00 has 0.00
        at 16d+16h
        send c category=service free=1 clock=-1s                 -> held 0.00 left 0.00
        send d category=service free=1                   -> insufficient_balance needs 1.00 has 0.00
    ";
    check(case, script).await;
}

/// Sends of so many channels, and then their settles.
async fn send_by_channels(case: &mut LedgerCase, channels: u64) {
    let now_ms = case.clock.now_ms();
    let send = |n| operations::send(&Line::parse(&format!("send {n} channel={n}")), now_ms, 1);
    let sends: Vec<_> = (1..=channels).map(send).collect();
    let settles = sends.iter().map(|send| send.hold);
    let settles =
        settles.map(|hold| Operation::Settle { hold, message_id: None, day: day(now_ms) });
    let settles = settles.collect();
    let reserves = sends.into_iter().map(|send| Operation::Reserve(Box::new(send)));
    case.apply(reserves.collect()).await.unwrap();
    case.apply(settles).await.unwrap();
}

async fn many_channels_of_one_batch_have_a_row_each(mut case: LedgerCase) {
    let wallet = Line::parse("wallet main limit=999.00");
    let wallet = operations::operation(&wallet, case.clock.now_ms(), &Labels::new());
    case.apply(vec![wallet]).await.unwrap();
    for channels in [3, 40, 40, 2] {
        send_by_channels(&mut case, channels).await;
    }
    let rows = case.ledger.reads.usage(&case.account, i32::MIN, i32::MAX).await.unwrap();
    let messages: Vec<u64> = rows.iter().map(|row| row.sum.messages).collect();
    let mut sorted = messages.clone();
    sorted.sort_unstable();
    assert_eq!((messages.len(), messages.iter().sum()), (40, 3 + 40 + 40 + 2), "{rows:?}");
    assert_eq!(sorted[36..], [2, 3, 4, 4], "{rows:?}");
}

/// A long list would be searched for each row.
#[tokio::test]
async fn many_rows_of_usage_are_a_table_in_redis() {
    let mut case = LedgerCase::new(Backend::Redis).await;
    let wallet = Line::parse("wallet main limit=999.00");
    let wallet = operations::operation(&wallet, case.clock.now_ms(), &Labels::new());
    case.apply(vec![wallet]).await.unwrap();
    for (channels, expected) in [(15, "listpack"), (16, "hashtable"), (3, "hashtable")] {
        send_by_channels(&mut case, channels).await;
        let (prefix, server) = case.redis();
        let day = case.clock.now_ms() / DAY % 4096;
        let encoding = server.text(&format!("OBJECT ENCODING {prefix}u:{day}"));
        assert_eq!(encoding.trim(), expected, "{channels} channels");
    }
}
