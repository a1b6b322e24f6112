//! Lists by pages: every item once and in order, whatever the page size; cursors of other lists are
//! refused.

use tollgate::ids::WalletId;
use tollgate::ledger::{HoldState, LedgerFault, PageRequest};

use crate::support::ledger_script::{check, render};
use crate::support::{CASE_START_MS, LedgerCase, MINUTE, all, day, on_every_ledger};

on_every_ledger!(
    accounts_are_listed_in_order,
    campaigns_are_listed_in_order,
    holds_are_listed_oldest_first,
    entries_are_listed_by_wallet_and_time,
    events_are_listed_oldest_first,
    wallets_are_listed_in_order,
    usage_is_listed_for_the_days_asked,
    a_cursor_of_another_list_is_refused,
    what_is_not_there_is_listed_as_nothing
);

const LIMITS: [usize; 4] = [1, 2, 3, 100];

async fn accounts_are_listed_in_order(mut case: LedgerCase) {
    for account in ["zeta", "a-1", "B", "acme2", "a_2"] {
        case.turn_to(account);
        check_founding(&mut case).await;
    }
    for limit in LIMITS {
        let accounts =
            all(limit, async |page| case.ledger.reads.accounts(&page).await.unwrap()).await;
        let names: Vec<&str> = accounts.iter().map(|account| account.as_str()).collect();
        assert_eq!(names, ["B", "a-1", "a_2", "acme", "acme2", "zeta"], "in pages of {limit}");
    }
}

async fn check_founding(case: &mut LedgerCase) {
    let founding = tollgate::ledger::Operation::PutDocument {
        kind: tollgate::ledger::DocumentKind::Account,
        id: "account".into(),
        body: "{}".into(),
        only_if_absent: true,
        replaces: None,
    };
    case.apply(vec![founding]).await.unwrap();
}

async fn campaigns_are_listed_in_order(case: LedgerCase) {
    let script = "
        wallet main      -> settled 0.00 held 0.00 available 0.00
        create c-10      -> active
        create c-9       -> active
        create B         -> active
        create c_1       -> active
        stop c-9 operator -> stopped operator since 0s
    ";
    let case = check(case, script).await.case;
    for limit in LIMITS {
        let campaigns = all(limit, async |page| {
            case.ledger.reads.campaigns(&case.account, &page).await.unwrap()
        })
        .await;
        let names: Vec<&str> = campaigns.iter().map(|campaign| campaign.id.as_str()).collect();
        assert_eq!(names, ["B", "c-10", "c-9", "c_1"], "in pages of {limit}");
        assert_eq!(render::campaign(&campaigns[2]), "stopped operator since 0s");
    }
}

async fn holds_are_listed_oldest_first(case: LedgerCase) {
    let script = "
        wallet main limit=9.00   -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a                   -> held 1.00 left 8.00
        later 1ms
        send b                   -> held 1.00 left 7.00
        later 1ms
        send c external          -> held 0.00
        later 1s
        send d                   -> held 1.00 left 6.00
        later 1s
        send e                   -> held 1.00 left 5.00
        doubt b                  -> marked
        doubt e                  -> marked
        show hold b              -> b in doubt 1.00 100 IN marketing of main by deadline since 0s
        show hold c              -> c open 0.00 100 IN marketing since 0s
        settle d                 -> settled 1.00
        show hold d              -> none
    ";
    let run = check(case, script).await;
    let (case, labels) = (&run.case, &run.labels);
    for (state, expected) in [
        (None, vec!["a", "b", "c", "e"]),
        (Some(HoldState::Open), vec!["a", "c"]),
        (Some(HoldState::InDoubt), vec!["b", "e"]),
    ] {
        for limit in LIMITS {
            let holds = all(limit, async |page| {
                case.ledger.reads.holds(&case.account, state, &page).await.unwrap()
            })
            .await;
            let found: Vec<_> = holds.iter().map(|hold| hold.id).collect();
            let expected: Vec<_> = expected.iter().map(|label| labels[*label]).collect();
            assert_eq!(found, expected, "{state:?} in pages of {limit}");
        }
    }
}

