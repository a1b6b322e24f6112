//! Campaigns: made, stopped, restarted by a person, finished; their budgets and their counts.
use crate::support::ledger_script::check;
use crate::support::{LedgerCase, on_every_ledger};

on_every_ledger!(
    a_campaign_belongs_to_the_wallet_of_its_first_prepaid_send,
    making_a_campaign_twice_makes_one,
    a_budget_stops_its_campaign_alone,
    a_stopped_campaign_waits_for_a_person,
    a_finished_campaign_stays_finished,
    counts_add_up,
    a_stop_for_another_reason_still_needs_the_credits
);

async fn a_campaign_belongs_to_the_wallet_of_its_first_prepaid_send(case: LedgerCase) {
    let script = "
        wallet main                                  -> settled 0.00 held 0.00 available 0.00
        wallet other                                 -> settled 0.00 held 0.00 available 0.00
        top-up main 5.00 p                           -> posted 5.00 balance 5.00
        top-up other 5.00 p                          -> posted 5.00 balance 5.00
        send a campaign=diwali external              -> held 0.00
        show campaign diwali                         -> active
        send b campaign=diwali wallet=other          -> held 1.00 left 4.00
        send c campaign=diwali wallet=main           -> campaign_unknown
        send d campaign=diwali external              -> held 0.00
        show campaign diwali                -> active of other held 1.00 rejected campaign_unknown 1
        send e known-campaign=nobody                 -> campaign_unknown
        show campaign nobody                         -> none
        send f known-campaign=diwali wallet=other    -> held 1.00 left 3.00
        create planned wallet=main                   -> active of main
        send g known-campaign=planned wallet=other   -> campaign_unknown
        create elsewhere wallet=nobody               -> wallet unknown
        send h wallet=nobody                         -> wallet unknown
    ";
    check(case, script).await;
}

async fn making_a_campaign_twice_makes_one(case: LedgerCase) {
    let script = "
        wallet main                                         -> settled 0.00 held 0.00 available 0.00
        create diwali name=Lights wallet=main budget=5.00    -> active 'Lights' of main budget 5.00
        create diwali name=Lights wallet=main budget=5.00    -> active 'Lights' of main budget 5.00
        create diwali name=Lights budget=5.00                -> active 'Lights' of main budget 5.00
        create diwali name=Other wallet=main budget=5.00     -> campaign exists
        create diwali name=Lights wallet=main budget=6.00    -> campaign exists
        create diwali name=Lights wallet=main                -> campaign exists
        create diwali name=Lights budget=5.00 dedupe         -> campaign exists
        create diwali name=Lights budget=5.00 exempt         -> campaign exists
        create holi budget=-0.01                             -> out of range
        show campaign holi                                   -> none
        show events                                          -> none
    ";
    check(case, script).await;
}

async fn a_budget_stops_its_campaign_alone(case: LedgerCase) {
    let script = "
        wallet main                               -> settled 0.00 held 0.00 available 0.00
        top-up main 9.00 p                        -> posted 9.00 balance 9.00
        create diwali wallet=main budget=2.00     -> active of main budget 2.00
        send a campaign=diwali                    -> held 1.00 left 8.00
        send b campaign=diwali                    -> held 1.00 left 7.00
        settle a                                  -> settled 1.00
        release b                                 -> released 1.00
        send c campaign=diwali price=0.999999     -> held 0.999999 left 7.000001
        send d campaign=diwali price=0.000001     -> held 0.000001 left 7.00
        # What is free goes through at the limit.
        send e campaign=diwali price=0.00         -> held 0.00 left 7.00
        later 1s
        send f campaign=diwali price=0.000001     -> campaign_stopped budget_spent since 1s
        later 1s
        send g campaign=diwali price=0.00         -> campaign_stopped budget_spent since 1s
        send h campaign=holi                      -> held 1.00 left 6.00
        send i campaign=diwali external           -> held 0.00
        show events                               -> campaign_stopped main diwali 2.00 budget_spent
        restart diwali \
            -> active of main budget 2.00 spent 1.00 held 1.00 accepted 1 rejected \
               campaign_stopped 2 used IN marketing 1 1.00
        send j campaign=diwali                    -> campaign_stopped budget_spent since 2s
        show events \
            -> campaign_restarted main diwali, campaign_stopped main diwali 2.00 budget_spent
        create frugal budget=0.00                 -> active budget 0.00
        send k campaign=frugal                    -> campaign_stopped budget_spent since 2s
        show wallet main                          -> settled 8.00 held 2.00 available 6.00
    ";
    check(case, script).await;
}

