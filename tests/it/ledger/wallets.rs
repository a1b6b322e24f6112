//! Credits in and out without a message: top-ups, adjustments, references, overdraft limits,
//! thresholds, and the edges of exact numbers.
use crate::support::ledger_script::check;
use crate::support::{LedgerCase, on_every_ledger};

on_every_ledger!(
    a_reference_moves_money_once,
    references_belong_to_their_wallet,
    a_top_up_is_above_zero,
    a_price_below_zero_is_no_price,
    an_adjustment_takes_no_more_than_there_is,
    an_overdraft_limit_is_spent_like_credits,
    a_limit_in_use_is_not_lowered,
    a_threshold_fires_once_when_crossed_downwards,
    thresholds_set_below_the_balance_wait_and_above_it_stay_silent,
    amounts_near_two_to_the_53_stay_exact,
    statement_entries_carry_the_balance_after,
    settings_left_out_stay
);

async fn a_reference_moves_money_once(case: LedgerCase) {
    let script = "
        wallet main                     -> settled 0.00 held 0.00 available 0.00
        top-up main 5.00 pay-1          -> posted 5.00 balance 5.00
        adjust main -1.00 fix-1 typo    -> posted -1.00 balance 4.00
        top-up main 5.00 pay-1          -> posted before 5.00 balance 5.00
        top-up main 5.01 pay-1          -> reference conflict
        adjust main 5.00 pay-1          -> reference conflict
        adjust main -1.00 fix-1 typo    -> posted before -1.00 balance 4.00
        adjust main -1.00 fix-1 other   -> reference conflict
        top-up main 1.00 fix-1          -> reference conflict
        later 400d
        top-up main 5.00 pay-1          -> posted before 5.00 balance 5.00
        & top-up main 1.00 pay-2        -> posted 1.00 balance 5.00
        & top-up main 1.00 pay-2        -> posted before 1.00 balance 5.00
        show wallet main                -> settled 5.00 held 0.00 available 5.00
        show entries main \
            -> 1 top_up pay-1 5.00 balance 5.00, 2 adjustment fix-1 'typo' -1.00 balance 4.00, 3 \
               top_up pay-2 1.00 balance 5.00
    ";
    check(case, script).await;
}

async fn references_belong_to_their_wallet(case: LedgerCase) {
    let script = "
        wallet main                     -> settled 0.00 held 0.00 available 0.00
        wallet other                    -> settled 0.00 held 0.00 available 0.00
        top-up main 5.00 pay/1:x        -> posted 5.00 balance 5.00
        top-up other 7.00 pay/1:x       -> posted 7.00 balance 7.00
        top-up main 5.00 pay            -> posted 5.00 balance 10.00
        top-up nobody 5.00 pay          -> wallet unknown
        adjust nobody 5.00 pay          -> wallet unknown
        show entries other              -> 2 top_up pay/1:x 7.00 balance 7.00
        show entries nobody             -> none
    ";
    check(case, script).await;
}

async fn a_top_up_is_above_zero(case: LedgerCase) {
    let script = "
        wallet main                     -> settled 0.00 held 0.00 available 0.00
        top-up main 0.00 a              -> out of range
        top-up main -1.00 b             -> out of range
        adjust main 0.00 c              -> out of range
        top-up main 0.000001 a          -> posted 0.000001 balance 0.000001
        show entries main               -> 1 top_up a 0.000001 balance 0.000001
    ";
    check(case, script).await;
}

async fn a_price_below_zero_is_no_price(case: LedgerCase) {
    let script = "
        wallet main limit=1.00          -> settled 0.00 held 0.00 available 1.00 limit 1.00
        send a price=-0.000001          -> out of range
        send b price=-1.00 external     -> out of range
        send c price=-1.00 category=service free=1 key=k campaign=diwali limit=0 -> out of range
        settle a                        -> no hold
        show wallet main                -> settled 0.00 held 0.00 available 1.00 limit 1.00
        show campaign diwali            -> none
        send d key=k                    -> held 1.00 left 0.00
    ";
    check(case, script).await;
}

