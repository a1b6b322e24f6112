//! The messaging limit: a slot per recipient for 24 hours, never given up too early, and at
//! most a minute too late.

use crate::support::ledger_script::check;
use crate::support::{LedgerCase, on_every_ledger};

on_every_ledger!(
    a_slot_is_taken_per_recipient_not_per_message,
    a_slot_frees_a_minute_after_24_hours,
    a_slot_taken_late_in_its_minute_is_kept_for_all_of_it,
    a_release_gives_its_slot_back,
    a_release_keeps_the_slot_an_earlier_message_took,
    two_sends_to_one_recipient_hold_one_slot,
    an_open_send_keeps_its_slot_however_old,
    a_further_message_renews_the_slot,
    slots_are_taken_until_the_oldest_frees,
    portfolios_have_windows_of_their_own,
    a_lowered_limit_refuses_new_recipients_only
);

async fn a_slot_is_taken_per_recipient_not_per_message(case: LedgerCase) {
    let script = "
        wallet main limit=99.00           -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a to=r1 limit=2              -> held 1.00 left 98.00
        send b to=r1 limit=2              -> held 1.00 left 97.00
        send c to=r2 limit=2              -> held 1.00 left 96.00
        show window p1                    -> 2
        # All slots are held by open sends: nobody knows when one frees.
        send d to=r3 limit=2              -> messaging_limit_reached 2 of 2
        send e to=r2 limit=2              -> held 1.00 left 95.00
        send f to=r3                      -> held 1.00 left 94.00
        show window p1                    -> 2
        show window p9                    -> 0
    ";
    check(case, script).await;
}

async fn a_slot_frees_a_minute_after_24_hours(case: LedgerCase) {
    let script = "
        wallet main limit=99.00           -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a to=r1 limit=1              -> held 1.00 left 98.00
        settle a                          -> settled 1.00
        send b to=r2 limit=1              -> messaging_limit_reached 1 of 1 retry 86460s
        at 23h+59m
        send c to=r2 limit=1              -> messaging_limit_reached 1 of 1 retry 120s
        at 24h
        send d to=r2 limit=1              -> messaging_limit_reached 1 of 1 retry 60s
        at 24h+59s+999ms
        show window p1                    -> 1
        send e to=r2 limit=1              -> messaging_limit_reached 1 of 1 retry 1s
        at 24h+1m
        show window p1                    -> 0
        send f to=r2 limit=1              -> held 1.00 left 97.00
    ";
    check(case, script).await;
}

async fn a_slot_taken_late_in_its_minute_is_kept_for_all_of_it(case: LedgerCase) {
    let script = "
        wallet main limit=99.00           -> settled 0.00 held 0.00 available 99.00 limit 99.00
        at 15h+59m+59s+999ms
        send a to=r1 limit=1              -> held 1.00 left 98.00
        settle a                          -> settled 1.00
        at 16h
        send b to=r2 limit=1              -> messaging_limit_reached 1 of 1 retry 86400s
        # 23:59:59.999 of the next day would be 24 hours to the millisecond; the whole minute is
        # kept.
        at 39h+59m+59s+999ms
        send c to=r2 limit=1              -> messaging_limit_reached 1 of 1 retry 1s
        at 40h
        send d to=r2 limit=1              -> held 1.00 left 97.00
    ";
    check(case, script).await;
}

async fn a_release_gives_its_slot_back(case: LedgerCase) {
    let script = "
        wallet main limit=99.00           -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a to=r1 limit=1              -> held 1.00 left 98.00
        release a                         -> released 1.00
        show window p1                    -> 0
        send b to=r2 limit=1              -> held 1.00 left 98.00
        doubt b                           -> marked
        show window p1                    -> 1
        send c to=r3 limit=1              -> messaging_limit_reached 1 of 1
        release b operator                -> released 1.00
        send d to=r3 limit=1              -> held 1.00 left 98.00
    ";
    check(case, script).await;
}

async fn a_release_keeps_the_slot_an_earlier_message_took(case: LedgerCase) {
    let script = "
        wallet main limit=99.00           -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a to=r1 limit=1              -> held 1.00 left 98.00
        settle a                          -> settled 1.00
        later 5m
        send b to=r1 limit=1              -> held 1.00 left 97.00
        release b                         -> released 1.00
        send c to=r2 limit=1              -> messaging_limit_reached 1 of 1 retry 86160s
        at 24h
        send d to=r1 limit=1              -> held 1.00 left 97.00
        at 24h+1m
        # The 24 hours of the accepted one are over while another is under way; when that is
        # released nothing holds the slot.
        send e to=r2 limit=1              -> messaging_limit_reached 1 of 1
        release d                         -> released 1.00
        show window p1                    -> 0
        send f to=r2 limit=1              -> held 1.00 left 97.00
    ";
    check(case, script).await;
}

