//! A send that comes twice: by idempotency key, by a body nobody waits for any more, by a
//! campaign's recipient.
use crate::support::ledger_script::check;
use crate::support::{LedgerCase, on_every_ledger};

on_every_ledger!(
    a_key_is_sent_once,
    a_key_of_a_send_that_was_not_made_is_free,
    a_key_is_kept_24_to_36_hours,
    a_key_whose_outcome_stays_unknown_is_never_free,
    a_hold_in_doubt_guards_its_body,
    an_abandoned_hold_guards_its_body_until_it_is_resolved,
    a_hold_guards_its_body_from_the_beginning_if_asked_to,
    two_clients_that_wait_are_two_sends,
    an_answer_may_be_kept_after_its_hold_is_settled,
    of_the_answers_to_one_body_the_newest_are_kept,
    an_answer_nobody_heard_is_kept_a_day,
    a_campaign_sends_to_each_recipient_once,
    a_finished_campaign_forgets_its_recipients_after_30_days
);

async fn a_key_is_sent_once(case: LedgerCase) {
    let script = "
        wallet main limit=9.00            -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a key=k body=x               -> held 1.00 left 8.00
        & send b key=k body=x             -> idempotency_in_flight
        send c key=k body=y               -> idempotency_conflict
        send d key=j body=x               -> held 1.00 left 7.00
        settle a id=wamid.HBgM            -> settled 1.00
        send e key=k body=x               -> replayed a wamid.HBgM 1.00
        send f key=k body=x campaign=new  -> replayed a wamid.HBgM 1.00
        send g key=k body=y               -> idempotency_conflict
        show campaign new                 -> none
        show wallet main                  -> settled -1.00 held 1.00 available 7.00 limit 9.00
    ";
    check(case, script).await;
}

async fn a_key_of_a_send_that_was_not_made_is_free(case: LedgerCase) {
    let script = "
        wallet main                       -> settled 0.00 held 0.00 available 0.00
        send a key=k body=x               -> insufficient_balance needs 1.00 has 0.00
        top-up main 9.00 p                -> posted 9.00 balance 9.00
        send b key=k body=x               -> held 1.00 left 8.00
        release b refused=131026          -> released 1.00
        # Another body may use it now.
        send c key=k body=y               -> held 1.00 left 8.00
        doubt c                           -> marked
        release c operator                -> released 1.00
        send d key=k body=x               -> held 1.00 left 8.00
        settle d                          -> settled 1.00
        send e key=k body=x               -> replayed d wamid.1 1.00
    ";
    check(case, script).await;
}

/// Kept for the half day of the reserve and two more; half days begin at 00:00 and 12:00 UTC and
/// the case begins at 08:00.
async fn a_key_is_kept_24_to_36_hours(case: LedgerCase) {
    let script = "
        wallet main limit=9.00            -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a key=ka body=x              -> held 1.00 left 8.00
        settle a                          -> settled 1.00
        at 3h+59m+59s+999ms
        send b key=kb body=x              -> held 1.00 left 7.00
        settle b                          -> settled 1.00
        at 4h
        send c key=kc body=x              -> held 1.00 left 6.00
        settle c                          -> settled 1.00
        at 27h+59m+59s+999ms
        send d key=ka body=x              -> replayed a wamid.1 1.00
        send e key=kb body=x              -> replayed b wamid.1 1.00
        at 28h
        send f key=kb body=y              -> held 1.00 left 5.00
        send g key=ka body=x              -> held 1.00 left 4.00
        at 39h+59m+59s+999ms
        send h key=kc body=x              -> replayed c wamid.1 1.00
        at 40h
        send i key=kc body=x              -> held 1.00 left 3.00
        # A hold that ends after its key was given away leaves the new one alone.
        send j key=ka body=x              -> idempotency_in_flight
    ";
    let mut run = check(case, script).await;
    let script = "
        at 68h
        send k key=ka body=z              -> held 1.00 left 2.00
        settle g id=wamid.late            -> settled 1.00
        send l key=ka body=z              -> idempotency_in_flight
        release f                         -> released 1.00
        release i                         -> released 1.00
        send m key=ka body=x              -> idempotency_conflict
    ";
    run.check(script).await;
}