async fn a_stopped_campaign_waits_for_a_person(case: LedgerCase) {
    let script = "
        wallet main                          -> settled 0.00 held 0.00 available 0.00
        top-up main 9.00 p                   -> posted 9.00 balance 9.00
        send a campaign=diwali               -> held 1.00 left 8.00
        later 3s
        stop diwali operator                 -> stopped operator since 3s of main held 1.00
        later 3s
        # The first reason is kept, and nothing is reported twice.
        stop diwali quality_red              -> stopped operator since 3s of main held 1.00
        send b campaign=diwali               -> campaign_stopped operator since 3s
        send c campaign=diwali external      -> campaign_stopped operator since 3s
        # What is under way still ends.
        settle a                             -> settled 1.00
        restart diwali \
            -> active of main spent 1.00 accepted 1 rejected campaign_stopped 2 used IN marketing \
               1 1.00
        send d campaign=diwali               -> held 1.00 left 7.00
        show events         -> campaign_stopped main diwali operator, campaign_restarted main diwali
        stop nobody operator                 -> campaign unknown
        stop diwali error_rate \
            -> stopped error_rate since 6s of main spent 1.00 held 1.00 accepted 1 rejected \
               campaign_stopped 2 used IN marketing 1 1.00
        send e campaign=diwali external      -> campaign_stopped error_rate since 6s
    ";
    check(case, script).await;
}

async fn a_finished_campaign_stays_finished(case: LedgerCase) {
    let script = "
        wallet main                          -> settled 0.00 held 0.00 available 0.00
        top-up main 9.00 p                   -> posted 9.00 balance 9.00
        send a campaign=diwali               -> held 1.00 left 8.00
        later 1s
        finish diwali                        -> finished since 1s of main held 1.00
        later 1s
        finish diwali                        -> finished since 1s of main held 1.00
        restart diwali                       -> campaign finished
        stop diwali operator                 -> campaign finished
        send b campaign=diwali               -> campaign_stopped finished since 1s
        send c campaign=diwali external      -> campaign_stopped finished since 1s
        settle a                             -> settled 1.00
        show campaign diwali \
            -> finished since 1s of main spent 1.00 accepted 1 rejected campaign_stopped 2 used IN \
               marketing 1 1.00
        finish nobody                        -> campaign unknown
        show events                          -> none
    ";
    check(case, script).await;
}

async fn counts_add_up(case: LedgerCase) {
    let script = "
        wallet main                                      -> settled 0.00 held 0.00 available 0.00
        top-up main 9.00 p                               -> posted 9.00 balance 9.00
        send a campaign=diwali country=DE price=0.50     -> held 0.50 left 8.50
        send b campaign=diwali category=utility          -> held 1.00 left 7.50
        send c campaign=diwali country=DE price=0.25     -> held 0.25 left 7.25
        send d campaign=diwali                           -> held 1.00 left 6.25
        release d refused=131026                         -> released 1.00
        send e campaign=diwali                           -> held 1.00 left 6.25
        release e refused=131026                         -> released 1.00
        send f campaign=diwali                           -> held 1.00 left 6.25
        release f                                        -> released 1.00
        doubt c                                          -> marked
        settle a                                         -> settled 0.50
        settle b                                         -> settled 1.00
        settle c                                         -> settled 0.25
        count diwali campaign_stopped 40                 -> counted
        count diwali throughput_limited 2                -> counted
        count diwali campaign_stopped 2                  -> counted
        # Of a campaign that is not there nothing is counted.
        count nobody campaign_stopped 2                  -> counted
        show campaign diwali \
            -> active of main spent 1.75 accepted 3 unknown 1 rejected campaign_stopped 42 \
               rejected throughput_limited 2 refused 131026 2 used DE marketing 2 0.75 used IN \
               utility 1 1.00
        show campaign nobody                             -> none
        show usage                     -> day 0 100 DE marketing 2 0.75, day 0 100 IN utility 1 1.00
    ";
    check(case, script).await;
}

async fn a_stop_for_another_reason_still_needs_the_credits(case: LedgerCase) {
    let script = "
        wallet main                          -> settled 0.00 held 0.00 available 0.00
        top-up main 1.00 p                   -> posted 1.00 balance 1.00
        send a campaign=diwali               -> held 1.00 left 0.00
        send b campaign=diwali               -> insufficient_balance needs 1.00 has 0.00
        stop diwali operator \
            -> stopped operator since 0s of main held 1.00 rejected insufficient_balance 1
        restart diwali                       -> shortfall needs 1.00 has 0.00
        send c campaign=diwali               -> campaign_stopped operator since 0s
        top-up main 1.00 q                   -> posted 1.00 balance 2.00
        restart diwali \
            -> active of main held 1.00 rejected campaign_stopped 1 rejected insufficient_balance 1
        send d campaign=diwali               -> held 1.00 left 0.00
    ";
    check(case, script).await;
}