async fn an_adjustment_takes_no_more_than_there_is(case: LedgerCase) {
    let script = "
        wallet main                     -> settled 0.00 held 0.00 available 0.00
        top-up main 5.00 a              -> posted 5.00 balance 5.00
        send x price=2.00               -> held 2.00 left 3.00
        adjust main -3.000001 b         -> shortfall needs 3.000001 has 3.00
        adjust main -3.00 c             -> posted -3.00 balance 2.00
        adjust main -0.000001 d         -> shortfall needs 0.000001 has 0.00
        # A reference that moved nothing is free again.
        top-up main 1.00 d              -> posted 1.00 balance 3.00
        settle x                        -> settled 2.00
        show wallet main                -> settled 1.00 held 0.00 available 1.00
    ";
    check(case, script).await;
}

async fn an_overdraft_limit_is_spent_like_credits(case: LedgerCase) {
    let script = "
        wallet main limit=2.50          -> settled 0.00 held 0.00 available 2.50 limit 2.50
        send a                          -> held 1.00 left 1.50
        send b                          -> held 1.00 left 0.50
        send c                          -> insufficient_balance needs 1.00 has 0.50
        settle a                        -> settled 1.00
        settle b                        -> settled 1.00
        show wallet main                -> settled -2.00 held 0.00 available 0.50 limit 2.50
        adjust main -0.51 x             -> shortfall needs 0.51 has 0.50
        adjust main -0.50 y             -> posted -0.50 balance -2.50
        top-up main 3.00 z              -> posted 3.00 balance 0.50
        show wallet main                -> settled 0.50 held 0.00 available 3.00 limit 2.50
        wallet main limit=-0.01         -> out of range
        wallet main limit=0.00          -> settled 0.50 held 0.00 available 0.50
    ";
    check(case, script).await;
}

async fn a_limit_in_use_is_not_lowered(case: LedgerCase) {
    let script = "
        wallet main limit=2.00          -> settled 0.00 held 0.00 available 2.00 limit 2.00
        send a price=1.50               -> held 1.50 left 0.50
        wallet main limit=1.49          -> shortfall needs 0.51 has 0.50
        wallet main limit=1.49 low=1.00 -> shortfall needs 0.51 has 0.50
        wallet main limit=1.50          -> settled 0.00 held 1.50 available 0.00 limit 1.50
        settle a                        -> settled 1.50
        wallet main limit=1.49          -> shortfall needs 0.01 has 0.00
        wallet main limit=1.50          -> settled -1.50 held 0.00 available 0.00 limit 1.50
        show wallet main                -> settled -1.50 held 0.00 available 0.00 limit 1.50
    ";
    check(case, script).await;
}

async fn a_threshold_fires_once_when_crossed_downwards(case: LedgerCase) {
    let script = "
        wallet main                             -> settled 0.00 held 0.00 available 0.00
        top-up main 10.00 a                     -> posted 10.00 balance 10.00
        wallet main low=5.00,2.00        -> settled 10.00 held 0.00 available 10.00 low [5.00, 2.00]
        send a price=5.00                       -> held 5.00 left 5.00
        show events                             -> none
        send b price=1.00                       -> held 1.00 left 4.00
        show events                             -> low_balance main 5.00 available 4.00
        # Holds given back and taken again make no noise.
        release b                               -> released 1.00
        send c price=1.00                       -> held 1.00 left 4.00
        settle c                                -> settled 1.00
        show events                             -> none
        send d price=3.00                       -> held 3.00 left 1.00
        show events                             -> low_balance main 2.00 available 1.00
        top-up main 2.00 b                      -> posted 2.00 balance 11.00
        # Above 2.00 again, still below 5.00.
        send e price=2.00                       -> held 2.00 left 1.00
        show events                             -> low_balance main 2.00 available 1.00
        top-up main 20.00 c                     -> posted 20.00 balance 31.00
        adjust main -20.00 d                    -> posted -20.00 balance 11.00
        show events    -> low_balance main 5.00 available 1.00, low_balance main 2.00 available 1.00
    ";
    check(case, script).await;
}