async fn a_key_whose_outcome_stays_unknown_is_never_free(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a key=k body=x                    -> held 1.00 left 8.00
        doubt a                                -> marked
        doubt a                                -> marked
        send b key=k body=x                    -> outcome_unknown a
        # Charged by policy: there is still no first answer to repeat.
        settle a without-id                    -> settled 1.00
        send c key=k body=x                    -> outcome_unknown a
        send d key=k body=y                    -> idempotency_conflict
        # Without the key it is another message, and nothing is open any more.
        send e body=x                          -> held 1.00 left 7.00
        show events                            -> hold_in_doubt main a 1.00
    ";
    check(case, script).await;
}

async fn a_hold_in_doubt_guards_its_body(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a body=x campaign=diwali          -> held 1.00 left 8.00
        doubt a                                -> marked
        send b body=x campaign=diwali          -> outcome_unknown a
        send c body=x                          -> outcome_unknown a
        # A key says that the client means it.
        send d body=x key=k                    -> held 1.00 left 7.00
        send e body=y                          -> held 1.00 left 6.00
        settle a id=wamid.A                    -> settled 1.00
        # Who asks gets the answer until it is heard, the next is a message of its own.
        send f body=x                          -> replayed a wamid.A 1.00
        send f body=x                          -> replayed a wamid.A 1.00
        hear a x                               -> marked
        hear a x                               -> marked
        send g body=x                          -> held 1.00 left 5.00
        show campaign diwali \
            -> active of main spent 1.00 accepted 1 unknown 1 rejected outcome_unknown 1 used IN \
               marketing 1 1.00
        show events                            -> hold_in_doubt main diwali a 1.00
    ";
    check(case, script).await;
}

async fn an_abandoned_hold_guards_its_body_until_it_is_resolved(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a body=x                          -> held 1.00 left 8.00
        abandon a                              -> marked
        abandon a                              -> marked
        send b body=x                          -> outcome_unknown a
        show holds                             -> a open 1.00 100 IN marketing of main since 0s
        release a                              -> released 1.00
        send c body=x                          -> held 1.00 left 8.00
        abandon c                              -> marked
        doubt c                                -> marked
        send d body=x                          -> outcome_unknown c
        settle c id=wamid.C                    -> settled 1.00
        send e body=x                          -> replayed c wamid.C 1.00
        hear c x                               -> marked
        send f body=x                          -> held 1.00 left 7.00
        settle f                               -> settled 1.00
        abandon f                              -> no hold
        doubt f                                -> no hold
        # This answer was heard, or so the gateway thinks: nothing is kept of it.
        send g body=x                          -> held 1.00 left 6.00
        # Settled by policy there is no answer to repeat.
        abandon g                              -> marked
        settle g without-id                    -> settled 1.00
        send h body=x                          -> held 1.00 left 5.00
        show events                            -> hold_in_doubt main c 1.00
    ";
    check(case, script).await;
}

async fn a_hold_guards_its_body_from_the_beginning_if_asked_to(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a guarding body=x                 -> held 1.00 left 8.00
        & send b body=x                        -> outcome_unknown a
        & send c guarding body=x               -> outcome_unknown a
        abandon a                              -> marked
        settle a id=wamid.1                    -> settled 1.00
        send d body=x                          -> replayed a wamid.1 1.00
        hear a x                               -> marked
        send e guarding body=x                 -> held 1.00 left 7.00
        release e                              -> released 1.00
        send f body=x                          -> held 1.00 left 7.00
    ";
    check(case, script).await;
}

async fn two_clients_that_wait_are_two_sends(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a body=x                          -> held 1.00 left 8.00
        send b body=x                          -> held 1.00 left 7.00
        abandon a                              -> marked
        send c body=x                          -> outcome_unknown a
        abandon b                              -> marked
        settle a id=wamid.A                    -> settled 1.00
        # While one of them is open, nobody knows how many messages there are.
        send d body=x                          -> outcome_unknown b
        settle b id=wamid.B                    -> settled 1.00
        & send e body=x                        -> replayed a wamid.A 1.00
        & hear a x                             -> marked
        & send f body=x                        -> replayed b wamid.B 1.00
        & hear b x                             -> marked
        & send g body=x                        -> held 1.00 left 6.00
    ";
    check(case, script).await;
}