async fn entries_are_listed_by_wallet_and_time(case: LedgerCase) {
    let script = "
        wallet main              -> settled 0.00 held 0.00 available 0.00
        wallet other             -> settled 0.00 held 0.00 available 0.00
        top-up main 1.00 a       -> posted 1.00 balance 1.00
        top-up other 1.00 a      -> posted 1.00 balance 1.00
        top-up main 2.00 b       -> posted 2.00 balance 3.00
        at 1m
        top-up main 4.00 c       -> posted 4.00 balance 7.00
        & top-up other 4.00 c    -> posted 4.00 balance 5.00
        & adjust main -1.00 d    -> posted -1.00 balance 6.00
        at 2m
        top-up main 8.00 e       -> posted 8.00 balance 14.00
    ";
    let case = check(case, script).await.case;
    let main: WalletId = "main".parse().unwrap();
    let minute = |minutes: i64| CASE_START_MS + minutes * MINUTE;
    let ranges = [
        (i64::MIN, i64::MAX, "1 3 4 6 7"),
        (minute(0), minute(1), "1 3"),
        (minute(1), minute(2), "4 6"),
        (minute(1) + 1, minute(2) + 1, "7"),
        (minute(0), minute(0), ""),
        (minute(5), minute(9), ""),
    ];
    for (from_ms, to_ms, expected) in ranges {
        for limit in LIMITS {
            let read = async |page| {
                case.ledger
                    .reads
                    .entries(&case.account, &main, from_ms, to_ms, &page)
                    .await
                    .unwrap()
            };
            let sequences: Vec<String> =
                all(limit, read).await.iter().map(|entry| entry.sequence.to_string()).collect();
            assert_eq!(sequences.join(" "), expected, "{from_ms}..{to_ms} in pages of {limit}");
        }
    }
}

async fn events_are_listed_oldest_first(case: LedgerCase) {
    let script = "
        wallet main low=1.00     -> settled 0.00 held 0.00 available 0.00 low [1.00]
        top-up main 1.00 a       -> posted 1.00 balance 1.00
        send a campaign=diwali   -> held 1.00 left 0.00
        doubt a                  -> marked
        stop diwali operator     -> stopped operator since 0s of main held 1.00 unknown 1
        later 1s
        restart diwali           -> active of main held 1.00 unknown 1
        send b campaign=diwali   -> insufficient_balance needs 1.00 has 0.00
    ";
    let case = check(case, script).await.case;
    for limit in LIMITS {
        let events =
            all(limit, async |page| case.ledger.reads.events(&case.account, &page).await.unwrap())
                .await;
        let shown: Vec<String> = events
            .iter()
            .map(|event| {
                format!(
                    "{} {} {}",
                    event.sequence,
                    event.at_ms - CASE_START_MS,
                    event.kind.as_str()
                )
            })
            .collect();
        let expected = [
            "1 0 low_balance",
            "2 0 hold_in_doubt",
            "3 0 campaign_stopped",
            "4 1000 campaign_restarted",
            "5 1000 wallet_exhausted",
        ];
        assert_eq!(shown, expected, "in pages of {limit}");
    }
}

async fn wallets_are_listed_in_order(case: LedgerCase) {
    let script = "
        wallet w-2               -> settled 0.00 held 0.00 available 0.00
        wallet W                 -> settled 0.00 held 0.00 available 0.00
        wallet w-10 limit=1.00   -> settled 0.00 held 0.00 available 1.00 limit 1.00
    ";
    let case = check(case, script).await.case;
    let wallets = case.ledger.reads.wallets(&case.account).await.unwrap();
    let shown: Vec<String> =
        wallets.iter().map(|view| format!("{}: {}", view.id, render::wallet(view))).collect();
    let nothing = "settled 0.00 held 0.00 available 0.00";
    assert_eq!(
        shown,
        [
            format!("W: {nothing}"),
            "w-10: settled 0.00 held 0.00 available 1.00 limit 1.00".into(),
            format!("w-2: {nothing}")
        ]
    );
}

