//! Money moves once per reference, is written as text, and campaigns run again only if a person
//! restarts them and credits are there.

use tollgate::ids::{AccountId, CampaignId};
use tollgate::ledger::{Rejection, StopReason};
use tollgate::rejection::RejectionKind;

use crate::support::{AdminApi, printed};

#[tokio::test]
async fn a_top_up_moves_money_once() {
    let api = AdminApi::with_acme().await;
    let path = "/v1/accounts/acme/wallets/main/top-ups";
    let first = api.ask("POST", path, r#"{"amount":"98.82","reference":"pay_123"}"#).await;
    assert_eq!(
        (first.status, &first.json["balance_after"]),
        (201, &"99.82".into()),
        "{}",
        first.text
    );
    let again = api.ask("POST", path, r#"{"reference":"pay_123","amount":"98.820000"}"#).await;
    assert_eq!((again.status, &again.json), (200, &first.json));
    let other = api.ask("POST", path, r#"{"amount":"98.83","reference":"pay_123"}"#).await;
    assert_eq!((other.status, other.code()), (409, "reference_conflict"));
    let wallet = api.get("/v1/accounts/acme/wallets/main").await;
    assert_eq!(
        (&wallet["settled"], &wallet["available"], &wallet["held"]),
        (&"99.82".into(), &"99.82".into(), &"0.00".into())
    );
}

#[tokio::test]
async fn reads_see_what_this_gateway_has_queued() {
    let api = AdminApi::with_acme().await;
    api.ask("POST", "/v1/accounts/acme/campaigns", r#"{"id":"diwali","wallet":"main"}"#).await;
    api.spend("0.0118", Some("diwali")).await;
    let wallet = api.get("/v1/accounts/acme/wallets/main").await;
    assert_eq!((&wallet["settled"], &wallet["held"]), (&"0.9882".into(), &"0.00".into()));
    let campaign = api.get("/v1/accounts/acme/campaigns/diwali").await;
    assert_eq!(
        (&campaign["counts"]["accepted"], &campaign["spent"]),
        (&1.into(), &"0.0118".into())
    );
}

#[tokio::test]
async fn a_stopped_campaign_is_restarted_by_a_person_if_credits_are_there() {
    let api = AdminApi::with_acme().await;
    let path = "/v1/accounts/acme/campaigns";
    assert_eq!(api.ask("POST", path, r#"{"id":"diwali","wallet":"main"}"#).await.status, 201);
    api.spend("0.99", Some("diwali")).await;
    api.reserve("0.0118", Some("diwali")).await;
    let stopped = api.get("/v1/accounts/acme/campaigns/diwali").await;
    assert_eq!(
        (&stopped["state"], &stopped["reason"]),
        (&"stopped".into(), &"credits_exhausted".into())
    );
    assert_eq!(stopped["since"], "2026-11-21T12:00:00Z");
    assert_eq!(stopped["counts"]["rejected"]["insufficient_balance"], 1);

    let refused = api.ask("POST", "/v1/accounts/acme/campaigns/diwali/restart", "").await;
    assert_eq!((refused.status, refused.code()), (409, "insufficient_balance"));
    let numbers = ["needed", "available", "shortfall", "currency"]
        .map(|member| refused.json[member].as_str().unwrap());
    assert_eq!(numbers, ["0.0118", "0.01", "0.0018", "USD"]);
    let new = api.ask("POST", path, r#"{"id":"holi","wallet":"main"}"#).await;
    assert_eq!((new.status, new.code()), (409, "wallet_exhausted"));

    let top_up = api
        .ask(
            "POST",
            "/v1/accounts/acme/wallets/main/top-ups",
            r#"{"amount":"1.00","reference":"second"}"#,
        )
        .await;
    assert_eq!(top_up.status, 201);
    assert_eq!(
        api.get("/v1/accounts/acme/campaigns/diwali").await["state"],
        "stopped",
        "a top-up restarts nothing"
    );
    let restarted = api.ask("POST", "/v1/accounts/acme/campaigns/diwali/restart", "{}").await;
    assert_eq!(
        (restarted.status, &restarted.json["state"]),
        (200, &"active".into()),
        "{}",
        restarted.text
    );
}

#[tokio::test]
async fn one_of_many_equal_top_ups_counts() {
    let api = AdminApi::with_acme().await;
    let path = "/v1/accounts/acme/wallets/main/top-ups";
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (control, router) = (api.control.clone(), api.router.clone());
        let api = AdminApi {
            ledger: api.ledger.clone(),
            control,
            ops: api.ops.clone(),
            router,
            clock: api.clock.clone(),
            directory: tempfile::tempdir().unwrap(),
            _watch: printed::Watch,
        };
        calls.spawn(async move {
            api.ask("POST", path, r#"{"amount":"5.00","reference":"pay_1"}"#).await
        });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| answer.json == answers[0].json));
    assert_eq!(api.get("/v1/accounts/acme/wallets/main").await["settled"], "6.00");
}

#[tokio::test]
async fn nothing_an_operator_removes_oversells() {
    let api = AdminApi::with_acme().await;
    let wallet = "/v1/accounts/acme/wallets/main";
    let adjustments = "/v1/accounts/acme/wallets/main/adjustments";
    assert_eq!(api.ask("PATCH", wallet, r#"{"overdraft_limit":"2.00"}"#).await.status, 200);
    let taken = r#"{"amount":"-2.50","reference":"fix","reason":"paid twice"}"#;
    assert_eq!(api.ask("POST", adjustments, taken).await.json["balance_after"], "-1.50");
    let again = api.ask("POST", adjustments, taken).await;
    assert_eq!((again.status, &again.json["balance_after"]), (200, &"-1.50".into()));
    let other = api
        .ask("POST", adjustments, r#"{"amount":"-2.50","reference":"fix","reason":"another"}"#)
        .await;
    assert_eq!(other.code(), "reference_conflict");
    let lowered = api.ask("PATCH", wallet, r#"{"overdraft_limit":"1.00"}"#).await;
    assert_eq!((lowered.status, lowered.code()), (409, "insufficient_balance"));
    let numbers =
        ["needed", "available", "shortfall"].map(|member| lowered.json[member].as_str().unwrap());
    assert_eq!(numbers, ["1.00", "0.50", "0.50"]);
    assert_eq!(api.get(wallet).await["available"], "0.50");
}

#[tokio::test]
async fn what_was_refused_here_is_counted_and_forgotten_at_a_restart() {
    let api = AdminApi::with_acme().await;
    let (account, campaign): (AccountId, CampaignId) =
        ("acme".parse().unwrap(), "diwali".parse().unwrap());
    api.ask("POST", "/v1/accounts/acme/campaigns", r#"{"id":"diwali"}"#).await;
    api.ask("POST", "/v1/accounts/acme/campaigns/diwali/stop", "").await;
    let now_ms = api.clock.now_ms();
    let at_ms = api.clock.elapsed_ms();
    let refused = || api.control.services.leases.refusal(&account, &campaign, true, at_ms);
    let reason = StopReason::Operator;
    let stopped = Rejection::CampaignStopped { reason, since_ms: now_ms, shortfall: None };
    api.control.services.leases.note(&account, &campaign, true, Some(&stopped), at_ms);
    assert!(refused().is_some() && refused().is_some());
    for _ in 0..2 {
        let kind = RejectionKind::CampaignStopped;
        api.control.services.uncounted.add(&account, &campaign, kind);
    }
    let counts = api.get("/v1/accounts/acme/campaigns/diwali").await["counts"].clone();
    assert_eq!(counts["rejected"]["campaign_stopped"], 2);
    assert_eq!(api.ask("POST", "/v1/accounts/acme/campaigns/diwali/restart", "").await.status, 200);
    assert!(refused().is_none());
}
