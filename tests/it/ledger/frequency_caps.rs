//! Frequency caps: how many messages of some categories one recipient gets from the account in a
//! rolling window.
use crate::support::ledger_script::check;
use crate::support::{LedgerCase, on_every_ledger};

on_every_ledger!(
    a_cap_counts_in_a_rolling_window,
    a_release_gives_its_cap_hit_back,
    an_exempt_campaign_is_counted_and_not_refused,
    the_longest_wait_of_all_broken_rules_is_returned,
    a_rule_counts_its_categories_together,
    cap_hits_are_kept_only_if_a_rule_counts,
    a_cap_of_none_refuses_every_message
);

async fn a_cap_counts_in_a_rolling_window(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a caps=marketing:2:24h               -> held 1.00 left 98.00
        at 1h
        send b caps=marketing:2:24h               -> held 1.00 left 97.00
        settle b                                  -> settled 1.00
        send c caps=marketing:2:24h               -> frequency_capped 2 in 86400s retry 82800s
        send d caps=marketing:2:24h to=r2         -> held 1.00 left 96.00
        at 23h+59m+59s+999ms
        send e caps=marketing:2:24h               -> frequency_capped 2 in 86400s retry 1s
        at 24h
        send f caps=marketing:2:24h               -> held 1.00 left 95.00
        send g caps=marketing:2:24h               -> frequency_capped 2 in 86400s retry 3600s
        # The account's cap: another channel or wallet does not help.
        send h caps=marketing:2:24h channel=200   -> frequency_capped 2 in 86400s retry 3600s
        send i caps=marketing:2:24h external      -> frequency_capped 2 in 86400s retry 3600s
    ";
    check(case, script).await;
}

async fn a_release_gives_its_cap_hit_back(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a caps=marketing:2:1h                -> held 1.00 left 98.00
        send b caps=marketing:2:1h                -> held 1.00 left 97.00
        release a                                 -> released 1.00
        send c caps=marketing:2:1h                -> held 1.00 left 97.00
        send d caps=marketing:2:1h                -> frequency_capped 2 in 3600s retry 3600s
        later 10m
        doubt b                                   -> marked
        send e caps=marketing:2:1h                -> frequency_capped 2 in 3600s retry 3000s
        release b operator                        -> released 1.00
        send f caps=marketing:2:1h                -> held 1.00 left 97.00
        settle c                                  -> settled 1.00
        send g caps=marketing:2:1h                -> frequency_capped 2 in 3600s retry 3000s
    ";
    check(case, script).await;
}

async fn an_exempt_campaign_is_counted_and_not_refused(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        create recall wallet=main exempt              -> active of main exempt
        send a caps=marketing:1:1h campaign=recall    -> held 1.00 left 98.00
        send b caps=marketing:1:1h campaign=recall    -> held 1.00 left 97.00
        send c caps=marketing:1:1h                    -> frequency_capped 1 in 3600s retry 3600s
        send d caps=marketing:1:1h campaign=diwali    -> frequency_capped 1 in 3600s retry 3600s
        show campaign diwali                          -> none
        later 1s
        send e caps=marketing:1:1h campaign=recall    -> held 1.00 left 96.00
        at 1h
        send f caps=marketing:1:1h                    -> frequency_capped 1 in 3600s retry 1s
    ";
    check(case, script).await;
}

async fn the_longest_wait_of_all_broken_rules_is_returned(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a caps=marketing:1:1m,marketing:2:1h                 -> held 1.00 left 98.00
        send b caps=marketing:1:1m,marketing:2:1h             -> frequency_capped 1 in 60s retry 60s
        later 1m
        send c caps=marketing:1:1m,marketing:2:1h                 -> held 1.00 left 97.00
        send d caps=marketing:1:1m,marketing:2:1h         -> frequency_capped 2 in 3600s retry 3540s
        later 58m+50s
        send e caps=marketing:1:1m,marketing:2:1h           -> frequency_capped 2 in 3600s retry 10s
        # A lowered cap waits until enough of the newest are old.
        send f caps=marketing:1:1h                          -> frequency_capped 1 in 3600s retry 70s
        later 10s
        send g caps=marketing:1:1m,marketing:2:1h                 -> held 1.00 left 96.00
    ";
    check(case, script).await;
}

async fn a_rule_counts_its_categories_together(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a caps=marketing+utility:2:1h                                -> held 1.00 left 98.00
        send b caps=marketing+utility:2:1h category=utility               -> held 1.00 left 97.00
        send c caps=marketing+utility:2:1h category=service price=0.00    -> held 0.00 left 97.00
        send d caps=marketing+utility:2:1h category=authentication        -> held 1.00 left 96.00
        send e caps=marketing+utility:2:1h category=utility \
            -> frequency_capped 2 in 3600s retry 3600s
        send f caps=marketing+utility:2:1h                -> frequency_capped 2 in 3600s retry 3600s
        # Cap hits carry their category: a rule of one category counts its own.
        send g caps=marketing:2:1h                                        -> held 1.00 left 95.00
        send h caps=utility:2:1h category=utility                         -> held 1.00 left 94.00
        send i caps=marketing:2:1h                        -> frequency_capped 2 in 3600s retry 3600s
        release b                                                         -> released 1.00
        send j caps=utility:2:1h category=utility                         -> held 1.00 left 94.00
    ";
    check(case, script).await;
}

async fn cap_hits_are_kept_only_if_a_rule_counts(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a                                            -> held 1.00 left 98.00
        send b caps=utility:1:1h                          -> held 1.00 left 97.00
        send c caps=marketing:1:1h                        -> held 1.00 left 96.00
        # The first two left none, so releasing them takes none.
        release a                                         -> released 1.00
        release b                                         -> released 1.00
        send d caps=marketing:1:1h                        -> frequency_capped 1 in 3600s retry 3600s
        release c                                         -> released 1.00
        send e caps=marketing:1:1h                        -> held 1.00 left 98.00
    ";
    check(case, script).await;
}

async fn a_cap_of_none_refuses_every_message(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a caps=marketing:0:1h                        -> frequency_capped 0 in 3600s retry 3600s
        send b caps=marketing:0:1h category=utility       -> held 1.00 left 98.00
    ";
    check(case, script).await;
}
