//! The documented order of refusals: a send that breaks several rules gets the first.
//! Each case takes one broken rule away after the other, from the top.
use crate::support::ledger_script::check;
use crate::support::{LedgerCase, on_every_ledger};

on_every_ledger!(
    refusals_come_in_the_documented_order,
    what_the_gateway_must_ask_again_comes_first,
    a_replay_comes_before_every_limit,
    an_unknown_outcome_comes_before_every_limit,
    a_refused_send_takes_nothing
);

/// Everything is broken at once: by the end of the first part one send would be refused for every
/// reason.
async fn refusals_come_in_the_documented_order(case: LedgerCase) {
    let script = "
        wallet main                                  -> settled 0.00 held 0.00 available 0.00
        wallet other                                 -> settled 0.00 held 0.00 available 0.00
        top-up main 5.00 p                           -> posted 5.00 balance 5.00
        create diwali wallet=main budget=1.00 dedupe -> active of main budget 1.00 dedupe
        # k1 is in flight with another body, k2 with the same one; r1 has had a message, took the
        # only slot and the budget.
        send a campaign=diwali to=r1 limit=1 caps=marketing:1:1h key=k1 body=x \
            -> held 1.00 left 4.00
        send b key=k2 body=y to=r2 price=0.00                                 -> held 0.00 left 4.00
        send c body=z to=r3 price=0.00 caps=marketing:1:1h                    -> held 0.00 left 4.00
        abandon c                                                                  -> marked
        stop diwali operator       -> stopped operator since 0s of main budget 1.00 dedupe held 1.00
        send d campaign=diwali wallet=other key=k1 body=y to=r1 limit=1 caps=marketing:1:1h \
            price=9.00 \
            -> campaign_stopped operator since 0s
        restart diwali    -> active of main budget 1.00 dedupe held 1.00 rejected campaign_stopped 1
        send e campaign=diwali wallet=other key=k1 body=y to=r1 limit=1 caps=marketing:1:1h \
            price=9.00 \
            -> campaign_unknown
        send f campaign=diwali key=k1 body=y to=r1 limit=1 caps=marketing:1:1h price=9.00 \
            -> idempotency_conflict
        send g campaign=diwali key=k2 body=y to=r1 limit=1 caps=marketing:1:1h price=9.00 \
            -> idempotency_in_flight
        settle b                                                                     -> settled 0.00
        send h campaign=diwali key=k2 body=y to=r1 limit=1 caps=marketing:1:1h price=9.00 \
            -> replayed b wamid.1 0.00
        send i campaign=diwali body=z to=r1 limit=1 caps=marketing:1:1h price=9.00 \
            -> outcome_unknown c
        send j campaign=diwali to=r1 limit=1 caps=marketing:1:1h price=9.00          -> already_sent
        send k campaign=diwali to=r3 limit=1 caps=marketing:1:1h price=9.00 \
            -> frequency_capped 1 in 3600s retry 3600s
        send l campaign=diwali to=r4 limit=1 caps=marketing:1:1h price=9.00 \
            -> messaging_limit_reached 1 of 1
        send m campaign=diwali to=r4 limit=2 caps=marketing:1:1h price=9.00 \
            -> campaign_stopped budget_spent since 0s
        send n campaign=holi to=r4 limit=2 caps=marketing:1:1h price=9.00 \
            -> insufficient_balance needs 9.00 has 4.00
        send o campaign=diwali to=r4 limit=2 caps=marketing:1:1h price=1.00 \
            -> campaign_stopped budget_spent since 0s
        show campaign diwali \
            -> stopped budget_spent since 0s of main budget 1.00 dedupe held 1.00 rejected \
               already_sent 1 rejected campaign_stopped 3 rejected campaign_unknown 1 rejected \
               frequency_capped 1 rejected idempotency_conflict 1 rejected idempotency_in_flight 1 \
               rejected messaging_limit_reached 1 rejected outcome_unknown 1
    ";
    check(case, script).await;
}

async fn what_the_gateway_must_ask_again_comes_first(case: LedgerCase) {
    let script = "
        wallet main                                         -> settled 0.00 held 0.00 available 0.00
        send a version=7 valid=0s wallet=nobody known-campaign=none  -> stale settings
        send b valid=0s wallet=nobody known-campaign=none            -> stale price
        send c valid=1ms wallet=nobody known-campaign=none           -> wallet unknown
        send d valid=1ms known-campaign=none                         -> campaign_unknown
        send e version=0                                             -> stale settings
        send f valid=1ms price=0.00                                  -> held 0.00 left 0.00
    ";
    check(case, script).await;
}

async fn a_replay_comes_before_every_limit(case: LedgerCase) {
    let script = "
        wallet main                                         -> settled 0.00 held 0.00 available 0.00
        top-up main 1.00 p                                   -> posted 1.00 balance 1.00
        send a key=k body=x limit=1 caps=marketing:1:1h      -> held 1.00 left 0.00
        settle a id=wamid.first                              -> settled 1.00
        send b key=k body=x limit=0 caps=marketing:1:1h      -> replayed a wamid.first 1.00
        # The answer holds even where the price has changed since.
        send c key=k body=x price=3.00                       -> replayed a wamid.first 1.00
        show wallet main                                    -> settled 0.00 held 0.00 available 0.00
        show holds                                           -> none
    ";
    check(case, script).await;
}

async fn an_unknown_outcome_comes_before_every_limit(case: LedgerCase) {
    let script = "
        wallet main                                         -> settled 0.00 held 0.00 available 0.00
        top-up main 1.00 p                                   -> posted 1.00 balance 1.00
        send a key=k body=x limit=1 caps=marketing:1:1h      -> held 1.00 left 0.00
        doubt a                                              -> marked
        send b key=k body=x limit=1 caps=marketing:1:1h      -> outcome_unknown a
        send c body=x limit=1 caps=marketing:1:1h            -> outcome_unknown a
        send d key=k body=y limit=1 caps=marketing:1:1h      -> idempotency_conflict
        send e body=y limit=1 caps=marketing:1:1h         -> frequency_capped 1 in 3600s retry 3600s
    ";
    check(case, script).await;
}

async fn a_refused_send_takes_nothing(case: LedgerCase) {
    let script = "
        wallet main                                         -> settled 0.00 held 0.00 available 0.00
        create diwali wallet=main dedupe                                -> active of main dedupe
        top-up main 1.00 p                                              -> posted 1.00 balance 1.00
        # Refused at the last step, for money: no key, slot, cap hit, free message or recipient is
        # kept.
        send a key=k body=x to=r1 limit=1 caps=marketing:1:1h price=2.00 campaign=diwali free=0 \
            -> insufficient_balance needs 2.00 has 1.00
        show window p1                                                  -> 0
        show holds                                                      -> none
        top-up main 1.00 q                                              -> posted 1.00 balance 2.00
        restart diwali                      -> active of main dedupe rejected insufficient_balance 1
        send b key=k body=y to=r1 limit=1 caps=marketing:1:1h price=2.00 campaign=diwali free=0 \
            -> held 2.00 left 0.00
        show holds                       -> b open 2.00 100 IN marketing of main for diwali since 0s
        show window p1                                                  -> 1
    ";
    check(case, script).await;
}