async fn an_answer_may_be_kept_after_its_hold_is_settled(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a body=x                          -> held 1.00 left 8.00
        settle a id=wamid.A                    -> settled 1.00
        & unheard a x id=wamid.A               -> marked
        unheard a x id=wamid.A                 -> marked
        send b body=x                          -> replayed a wamid.A 1.00
        hear a x                               -> marked
        send c body=x                          -> held 1.00 left 7.00
    ";
    check(case, script).await;
}

async fn of_the_answers_to_one_body_the_newest_are_kept(case: LedgerCase) {
    let mut script = String::from(
        "
        wallet main limit=99.00 -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send s0 body=y -> held 1.00 left 98.00
        ",
    );
    for n in 1..=10 {
        let left = 98 - n;
        script += &format!("send s{n} body=b{n} -> held 1.00 left {left}.00\n");
        script += &format!("unheard s{n} x id=wamid.{n} -> marked\n");
    }
    for n in 3..=10 {
        script += &format!("send r{n} body=x -> replayed s{n} wamid.{n} 1.00\n");
        script += &format!("hear s{n} x -> marked\n");
    }
    script += "send last body=x -> held 1.00 left 87.00\n";
    check(case, &script).await;
}

async fn an_answer_nobody_heard_is_kept_a_day(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a body=x                          -> held 1.00 left 8.00
        abandon a                              -> marked
        settle a id=wamid.A                    -> settled 1.00
        at 12h
        send b body=y                          -> held 1.00 left 7.00
        abandon b                              -> marked
        settle b id=wamid.B                    -> settled 1.00
        send c body=z                          -> held 1.00 left 6.00
        abandon c                              -> marked
        settle c id=wamid.C                    -> settled 1.00
        at 23h+59m+59s+999ms
        sweep open=38s doubt=24h               -> swept marked 0 resolved 0
        send d body=x                          -> replayed a wamid.A 1.00
        at 24h
        send e body=x                          -> held 1.00 left 5.00
        sweep open=38s doubt=24h               -> swept marked 0 resolved 0
        send f body=y                          -> replayed b wamid.B 1.00
        at 36h
        sweep open=72h doubt=72h               -> swept marked 0 resolved 0
        send g body=z                          -> held 1.00 left 4.00
    ";
    check(case, script).await;
}

async fn a_campaign_sends_to_each_recipient_once(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        create diwali wallet=main dedupe       -> active of main dedupe
        send a campaign=diwali to=r1           -> held 1.00 left 8.00
        send b campaign=diwali to=r1           -> already_sent
        send c campaign=diwali to=r2           -> held 1.00 left 7.00
        & send d campaign=diwali to=r2         -> already_sent
        send e campaign=diwali to=r1 external  -> already_sent
        send f to=r1                           -> held 1.00 left 6.00
        send g campaign=holi to=r1             -> held 1.00 left 5.00
        send h campaign=holi to=r1             -> held 1.00 left 4.00
        settle a                               -> settled 1.00
        send i campaign=diwali to=r1           -> already_sent
        release c refused=131026               -> released 1.00
        send j campaign=diwali to=r2           -> held 1.00 left 4.00
        doubt j                                -> marked
        send k campaign=diwali to=r2           -> already_sent
        release j operator                     -> released 1.00
        send l campaign=diwali to=r2           -> held 1.00 left 4.00
        later 100d
        send m campaign=diwali to=r1           -> already_sent
    ";
    check(case, script).await;
}

async fn a_finished_campaign_forgets_its_recipients_after_30_days(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                 -> settled 0.00 held 0.00 available 9.00 limit 9.00
        create diwali wallet=main dedupe       -> active of main dedupe
        send a campaign=diwali to=r1           -> held 1.00 left 8.00
        finish diwali                          -> finished since 0s of main dedupe held 1.00
        later 31d
        send b campaign=diwali to=r1           -> campaign_stopped finished since 0s
        # A hold that ends after its recipient was forgotten does no harm.
        release a                              -> released 1.00
        show campaign diwali         -> finished since 0s of main dedupe rejected campaign_stopped 1
    ";
    check(case, script).await;
}
