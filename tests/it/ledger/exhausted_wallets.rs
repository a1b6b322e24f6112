//! The last credit: who gets it, what stops when it is gone, and what it takes to go on.
use crate::support::ledger_script::check;
use crate::support::{LedgerCase, on_every_ledger};

on_every_ledger!(
    the_last_credit_is_held_once,
    running_out_stops_every_campaign_of_the_wallet_in_one_step,
    a_top_up_restarts_nothing,
    a_restart_needs_the_price_that_was_refused,
    an_unknown_campaign_waits_for_credits,
    sends_without_a_campaign_are_judged_one_by_one,
    what_is_free_flows_at_zero_balance,
    external_sends_go_on_when_the_wallet_is_empty,
    only_money_coming_in_ends_exhaustion,
    a_batch_is_decided_in_order
);

async fn the_last_credit_is_held_once(case: LedgerCase) {
    let script = "
        wallet main                          -> settled 0.00 held 0.00 available 0.00
        top-up main 2.00 pay-1               -> posted 2.00 balance 2.00
        send a to=r1 campaign=diwali         -> held 1.00 left 1.00
        & send b to=r2 campaign=diwali       -> held 1.00 left 0.00
        & send c to=r3 campaign=diwali       -> insufficient_balance needs 1.00 has 0.00
        & send d to=r4 campaign=diwali -> campaign_stopped credits_exhausted lacks 1.00 since 0s
        show wallet main                     -> settled 2.00 held 2.00 available 0.00 exhausted
        settle a                             -> settled 1.00
        settle b                             -> settled 1.00
        show wallet main                     -> settled 0.00 held 0.00 available 0.00 exhausted
        show campaign diwali \
            -> stopped credits_exhausted since 0s of main spent 2.00 accepted 2 rejected \
               campaign_stopped 1 rejected insufficient_balance 1 used IN marketing 2 2.00
        show entries main \
            -> 1 top_up pay-1 2.00 balance 2.00, 2 charge a 100 IN marketing for diwali -1.00 \
               balance 1.00, 3 charge b 100 IN marketing for diwali -1.00 balance 0.00
    ";
    check(case, script).await;
}

async fn running_out_stops_every_campaign_of_the_wallet_in_one_step(case: LedgerCase) {
    let script = "
        wallet main                          -> settled 0.00 held 0.00 available 0.00
        wallet other                         -> settled 0.00 held 0.00 available 0.00
        top-up main 3.00 pay-1               -> posted 3.00 balance 3.00
        top-up other 9.00 pay-1              -> posted 9.00 balance 9.00
        send a campaign=diwali               -> held 1.00 left 2.00
        send b campaign=holi                 -> held 1.00 left 1.00
        send c campaign=onam wallet=other    -> held 1.00 left 8.00
        later 5s
        send d campaign=holi price=1.000001  -> insufficient_balance needs 1.000001 has 1.00
        send e campaign=diwali price=0.01 \
            -> campaign_stopped credits_exhausted lacks 0.000001 since 5s
        send f campaign=holi price=0.01 \
            -> campaign_stopped credits_exhausted lacks 0.000001 since 5s
        send g campaign=onam wallet=other    -> held 1.00 left 7.00
        show events                          -> wallet_exhausted main holi 1.000001 available 1.00
        show campaign diwali \
            -> stopped credits_exhausted since 5s of main held 1.00 rejected campaign_stopped 1
        show campaign onam                   -> active of other held 2.00
        show wallet other                    -> settled 9.00 held 2.00 available 7.00
    ";
    check(case, script).await;
}