async fn two_sends_to_one_recipient_hold_one_slot(case: LedgerCase) {
    let script = "
        wallet main limit=99.00           -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a to=r1 limit=1              -> held 1.00 left 98.00
        send b to=r1 limit=1              -> held 1.00 left 97.00
        release a                         -> released 1.00
        show window p1                    -> 1
        send c to=r2 limit=1              -> messaging_limit_reached 1 of 1
        release b                         -> released 1.00
        show window p1                    -> 0
        send d to=r1 limit=1              -> held 1.00 left 98.00
        & send e to=r1 limit=1            -> held 1.00 left 97.00
        & settle d                        -> settled 1.00
        & release e                       -> released 1.00
        & send f to=r2 limit=1            -> messaging_limit_reached 1 of 1 retry 86460s
    ";
    check(case, script).await;
}

async fn an_open_send_keeps_its_slot_however_old(case: LedgerCase) {
    let script = "
        wallet main limit=99.00           -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a to=r1 limit=1              -> held 1.00 left 98.00
        later 3d
        show window p1                    -> 1
        send b to=r2 limit=1              -> messaging_limit_reached 1 of 1
        # The slot counts from when it is known to be accepted.
        settle a                          -> settled 1.00
        later 24h
        send c to=r2 limit=1              -> messaging_limit_reached 1 of 1 retry 60s
        later 1m
        send d to=r2 limit=1              -> held 1.00 left 97.00
    ";
    check(case, script).await;
}

async fn a_further_message_renews_the_slot(case: LedgerCase) {
    let script = "
        wallet main limit=99.00           -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a to=r1 limit=1              -> held 1.00 left 98.00
        settle a                          -> settled 1.00
        later 20h
        send b to=r1 limit=1              -> held 1.00 left 97.00
        settle b                          -> settled 1.00
        at 24h+1m
        show window p1                    -> 1
        send c to=r2 limit=1              -> messaging_limit_reached 1 of 1 retry 72000s
        at 44h+1m
        show window p1                    -> 0
        send d to=r2 limit=1              -> held 1.00 left 96.00
    ";
    check(case, script).await;
}

async fn slots_are_taken_until_the_oldest_frees(case: LedgerCase) {
    let script = "
        wallet main limit=99.00           -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a to=r1 limit=3              -> held 1.00 left 98.00
        send b to=r2 limit=3              -> held 1.00 left 97.00
        later 10m
        settle b                          -> settled 1.00
        later 10m
        settle a                          -> settled 1.00
        send c to=r3 limit=3              -> held 1.00 left 96.00
        send d to=r4 limit=3              -> messaging_limit_reached 3 of 3 retry 85860s
        at 24h+11m
        show window p1                    -> 2
        send e to=r4 limit=3              -> held 1.00 left 95.00
        send f to=r5 limit=3              -> messaging_limit_reached 3 of 3 retry 600s
        at 24h+21m
        send g to=r5 limit=3              -> held 1.00 left 94.00
        send h to=r6 limit=3              -> messaging_limit_reached 3 of 3
        later 100d
        show window p1                    -> 3
        release c                         -> released 1.00
        show window p1                    -> 2
    ";
    check(case, script).await;
}

async fn portfolios_have_windows_of_their_own(case: LedgerCase) {
    let script = "
        wallet main limit=99.00               -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a to=r1 limit=1                  -> held 1.00 left 98.00
        send b to=r2 limit=1 portfolio=p2     -> held 1.00 left 97.00
        send c to=r2 limit=1 channel=200      -> messaging_limit_reached 1 of 1
        send d to=r1 limit=1 portfolio=p2     -> messaging_limit_reached 1 of 1
        send e to=r9 external limit=1         -> messaging_limit_reached 1 of 1
        send f to=r1 external limit=1         -> held 0.00
        show window p1                        -> 1
        show window p2                        -> 1
    ";
    check(case, script).await;
}

async fn a_lowered_limit_refuses_new_recipients_only(case: LedgerCase) {
    let script = "
        wallet main limit=99.00           -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a to=r1 limit=0              -> messaging_limit_reached 0 of 0
        send b to=r1 limit=2              -> held 1.00 left 98.00
        send c to=r2 limit=2              -> held 1.00 left 97.00
        settle b                          -> settled 1.00
        settle c                          -> settled 1.00
        send d to=r3 limit=1              -> messaging_limit_reached 2 of 1 retry 86460s
        send e to=r2 limit=1              -> held 1.00 left 96.00
        send f to=r3 limit=3              -> held 1.00 left 95.00
        at 25h
        send g to=r9 limit=0              -> messaging_limit_reached 2 of 0
    ";
    check(case, script).await;
}
