//! Recipients that turn out to be one person: from then on caps, the messaging limit and campaigns
//! count them as one, whatever each was sent before.

use tollgate::ledger::{Operation, RecipientHash, Verdict};

use crate::support::ledger_script::check;
use crate::support::{DAY, LedgerCase, on_every_ledger};

on_every_ledger!(
    a_cap_counts_what_all_aliases_got,
    a_campaign_writes_to_a_person_once,
    a_person_takes_one_slot,
    what_was_open_when_an_alias_was_learned_still_ends,
    an_alias_of_an_alias_is_the_same_person,
    an_alias_outlives_the_ledgers_process,
    an_alias_is_kept_a_year_after_it_was_confirmed,
    aliases_are_bounded,
    what_older_versions_kept_under_the_number_as_written_counts,
);

async fn a_cap_counts_what_all_aliases_got(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a to=x caps=marketing:2:24h          -> held 1.00 left 98.00
        settle a                                  -> settled 1.00
        at 1h
        send b to=w caps=marketing:2:24h          -> held 1.00 left 97.00
        settle b                                  -> settled 1.00
        & alias x~w                               -> learned
        send c to=w caps=marketing:2:24h      -> frequency_capped 2 in 86400s retry 82800s
        send d to=x caps=marketing:2:24h      -> frequency_capped 2 in 86400s retry 82800s
        send e to=y caps=marketing:2:24h          -> held 1.00 left 96.00
        alias x~w                                 -> known
        alias w~x                                 -> known
        at 24h
        send f to=x caps=marketing:2:24h          -> held 1.00 left 95.00
        send g to=w caps=marketing:2:24h      -> frequency_capped 2 in 86400s retry 3600s
        release f                                 -> released 1.00
        send h to=w caps=marketing:2:24h          -> held 1.00 left 95.00
    ";
    check(case, script).await;
}

async fn a_campaign_writes_to_a_person_once(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        create once wallet=main dedupe            -> active of main dedupe
        create more wallet=main dedupe            -> active of main dedupe
        send a to=x campaign=once                 -> held 1.00 left 98.00
        & alias x~w                               -> learned
        & send b to=w campaign=once               -> already_sent
        send c to=w campaign=more                 -> held 1.00 left 97.00
        send d to=x campaign=more                 -> already_sent
        release c                                 -> released 1.00
        send e to=x campaign=more                 -> held 1.00 left 97.00
        send f to=w campaign=more                 -> already_sent
        send g to=w                               -> held 1.00 left 96.00
    ";
    check(case, script).await;
}

async fn a_person_takes_one_slot(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a to=x limit=2                       -> held 1.00 left 98.00
        settle a                                  -> settled 1.00
        alias x~w                                 -> learned
        send b to=w limit=2                       -> held 1.00 left 97.00
        show window p1                            -> 1
        send c to=y limit=2                       -> held 1.00 left 96.00
        show window p1                            -> 2
        send d to=z limit=2                       -> messaging_limit_reached 2 of 2
        send e to=w limit=2                       -> held 1.00 left 95.00
        send f to=x limit=2                       -> held 1.00 left 94.00
        show window p1                            -> 2
        # Another portfolio counts for itself.
        send g to=w limit=1 portfolio=p2          -> held 1.00 left 93.00
        send h to=x limit=1 portfolio=p2          -> held 1.00 left 92.00
        show window p2                            -> 1
        release g                                 -> released 1.00
        show window p2                            -> 1
        release h                                 -> released 1.00
        show window p2                            -> 0
        # The slot is kept from the last accepted send, whoever it named.
        release f                                 -> released 1.00
        release c                                 -> released 1.00
        settle b                                  -> settled 1.00
        at 1h
        settle e                                  -> settled 1.00
        at 24h+59m
        show window p1                            -> 1
        at 25h+1m
        show window p1                            -> 0
    ";
    check(case, script).await;
}

async fn what_was_open_when_an_alias_was_learned_still_ends(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        create once wallet=main dedupe            -> active of main dedupe
        send a to=x limit=9 caps=marketing:2:1h campaign=once  -> held 1.00 left 98.00
        send b to=w limit=9 caps=marketing:2:1h campaign=once  -> held 1.00 left 97.00
        show window p1                            -> 2
        alias x~w                                 -> learned
        send c to=x limit=9 caps=marketing:2:1h   -> frequency_capped 2 in 3600s retry 3600s
        release a                                 -> released 1.00
        show window p1                            -> 1
        send d to=x campaign=once                 -> already_sent
        send e to=x limit=1 caps=marketing:2:1h   -> held 1.00 left 97.00
        release b                                 -> released 1.00
        release e                                 -> released 1.00
        show window p1                            -> 0
        send f to=w campaign=once                 -> held 1.00 left 98.00
    ";
    check(case, script).await;
}