async fn thresholds_set_below_the_balance_wait_and_above_it_stay_silent(case: LedgerCase) {
    let script = "
        wallet main low=1.00                    -> settled 0.00 held 0.00 available 0.00 low [1.00]
        show events                             -> none
        top-up main 3.00 a                      -> posted 3.00 balance 3.00
        send a price=2.50                       -> held 2.50 left 0.50
        show events                             -> low_balance main 1.00 available 0.50
        wallet main limit=4.00        -> settled 3.00 held 2.50 available 4.50 limit 4.00 low [1.00]
        wallet main limit=0.00                  -> settled 3.00 held 2.50 available 0.50 low [1.00]
        show events                             -> low_balance main 1.00 available 0.50
        wallet main low=                        -> settled 3.00 held 2.50 available 0.50
        wallet main low=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17   -> out of range
        show wallet main                        -> settled 3.00 held 2.50 available 0.50
    ";
    check(case, script).await;
}

/// A wallet is exact in a double: its sums stay below 2^53 micro-credits.
async fn amounts_near_two_to_the_53_stay_exact(case: LedgerCase) {
    let script = "
        wallet main                             -> settled 0.00 held 0.00 available 0.00
        top-up main 9007199254.740990 a         -> posted 9007199254.74099 balance 9007199254.74099
        top-up main 0.000002 b                  -> out of range
        wallet main limit=0.000002              -> out of range
        top-up main 0.000001 b                  -> posted 0.000001 balance 9007199254.740991
        top-up main 0.000001 c                  -> out of range
        wallet main limit=0.000001              -> out of range
        send a price=9007199254.740991          -> held 9007199254.740991 left 0.00
        send b price=0.000001                   -> insufficient_balance needs 0.000001 has 0.00
        settle a                                -> settled 9007199254.740991
        show wallet main                        -> settled 0.00 held 0.00 available 0.00
        wallet main limit=9007199254.740991 \
            -> settled 0.00 held 0.00 available 9007199254.740991 limit 9007199254.740991
        send c price=9007199254.740990          -> held 9007199254.74099 left 0.000001
        settle c                                -> settled 9007199254.74099
        show wallet main \
            -> settled -9007199254.74099 held 0.00 available 0.000001 limit 9007199254.740991
        adjust main -0.000001 d                 -> posted -0.000001 balance -9007199254.740991
        adjust main -0.000001 e                 -> out of range
        show usage                              -> day 0 100 IN marketing 2 9007199254.740991
    ";
    check(case, script).await;
}

async fn statement_entries_carry_the_balance_after(case: LedgerCase) {
    let script = "
        wallet main                             -> settled 0.00 held 0.00 available 0.00
        wallet other                            -> settled 0.00 held 0.00 available 0.00
        top-up main 3.00 a                      -> posted 3.00 balance 3.00
        top-up other 1.00 a                     -> posted 1.00 balance 1.00
        send x price=1.00 category=utility country=BR channel=200   -> held 1.00 left 2.00
        send y price=1.00 wallet=other          -> held 1.00 left 0.00
        settle y                                -> settled 1.00
        settle x                                -> settled 1.00
        show entries main \
            -> 1 top_up a 3.00 balance 3.00, 4 charge x 200 BR utility -1.00 balance 2.00
        show entries other \
            -> 2 top_up a 1.00 balance 1.00, 3 charge y 100 IN marketing -1.00 balance 0.00
    ";
    check(case, script).await;
}

async fn settings_left_out_stay(case: LedgerCase) {
    let script = "
        wallet main limit=1.00 low=0.50 \
            -> settled 0.00 held 0.00 available 1.00 limit 1.00 low [0.50]
        wallet main                   -> settled 0.00 held 0.00 available 1.00 limit 1.00 low [0.50]
        wallet main low=0.25          -> settled 0.00 held 0.00 available 1.00 limit 1.00 low [0.25]
        wallet main limit=2.00        -> settled 0.00 held 0.00 available 2.00 limit 2.00 low [0.25]
    ";
    check(case, script).await;
}
