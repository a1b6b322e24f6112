//! Accounts that only observe: every limit names what it would have refused, and refuses nothing.

use crate::support::ledger_script::check;
use crate::support::{LedgerCase, on_every_ledger};

on_every_ledger!(
    money_is_observed_below_zero,
    campaigns_are_observed_and_never_stop,
    recipients_are_observed_beyond_every_limit,
    repeats_are_answered_as_always,
    the_first_limit_is_named,
    enforcing_begins_where_observing_ended
);

async fn money_is_observed_below_zero(case: LedgerCase) {
    let script = "
        wallet main low=0.50                 -> settled 0.00 held 0.00 available 0.00 low [0.50]
        top-up main 1.50 pay-1               -> posted 1.50 balance 1.50
        send a observe campaign=diwali to=r1 -> held 1.00 left 0.50
        send b observe campaign=diwali to=r2 \
            -> held 1.00 left -0.50 observed insufficient_balance
        send c observe to=r3                 -> held 1.00 left -1.50 observed insufficient_balance
        show wallet main -> settled 1.50 held 3.00 available -1.50 low [0.50]
        settle a                             -> settled 1.00
        settle b                             -> settled 1.00
        release c                            -> released 1.00
        show wallet main -> settled -0.50 held 0.00 available -0.50 low [0.50]
        show events                          -> low_balance main 0.50 available -0.50
        # The limit may stay what it is.
        wallet main limit=0.00 low=0.20 \
            -> settled -0.50 held 0.00 available -0.50 low [0.20]
        show campaign diwali -> active of main spent 2.00 accepted 2 used IN marketing 2 2.00
    ";
    check(case, script).await;
}

async fn campaigns_are_observed_and_never_stop(case: LedgerCase) {
    let script = "
        wallet main                          -> settled 0.00 held 0.00 available 0.00
        wallet other                         -> settled 0.00 held 0.00 available 0.00
        top-up main 9.00 pay-1               -> posted 9.00 balance 9.00
        create holi wallet=main budget=1.50  -> active of main budget 1.50
        send a observe campaign=holi to=r1   -> held 1.00 left 8.00
        send b observe campaign=holi to=r2   -> held 1.00 left 7.00 observed campaign_stopped
        show campaign holi                   -> active of main budget 1.50 held 2.00
        stop holi operator -> stopped operator since 0s of main budget 1.50 held 2.00
        send c observe campaign=holi to=r3   -> held 1.00 left 6.00 observed campaign_stopped
        show campaign holi -> stopped operator since 0s of main budget 1.50 held 3.00
        # What cannot count on its campaign counts on none.
        send d observe known-campaign=onam   -> held 1.00 left 5.00 observed campaign_unknown
        send e observe campaign=holi wallet=other \
            -> held 1.00 left -1.00 observed campaign_stopped
        settle d                             -> settled 1.00
        settle e                             -> settled 1.00
        show campaign holi -> stopped operator since 0s of main budget 1.50 held 3.00
        create once dedupe                   -> active dedupe
        send f observe campaign=once to=r9   -> held 1.00 left 4.00
        send g observe campaign=once to=r9   -> held 1.00 left 3.00 observed already_sent
        # The second one has nothing of the campaign's to give back.
        release g                            -> released 1.00
        send h campaign=once to=r9           -> already_sent
        finish once                          -> finished since 0s of main dedupe held 1.00 \
            rejected already_sent 1
        send i observe campaign=once to=r8   -> held 1.00 left 3.00 observed campaign_stopped
        send j observe campaign=once to=r8   -> held 1.00 left 2.00 observed campaign_stopped
    ";
    check(case, script).await;
}

async fn recipients_are_observed_beyond_every_limit(case: LedgerCase) {
    let script = "
        wallet main                          -> settled 0.00 held 0.00 available 0.00
        top-up main 90.00 pay-1              -> posted 90.00 balance 90.00
        send a observe to=r1 limit=1         -> held 1.00 left 89.00
        send b observe to=r2 limit=1 -> held 1.00 left 88.00 observed messaging_limit_reached
        send c observe to=r2 limit=1         -> held 1.00 left 87.00
        settle a                             -> settled 1.00
        settle b                             -> settled 1.00
        release c                            -> released 1.00
        show window p1                       -> 2
        send d observe to=r3 limit=1 -> held 1.00 left 87.00 observed messaging_limit_reached
        release d                            -> released 1.00
        show window p1                       -> 2
        later 24h+1m
        show window p1                       -> 0
        send e observe to=r4 caps=marketing:1:24h -> held 1.00 left 87.00
        send f observe to=r4 caps=marketing:1:24h \
            -> held 1.00 left 86.00 observed frequency_capped
        send g to=r4 caps=marketing:1:24h    -> frequency_capped 1 in 86400s retry 86400s
    ";
    check(case, script).await;
}

async fn repeats_are_answered_as_always(case: LedgerCase) {
    let script = "
        wallet main                          -> settled 0.00 held 0.00 available 0.00
        send a observe key=k                 -> held 1.00 left -1.00 observed insufficient_balance
        send b observe key=k body=a          -> idempotency_in_flight
        send c observe key=k body=x          -> idempotency_conflict
        settle a id=wamid.9                  -> settled 1.00
        send d observe key=k body=a          -> replayed a wamid.9 1.00
        send e observe body=y -> held 1.00 left -2.00 observed insufficient_balance
        doubt e                              -> marked
        send f observe body=y                -> outcome_unknown e
        # What was made under other settings is no limit's matter either.
        send g observe version=99            -> stale settings
        send h observe wallet=nobody         -> wallet unknown
        send i observe valid=0s              -> stale price
    ";
    check(case, script).await;
}

async fn the_first_limit_is_named(case: LedgerCase) {
    let script = "
        wallet main                          -> settled 0.00 held 0.00 available 0.00
        create holi                          -> active
        stop holi operator                   -> stopped operator since 0s
        send a observe to=r1 limit=1 caps=marketing:1:24h campaign=holi \
            -> held 1.00 left -1.00 observed campaign_stopped
        send b observe to=r1 limit=1 caps=marketing:1:24h \
            -> held 1.00 left -2.00 observed frequency_capped
        send c observe to=r2 limit=1 \
            -> held 1.00 left -3.00 observed messaging_limit_reached
        send d observe to=r1 limit=1 \
            -> held 1.00 left -4.00 observed insufficient_balance
    ";
    check(case, script).await;
}

async fn enforcing_begins_where_observing_ended(case: LedgerCase) {
    let script = "
        wallet main                          -> settled 0.00 held 0.00 available 0.00
        send a observe campaign=holi         -> held 1.00 left -1.00 observed insufficient_balance
        settle a                             -> settled 1.00
        send b campaign=holi price=0.00      -> held 0.00 left -1.00
        send c campaign=holi                 -> insufficient_balance needs 1.00 has -1.00
        send d campaign=holi  -> campaign_stopped credits_exhausted lacks 2.00 since 0s
        send e observe campaign=holi \
            -> held 1.00 left -2.00 observed campaign_stopped
        send f observe campaign=new \
            -> held 1.00 left -3.00 observed insufficient_balance
        release e                            -> released 1.00
        release f                            -> released 1.00
        top-up main 3.00 pay-1               -> posted 3.00 balance 2.00
        restart holi -> active of main spent 1.00 accepted 1 \
            rejected campaign_stopped 1 rejected insufficient_balance 1 used IN marketing 1 1.00
        send g campaign=holi                 -> held 1.00 left 1.00
    ";
    check(case, script).await;
}