async fn a_top_up_restarts_nothing(case: LedgerCase) {
    let script = "
        wallet main                          -> settled 0.00 held 0.00 available 0.00
        send a campaign=diwali               -> insufficient_balance needs 1.00 has 0.00
        show campaign diwali                 -> none
        create diwali                        -> wallet exhausted
        top-up main 1.00 pay-1               -> posted 1.00 balance 1.00
        send b campaign=diwali               -> held 1.00 left 0.00
        send c campaign=diwali               -> insufficient_balance needs 1.00 has 0.00
        top-up main 50.00 pay-2              -> posted 50.00 balance 51.00
        show wallet main                     -> settled 51.00 held 1.00 available 50.00
        later 2d
        send d campaign=diwali -> campaign_stopped credits_exhausted lacks 0.00 since 0s
        show campaign diwali \
            -> stopped credits_exhausted since 0s of main held 1.00 rejected campaign_stopped 1 \
               rejected insufficient_balance 1
        # A new campaign is nobody's forgotten one: it starts.
        send e campaign=holi                 -> held 1.00 left 49.00
        show events \
            -> wallet_exhausted main diwali 1.00 available 0.00, wallet_exhausted main diwali 1.00 \
               available 0.00
    ";
    check(case, script).await;
}

async fn a_restart_needs_the_price_that_was_refused(case: LedgerCase) {
    let script = "
        wallet main                          -> settled 0.00 held 0.00 available 0.00
        top-up main 1.00 pay-1               -> posted 1.00 balance 1.00
        send a campaign=diwali price=0.40    -> held 0.40 left 0.60
        send b campaign=diwali price=3.00    -> insufficient_balance needs 3.00 has 0.60
        restart diwali                       -> shortfall needs 3.00 has 0.60
        top-up main 2.399999 pay-2           -> posted 2.399999 balance 3.399999
        restart diwali                       -> shortfall needs 3.00 has 2.999999
        send c campaign=diwali price=0.01 \
            -> campaign_stopped credits_exhausted lacks 0.000001 since 0s
        top-up main 0.000001 pay-3           -> posted 0.000001 balance 3.40
        later 1m
        restart diwali \
            -> active of main held 0.40 rejected campaign_stopped 1 rejected insufficient_balance 1
        restart diwali \
            -> active of main held 0.40 rejected campaign_stopped 1 rejected insufficient_balance 1
        send d campaign=diwali price=3.00    -> held 3.00 left 0.00
        show events \
            -> wallet_exhausted main diwali 3.00 available 0.60, campaign_restarted main diwali
        restart nobody                       -> campaign unknown
    ";
    check(case, script).await;
}

async fn an_unknown_campaign_waits_for_credits(case: LedgerCase) {
    let script = "
        wallet main                                -> settled 0.00 held 0.00 available 0.00
        top-up main 2.00 pay-1                     -> posted 2.00 balance 2.00
        send a campaign=diwali price=5.00          -> insufficient_balance needs 5.00 has 2.00
        # Enough for this one, yet it would be a new campaign of an exhausted wallet.
        send b campaign=holi price=1.00 -> insufficient_balance needs 1.00 has 2.00 ran out at 5.00
        send c campaign=holi price=7.00 -> insufficient_balance needs 7.00 has 2.00 ran out at 5.00
        send d campaign=holi price=0.00 -> insufficient_balance needs 0.00 has 2.00 ran out at 5.00
        show campaign holi                         -> none
        create holi wallet=main                    -> wallet exhausted
        show events                              -> wallet_exhausted main diwali 5.00 available 2.00
        wallet spare                               -> settled 0.00 held 0.00 available 0.00
        create holi wallet=main                    -> wallet exhausted
        create onam                                -> active
        create pongal wallet=spare                 -> active of spare
        top-up main 1.00 pay-2                     -> posted 1.00 balance 3.00
        send e campaign=holi price=1.00            -> held 1.00 left 2.00
        show campaign holi                         -> active of main held 1.00
    ";
    check(case, script).await;
}

async fn sends_without_a_campaign_are_judged_one_by_one(case: LedgerCase) {
    let script = "
        wallet main                          -> settled 0.00 held 0.00 available 0.00
        top-up main 1.00 pay-1               -> posted 1.00 balance 1.00
        send a price=2.00                    -> insufficient_balance needs 2.00 has 1.00
        send b price=0.50                    -> held 0.50 left 0.50
        send c price=0.60                    -> insufficient_balance needs 0.60 has 0.50
        show wallet main                     -> settled 1.00 held 0.50 available 0.50
        show events                          -> none
        send d campaign=diwali price=9.00    -> insufficient_balance needs 9.00 has 0.50
        send e price=0.50                    -> held 0.50 left 0.00
        show wallet main                     -> settled 1.00 held 1.00 available 0.00 exhausted
    ";
    check(case, script).await;
}