async fn an_alias_of_an_alias_is_the_same_person(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        alias x~w                                 -> learned
        alias w~v                                 -> learned
        send a to=x caps=marketing:1:1h           -> held 1.00 left 98.00
        send b to=v caps=marketing:1:1h           -> frequency_capped 1 in 3600s retry 3600s
        alias u~x                                 -> learned
        send c to=u caps=marketing:1:1h           -> frequency_capped 1 in 3600s retry 3600s
        # An upstream that names one for everybody makes no crowd into one person.
        alias t~w                                 -> known
        send d to=t caps=marketing:1:1h           -> held 1.00 left 97.00
    ";
    check(case, script).await;
}

async fn an_alias_outlives_the_ledgers_process(mut case: LedgerCase) {
    case.apply(vec![learn(b"x.......", b"w.......")]).await.unwrap();
    case.reopen().await;
    let script = "
        alias x~w                                 -> known
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        send a to=x caps=marketing:1:1h           -> held 1.00 left 98.00
        send b to=w caps=marketing:1:1h           -> frequency_capped 1 in 3600s retry 3600s
    ";
    check(case, script).await;
}

async fn an_alias_is_kept_a_year_after_it_was_confirmed(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        alias x~w                                 -> learned
        later 29d
        alias x~w                                 -> known
        later 1d
        alias x~w                                 -> learned
        later 365d
        send a to=x caps=marketing:1:1h           -> held 1.00 left 98.00
        send b to=w caps=marketing:1:1h           -> frequency_capped 1 in 3600s retry 3600s
        later 1d
        send c to=x caps=marketing:1:1h           -> held 1.00 left 97.00
        send d to=w caps=marketing:1:1h           -> held 1.00 left 96.00
        alias x~w                                 -> learned
        send e to=w caps=marketing:1:1h           -> frequency_capped 1 in 3600s retry 3600s
    ";
    check(case, script).await;
}

fn learn(one: &RecipientHash, other: &RecipientHash) -> Operation {
    Operation::LearnAlias { recipients: [*one, *other].into() }
}

/// All of these hashes begin with the same ten bits.
async fn aliases_are_bounded(mut case: LedgerCase) {
    let pair =
        |n: u8, last| learn(&[5, 0x40, n, 1, 0, 0, 0, last], &[5, 0x7f, n, 2, 0, 0, 0, last]);
    let mut learned = 0;
    for n in 0..=150 {
        let verdicts = case.apply(vec![pair(n, 0)]).await.unwrap();
        learned += usize::from(verdicts == [Verdict::AliasLearned { changed: true }]);
    }
    assert_eq!(learned, 127, "room is left for a whole person, of four");
    // Others have room, and so has this part again when its own are past their time.
    let elsewhere = learn(&[5, 0x80, 0, 0, 0, 0, 0, 0], &[5, 0xc0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        case.apply(vec![elsewhere]).await.unwrap(),
        [Verdict::AliasLearned { changed: true }]
    );
    case.clock.advance(366 * DAY);
    assert_eq!(
        case.apply(vec![pair(7, 1), pair(7, 0)]).await.unwrap(),
        [Verdict::AliasLearned { changed: true }, Verdict::AliasLearned { changed: true }]
    );
}

async fn what_older_versions_kept_under_the_number_as_written_counts(case: LedgerCase) {
    let script = "
        wallet main limit=99.00                -> settled 0.00 held 0.00 available 99.00 limit 99.00
        create once wallet=main dedupe            -> active of main dedupe
        send a to=521 limit=9 caps=marketing:1:1h campaign=once  -> held 1.00 left 98.00
        settle a                                  -> settled 1.00
        # The same number now has an identity.
        send b to=52 spelled=521 caps=marketing:1:1h  -> frequency_capped 1 in 3600s retry 3600s
        send c to=52 spelled=521 campaign=once    -> already_sent
        at 1h
        # A slot of before is given up in its time; the person takes one of its own.
        send d to=52 spelled=521 limit=9 caps=marketing:1:1h  -> held 1.00 left 97.00
        show window p1                            -> 2
        send e to=52 caps=marketing:1:1h          -> frequency_capped 1 in 3600s retry 3600s
        release d                                 -> released 1.00
        show window p1                            -> 1
    ";
    check(case, script).await;
}
