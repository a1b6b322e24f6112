//! Money moves once per reference, is written as text, and campaigns run again only when a person
//! says so and credits are there.

use tollgate::ids::{AccountId, CampaignId};
use tollgate::ledger::{Rejection, StopReason};

use crate::support::admin_api::Desk;

#[tokio::test]
async fn a_top_up_moves_money_once() {
    let desk = Desk::with_acme().await;
    let path = "/v1/accounts/acme/wallets/main/top-ups";
    let first = desk.ask("POST", path, r#"{"amount":"98.82","reference":"pay_123"}"#).await;
    assert_eq!(
        (first.status, &first.json["balance_after"]),
        (201, &"99.82".into()),
        "{}",
        first.text
    );
    let again = desk.ask("POST", path, r#"{"reference":"pay_123","amount":"98.820000"}"#).await;
    assert_eq!((again.status, &again.json), (200, &first.json));
    let other = desk.ask("POST", path, r#"{"amount":"98.83","reference":"pay_123"}"#).await;
    assert_eq!((other.status, other.code()), (409, "reference_conflict"));
    let wallet = desk.get("/v1/accounts/acme/wallets/main").await;
    assert_eq!(
        (&wallet["settled"], &wallet["available"], &wallet["held"]),
        (&"99.82".into(), &"99.82".into(), &"0.00".into())
    );
}

#[tokio::test]
async fn reads_see_what_this_gateway_has_queued() {
    let desk = Desk::with_acme().await;
    desk.ask("POST", "/v1/accounts/acme/campaigns", r#"{"id":"diwali","wallet":"main"}"#).await;
    desk.spend("0.0118", Some("diwali")).await;
    let wallet = desk.get("/v1/accounts/acme/wallets/main").await;
    assert_eq!((&wallet["settled"], &wallet["held"]), (&"0.9882".into(), &"0.00".into()));
    let campaign = desk.get("/v1/accounts/acme/campaigns/diwali").await;
    assert_eq!(
        (&campaign["counts"]["accepted"], &campaign["spent"]),
        (&1.into(), &"0.0118".into())
    );
}

#[tokio::test]
async fn a_stopped_campaign_runs_again_when_a_person_says_so_and_credits_are_there() {
    let desk = Desk::with_acme().await;
    let path = "/v1/accounts/acme/campaigns";
    assert_eq!(desk.ask("POST", path, r#"{"id":"diwali","wallet":"main"}"#).await.status, 201);
    desk.spend("0.99", Some("diwali")).await;
    desk.reserve("0.0118", Some("diwali")).await;
    let stopped = desk.get("/v1/accounts/acme/campaigns/diwali").await;
    assert_eq!(
        (&stopped["state"], &stopped["reason"]),
        (&"stopped".into(), &"credits_exhausted".into())
    );
    assert_eq!(stopped["since"], "2026-11-21T12:00:00Z");
    assert_eq!(stopped["counts"]["rejected"]["insufficient_balance"], 1);

    let refused = desk.ask("POST", "/v1/accounts/acme/campaigns/diwali/restart", "").await;
    assert_eq!((refused.status, refused.code()), (409, "insufficient_balance"));
    let numbers = ["needed", "available", "shortfall", "currency"]
        .map(|member| refused.json[member].as_str().unwrap());
    assert_eq!(numbers, ["0.0118", "0.01", "0.0018", "USD"]);
    let new = desk.ask("POST", path, r#"{"id":"holi","wallet":"main"}"#).await;
    assert_eq!((new.status, new.code()), (409, "wallet_exhausted"));

    let top_up = desk
        .ask(
            "POST",
            "/v1/accounts/acme/wallets/main/top-ups",
            r#"{"amount":"1.00","reference":"second"}"#,
        )
        .await;
    assert_eq!(top_up.status, 201);
    assert_eq!(
        desk.get("/v1/accounts/acme/campaigns/diwali").await["state"],
        "stopped",
        "a top-up restarts nothing"
    );
    let restarted = desk.ask("POST", "/v1/accounts/acme/campaigns/diwali/restart", "{}").await;
    assert_eq!(
        (restarted.status, &restarted.json["state"]),
        (200, &"active".into()),
        "{}",
        restarted.text
    );
}

#[tokio::test]
async fn one_of_many_equal_top_ups_counts() {
    let desk = Desk::with_acme().await;
    let path = "/v1/accounts/acme/wallets/main/top-ups";
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (control, router) = (desk.control.clone(), desk.router.clone());
        let desk = Desk {
            ledger: desk.ledger.clone(),
            control,
            ops: desk.ops.clone(),
            router,
            clock: desk.clock.clone(),
            directory: tempfile::tempdir().unwrap(),
        };
        calls.spawn(async move {
            desk.ask("POST", path, r#"{"amount":"5.00","reference":"pay_1"}"#).await
        });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| answer.json == answers[0].json));
    assert_eq!(desk.get("/v1/accounts/acme/wallets/main").await["settled"], "6.00");
}

#[tokio::test]
async fn nothing_an_operator_takes_away_oversells() {
    let desk = Desk::with_acme().await;
    let wallet = "/v1/accounts/acme/wallets/main";
    let adjustments = "/v1/accounts/acme/wallets/main/adjustments";
    assert_eq!(desk.ask("PATCH", wallet, r#"{"overdraft_limit":"2.00"}"#).await.status, 200);
    let taken = r#"{"amount":"-2.50","reference":"fix","reason":"paid twice"}"#;
    assert_eq!(desk.ask("POST", adjustments, taken).await.json["balance_after"], "-1.50");
    let again = desk.ask("POST", adjustments, taken).await;
    assert_eq!((again.status, &again.json["balance_after"]), (200, &"-1.50".into()));
    let other = desk
        .ask("POST", adjustments, r#"{"amount":"-2.50","reference":"fix","reason":"another"}"#)
        .await;
    assert_eq!(other.code(), "reference_conflict");
    let lowered = desk.ask("PATCH", wallet, r#"{"overdraft_limit":"1.00"}"#).await;
    assert_eq!((lowered.status, lowered.code()), (409, "insufficient_balance"));
    let numbers =
        ["needed", "available", "shortfall"].map(|member| lowered.json[member].as_str().unwrap());
    assert_eq!(numbers, ["1.00", "0.50", "0.50"]);
    assert_eq!(desk.get(wallet).await["available"], "0.50");
}

#[tokio::test]
async fn what_was_refused_here_is_counted_and_forgotten_at_a_restart() {
    let desk = Desk::with_acme().await;
    let (account, campaign): (AccountId, CampaignId) =
        ("acme".parse().unwrap(), "diwali".parse().unwrap());
    desk.ask("POST", "/v1/accounts/acme/campaigns", r#"{"id":"diwali"}"#).await;
    desk.ask("POST", "/v1/accounts/acme/campaigns/diwali/stop", "").await;
    let now_ms = desk.clock.now_ms();
    let refused = || {
        desk.control.services.leases.refusal(
            &desk.control.services.batcher,
            &account,
            &campaign,
            true,
            now_ms,
        )
    };
    let stopped = Rejection::CampaignStopped { reason: StopReason::Operator, since_ms: now_ms };
    desk.control.services.leases.note(&account, &campaign, true, Some(&stopped), now_ms);
    assert!(refused().is_some() && refused().is_some());
    let counts = desk.get("/v1/accounts/acme/campaigns/diwali").await["counts"].clone();
    assert_eq!(counts["rejected"]["campaign_stopped"], 2);
    assert_eq!(
        desk.ask("POST", "/v1/accounts/acme/campaigns/diwali/restart", "").await.status,
        200
    );
    assert!(refused().is_none());
}
