//! Settings documents and their version, the version and the price a send must carry, and names
//! that belong to one account.

use tollgate::ledger::{ClaimKind, Document, DocumentKind};

use crate::support::ledger_script::check;
use crate::support::{LedgerCase, on_every_ledger};

on_every_ledger!(
    each_change_raises_the_version,
    a_change_of_another_document_is_stale,
    a_send_under_other_settings_is_asked_again,
    a_price_past_its_end_is_asked_again,
    documents_are_read_with_their_version,
    a_name_belongs_to_one_owner
);

async fn each_change_raises_the_version(case: LedgerCase) {
    let script = r#"
        document channel/100 {"wallet":"main"}              -> changed version 2
        document channel/100 {"wallet":"main"}              -> unchanged version 2
        document channel/100 {"wallet":"other"}             -> changed version 3
        document channel/100 {"wallet":"main"} if-absent    -> unchanged version 3
        document channel/200 {"wallet":"main"} if-absent    -> changed version 4
        document waba/100 {}                                -> changed version 5
        document template/100/sale/en_US {}                 -> changed version 6
        & document key/k1 {}                                -> changed version 7
        & delete key/k1                                     -> changed version 8
        & delete key/k1                                     -> unchanged version 8
        delete channel/300                                  -> unchanged version 8
        # Wallets and campaigns are not settings.
        wallet main                                         -> settled 0.00 held 0.00 available 0.00
        create diwali                                       -> active
        delete channel/300                                  -> unchanged version 8
    "#;
    check(case, script).await;
}

async fn a_change_of_another_document_is_stale(case: LedgerCase) {
    let script = r#"
        document channel/100 {"n":1} replaces={"n":0}       -> stale settings
        document channel/100 {"n":1}                        -> changed version 2
        document channel/100 {"n":2} replaces={"n":0}       -> stale settings
        document channel/100 {"n":1} replaces={"n":1}       -> unchanged version 2
        document channel/100 {"n":2} replaces={"n":1}       -> changed version 3
        # Within one batch as well.
        document channel/100 {"n":3} replaces={"n":2}       -> changed version 4
        & document channel/100 {"n":4} replaces={"n":2}     -> stale settings
        & delete channel/100 replaces={"n":2}               -> stale settings
        delete channel/100 replaces={"n":3}                 -> changed version 5
        delete channel/100 replaces={"n":3}                 -> unchanged version 5
        document channel/100 {"n":4} replaces={"n":3}       -> stale settings
    "#;
    check(case, script).await;
}

async fn a_send_under_other_settings_is_asked_again(case: LedgerCase) {
    let script = r#"
        wallet main limit=9.00                   -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a version=1                                    -> held 1.00 left 8.00
        send b version=2                                    -> stale settings
        document channel/100 {}                             -> changed version 2
        & send c version=1                                  -> stale settings
        & send d version=2                                  -> held 1.00 left 7.00
        # What is under way ends under the settings it began with.
        settle a                                            -> settled 1.00
        show wallet main                        -> settled -1.00 held 1.00 available 7.00 limit 9.00
    "#;
    check(case, script).await;
}

async fn a_price_past_its_end_is_asked_again(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                   -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a valid=1ms                                    -> held 1.00 left 8.00
        send b valid=0s                                     -> stale price
        send c valid=-1h                                    -> stale price
        show wallet main                         -> settled 0.00 held 1.00 available 8.00 limit 9.00
    ";
    check(case, script).await;
}

async fn documents_are_read_with_their_version(case: LedgerCase) {
    let script = r#"
        document channel/100 {"a":"\u00e9é"}                -> changed version 2
        document channel/20 {}                              -> changed version 3
        document waba/7 {}                                  -> changed version 4
        document template/7/sale/en_US {}                   -> changed version 5
        document template/7/sale/de {}                      -> changed version 6
        delete waba/7                                       -> changed version 7
    "#;
    let run = check(case, script).await;
    let read = run.case.ledger.reads.documents(&run.case.account).await.unwrap();
    assert_eq!(read.settings_version, 7);
    let document = |kind, id: &str, body: &str| Document { kind, id: id.into(), body: body.into() };
    let expected = [
        document(DocumentKind::Account, "account", r#"{"currency":"USD"}"#),
        document(DocumentKind::Channel, "100", r#"{"a":"\u00e9é"}"#),
        document(DocumentKind::Channel, "20", "{}"),
        document(DocumentKind::Template, "7/sale/de", "{}"),
        document(DocumentKind::Template, "7/sale/en_US", "{}"),
    ];
    let mut documents = read.documents;
    documents.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
    assert_eq!(documents, expected);
    let nobody = run.case.ledger.reads.documents(&"nobody".parse().unwrap()).await.unwrap();
    assert_eq!((nobody.settings_version, nobody.documents.len()), (0, 0));
}

async fn a_name_belongs_to_one_owner(case: LedgerCase) {
    let ledger = &case.ledger;
    assert_eq!(ledger.claims.claimed(ClaimKind::Channel, "100").await.unwrap(), None);
    assert_eq!(ledger.claims.claim(ClaimKind::Channel, "100", "acme").await.unwrap(), "acme");
    assert_eq!(ledger.claims.claim(ClaimKind::Channel, "100", "acme").await.unwrap(), "acme");
    assert_eq!(ledger.claims.claim(ClaimKind::Channel, "100", "other").await.unwrap(), "acme");
    assert_eq!(
        ledger.claims.claimed(ClaimKind::Channel, "100").await.unwrap().as_deref(),
        Some("acme")
    );
    // Kinds are apart, and values may hold a slash.
    assert_eq!(ledger.claims.claim(ClaimKind::Portfolio, "100", "other").await.unwrap(), "other");
    assert_eq!(ledger.claims.claim(ClaimKind::Key, "5f0c", "acme/k1").await.unwrap(), "acme/k1");
    assert_eq!(
        ledger.claims.claimed(ClaimKind::Key, "5f0c").await.unwrap().as_deref(),
        Some("acme/k1")
    );
    ledger.claims.unclaim(ClaimKind::Channel, "100", "other").await.unwrap();
    assert_eq!(
        ledger.claims.claimed(ClaimKind::Channel, "100").await.unwrap().as_deref(),
        Some("acme")
    );
    ledger.claims.unclaim(ClaimKind::Channel, "100", "acme").await.unwrap();
    ledger.claims.unclaim(ClaimKind::Channel, "100", "acme").await.unwrap();
    assert_eq!(ledger.claims.claimed(ClaimKind::Channel, "100").await.unwrap(), None);
    assert_eq!(ledger.claims.claim(ClaimKind::Channel, "100", "other").await.unwrap(), "other");
    let mut race = tokio::task::JoinSet::new();
    for owner in 0..20 {
        let ledger = case.ledger.clone();
        race.spawn(async move {
            ledger.claims.claim(ClaimKind::Key, "race", &format!("owner-{owner}")).await.unwrap()
        });
    }
    let mut winners = race.join_all().await;
    winners.dedup();
    assert_eq!(winners.len(), 1, "{winners:?} all own one name");
}