async fn usage_is_listed_for_the_days_asked(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                   -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a channel=9 country=US category=service  -> held 1.00 left 8.00
        send b channel=10 country=BR                  -> held 1.00 left 7.00
        send c channel=10 category=utility            -> held 1.00 left 6.00
        send d channel=10                             -> held 1.00 left 5.00
        send e channel=9 country=DE                   -> held 1.00 left 4.00
        settle a                                      -> settled 1.00
        settle b                                      -> settled 1.00
        settle c                                      -> settled 1.00
        settle d                                      -> settled 1.00
        later 24h
        settle e                                      -> settled 1.00
        show usage \
            -> day 0 10 BR marketing 1 1.00, day 0 10 IN marketing 1 1.00, day 0 10 IN utility 1 \
               1.00, day 0 9 US service 1 1.00, day 1 9 DE marketing 1 1.00
    ";
    let case = check(case, script).await.case;
    let today = day(CASE_START_MS).index;
    for (from, to, rows) in [
        (today, today, 4),
        (today + 1, today + 1, 1),
        (today, today + 1, 5),
        (today + 2, today + 9, 0),
        (today + 1, today, 0),
    ] {
        assert_eq!(
            case.ledger.reads.usage(&case.account, from, to).await.unwrap().len(),
            rows,
            "days {from} to {to}"
        );
    }
}

async fn a_cursor_of_another_list_is_refused(case: LedgerCase) {
    let page = PageRequest { cursor: Some("not/a cursor".into()), limit: 5 };
    let (ledger, account) = (&case.ledger, &case.account);
    let faults = [
        ledger.reads.holds(account, None, &page).await.err(),
        ledger
            .reads
            .entries(account, &"main".parse().unwrap(), i64::MIN, i64::MAX, &page)
            .await
            .err(),
        ledger.reads.events(account, &page).await.err(),
    ];
    for (index, fault) in faults.iter().enumerate() {
        assert!(matches!(fault, Some(LedgerFault::Refused(_))), "list {index}: {fault:?}");
    }
}

async fn what_is_not_there_is_listed_as_nothing(case: LedgerCase) {
    let (ledger, page) = (&case.ledger, PageRequest { cursor: None, limit: 5 });
    let nobody = "nobody".parse().unwrap();
    assert_eq!(ledger.reads.wallets(&nobody).await.unwrap(), []);
    assert_eq!(ledger.reads.campaign(&nobody, &"diwali".parse().unwrap()).await.unwrap(), None);
    assert_eq!(ledger.reads.campaigns(&nobody, &page).await.unwrap().items, []);
    assert_eq!(ledger.reads.usage(&nobody, i32::MIN, i32::MAX).await.unwrap(), []);
    assert_eq!(ledger.reads.holds(&nobody, None, &page).await.unwrap().items, []);
    assert_eq!(
        ledger.reads.hold(&nobody, tollgate::ids::HoldId::new(CASE_START_MS)).await.unwrap(),
        None
    );
    assert_eq!(
        ledger
            .reads
            .entries(&nobody, &"main".parse().unwrap(), i64::MIN, i64::MAX, &page)
            .await
            .unwrap()
            .items,
        []
    );
    assert_eq!(ledger.reads.events(&nobody, &page).await.unwrap().items, []);
    assert_eq!(ledger.reads.window_used(&nobody, &"p1".parse().unwrap()).await.unwrap(), 0);
    ledger.reads.probe().await.unwrap();
    assert!(!ledger.identity.ledger_id.is_empty() && !ledger.durability.is_empty());
}