async fn what_is_free_flows_at_zero_balance(case: LedgerCase) {
    let script = "
        wallet main                               -> settled 0.00 held 0.00 available 0.00
        send a price=0.00 category=service        -> held 0.00 left 0.00
        send b price=0.00 campaign=diwali         -> held 0.00 left 0.00
        settle a                                  -> settled 0.00
        settle b                                  -> settled 0.00
        show entries main                         -> none
        show usage                     -> day 0 100 IN marketing 1 0.00, day 0 100 IN service 1 0.00
        show campaign diwali                   -> active of main accepted 1 used IN marketing 1 0.00
    ";
    check(case, script).await;
}

async fn external_sends_go_on_when_the_wallet_is_empty(case: LedgerCase) {
    let script = "
        wallet main                               -> settled 0.00 held 0.00 available 0.00
        top-up main 1.00 pay-1                    -> posted 1.00 balance 1.00
        send a campaign=diwali                    -> held 1.00 left 0.00
        send b campaign=diwali                    -> insufficient_balance needs 1.00 has 0.00
        send c campaign=diwali external           -> held 0.00
        send d campaign=new external              -> held 0.00
        send e external                           -> held 0.00
        settle c                                  -> settled 0.00
        show entries main                         -> 1 top_up pay-1 1.00 balance 1.00
        show campaign new                         -> active
        stop diwali upstream_payment_problem \
            -> stopped upstream_payment_problem since 0s of main held 1.00 accepted 1 rejected \
               insufficient_balance 1 used IN marketing 1 0.00
        send f campaign=diwali external           -> held 0.00
        stop new quality_red                      -> stopped quality_red since 0s
        send g campaign=new external              -> campaign_stopped quality_red since 0s
    ";
    check(case, script).await;
}

async fn only_money_coming_in_ends_exhaustion(case: LedgerCase) {
    let script = "
        wallet main limit=1.00                   -> settled 0.00 held 0.00 available 1.00 limit 1.00
        send a campaign=diwali                    -> held 1.00 left 0.00
        send b campaign=diwali                    -> insufficient_balance needs 1.00 has 0.00
        release a                                 -> released 1.00
        show wallet main               -> settled 0.00 held 0.00 available 1.00 limit 1.00 exhausted
        send c campaign=holi -> insufficient_balance needs 1.00 has 1.00 ran out at 1.00
        adjust main -0.50 down                    -> posted -0.50 balance -0.50
        wallet main limit=0.75        -> settled -0.50 held 0.00 available 0.25 limit 0.75 exhausted
        wallet main low=0.10 \
            -> settled -0.50 held 0.00 available 0.25 limit 0.75 low [0.10] exhausted
        wallet main limit=0.80       -> settled -0.50 held 0.00 available 0.30 limit 0.80 low [0.10]
        send d campaign=holi                      -> insufficient_balance needs 1.00 has 0.30
        show wallet main   -> settled -0.50 held 0.00 available 0.30 limit 0.80 low [0.10] exhausted
        adjust main 0.000001 up                   -> posted 0.000001 balance -0.499999
        show wallet main     -> settled -0.499999 held 0.00 available 0.300001 limit 0.80 low [0.10]
    ";
    check(case, script).await;
}

async fn a_batch_is_decided_in_order(case: LedgerCase) {
    let script = "
        wallet main                               -> settled 0.00 held 0.00 available 0.00
        & send a                                  -> insufficient_balance needs 1.00 has 0.00
        & top-up main 1.00 pay-1                  -> posted 1.00 balance 1.00
        & send b                                  -> held 1.00 left 0.00
        & send c                                  -> insufficient_balance needs 1.00 has 0.00
        & release b                               -> released 1.00
        & send d                                  -> held 1.00 left 0.00
        & settle d                                -> settled 1.00
        & settle d                                -> no hold
        & release d                               -> no hold
        & doubt d                                 -> no hold
        & abandon d                               -> no hold
        & settle never                            -> no hold
        show wallet main                          -> settled 0.00 held 0.00 available 0.00
    ";
    check(case, script).await;
}
