//! Statements, usage, limits, holds and events: every credit is accounted for, as JSON and as CSV
//! that opens safely.

use serde_json::json;
use tollgate::ledger::{DoubtReason, Operation, Verdict};

use crate::support::AdminApi;

#[tokio::test]
async fn the_statement_adds_up() {
    let api = AdminApi::with_acme().await;
    let base = "/v1/accounts/acme/wallets/main";
    api.spend("0.0118", Some("diwali")).await;
    api.get(base).await;
    api.clock.advance(1_000);
    let adjusted = api
        .ask(
            "POST",
            &format!("{base}/adjustments"),
            r#"{"amount":"-0.50","reference":"fix-1","reason":"=cmd|' /C calc'!A0"}"#,
        )
        .await;
    assert_eq!(adjusted.status, 201, "{}", adjusted.text);
    let entries = api.get(&format!("{base}/statement")).await["items"].clone();
    let lines: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| [&entry["kind"], &entry["amount"], &entry["balance_after"]])
        .collect();
    assert_eq!(
        json!(lines),
        json!([
            ["top_up", "1.00", "1.00"],
            ["charge", "-0.0118", "0.9882"],
            ["adjustment", "-0.50", "0.4882"]
        ])
    );
    let charge = &entries[1]["charge"];
    assert_eq!(
        [&charge["campaign"], &charge["country"], &charge["category"]],
        ["diwali", "IN", "marketing"]
    );

    let count = async |query: &str| {
        api.get(&format!("{base}/statement?{query}")).await["items"].as_array().unwrap().len()
    };
    assert_eq!(count("from=2026-11-21T12:00:01Z").await, 1);
    assert_eq!(count("to=2026-11-21T12:00:01Z").await, 2, "an instant is exclusive");
    assert_eq!(count("from=2026-11-21&to=2026-11-21").await, 3, "a date is the whole day");
    assert_eq!(count("from=2026-11-22").await, 0);
    assert_eq!(count("from=2026-11-22&tz=Pacific/Auckland").await, 3, "there it is tomorrow");
    assert_eq!(count("from=2026-11-21T17:30:01%2B05:30").await, 1);
}

#[tokio::test]
async fn tables_open_safely_in_a_spreadsheet() {
    let api = AdminApi::with_acme().await;
    let base = "/v1/accounts/acme/wallets/main";
    api.ask(
        "POST",
        &format!("{base}/adjustments"),
        r#"{"amount":"-0.50","reference":"+1","reason":"=1+1, \"quoted\""}"#,
    )
    .await;
    api.spend("0.0118", Some("-diwali")).await;
    let csv = api.ask("GET", &format!("{base}/statement?format=csv&limit=2"), "").await;
    assert_eq!(
        (csv.header("content-type"), csv.header("tollgate-next-cursor")),
        ("text/csv; charset=utf-8", "2")
    );
    let head = "sequence,at,wallet,kind,amount,balance_after,currency,reference,reason,\
                hold,channel,campaign,country,category\r\n";
    let rows = "1,2026-11-21T12:00:00Z,main,top_up,1.00,1.00,USD,first,,,,,,\r\n\
                2,2026-11-21T12:00:00Z,main,adjustment,-0.50,0.50,USD,\
                '+1,\"'=1+1, \"\"quoted\"\"\",,,,,\r\n";
    assert_eq!(csv.text, format!("{head}{rows}"));
    let rest = api.ask("GET", &format!("{base}/statement?format=csv&cursor=2"), "").await;
    assert!(rest.text.ends_with(",106540352242922,'-diwali,IN,marketing\r\n"), "{}", rest.text);
    assert_eq!(rest.header("tollgate-next-cursor"), "");

    let usage =
        api.ask("GET", "/v1/accounts/acme/usage?group_by=category,campaign&format=csv", "").await;
    assert_eq!(
        usage.text,
        "campaign,category,messages,credits,currency\r\n'-diwali,marketing,1,0.0118,USD\r\n"
    );
}

#[tokio::test]
async fn usage_is_summed_as_asked() {
    let api = AdminApi::with_acme().await;
    api.spend("0.0118", Some("diwali")).await;
    api.spend("0.0118", None).await;
    api.get("/v1/accounts/acme/usage").await;
    api.clock.advance(12 * 3_600_000);
    api.spend("0.0118", Some("diwali")).await;
    let usage = async |query: &str| api.get(&format!("/v1/accounts/acme/usage{query}")).await;
    let total = json!({"messages":3,"credits":"0.0354"});
    let whole = usage("").await;
    assert_eq!(
        whole["rows"],
        json!([{"country":"IN","category":"marketing","messages":3,"credits":"0.0354"}])
    );
    assert_eq!(
        [&whole["total"], &whole["from"], &whole["to"]],
        [&total, &json!("2026-10-24"), &json!("2026-11-22")]
    );
    let by_day = usage("?group_by=day").await;
    let rows = json!([
        {"day":"2026-11-21","messages":2,"credits":"0.0236"},
        {"day":"2026-11-22","messages":1,"credits":"0.0118"}
    ]);
    assert_eq!((&by_day["rows"], &by_day["total"]), (&rows, &total));
    assert_eq!(
        usage("?from=2026-11-22&to=2026-11-22").await["total"],
        json!({"messages":1,"credits":"0.0118"})
    );
    let by_channel = usage("?group_by=channel").await;
    assert_eq!(
        by_channel["rows"],
        json!([{"channel":"106540352242922","messages":3,"credits":"0.0354"}])
    );
    let by_campaign = usage("?group_by=campaign").await;
    assert_eq!(by_campaign["rows"], json!([{"campaign":"diwali","messages":2,"credits":"0.0236"}]));
    assert_eq!(by_campaign["total"], json!({"messages":2,"credits":"0.0236"}));
}

#[tokio::test]
async fn limits_show_what_is_used_per_portfolio() {
    let api = AdminApi::with_acme().await;
    api.ask("PUT", "/v1/accounts/acme/wabas/7", r#"{"portfolio":"group"}"#).await;
    api.ask("PATCH", "/v1/accounts/acme", r#"{"messaging_limit":250}"#).await;
    api.spend("0.0118", None).await;
    let limits = api.get("/v1/accounts/acme/limits").await;
    let portfolios = json!([
        {"portfolio":"default","used":1,"left":249},
        {"portfolio":"group","used":0,"left":250}
    ]);
    assert_eq!(limits, json!({"messaging_limit":250,"portfolios":portfolios,"caps":[]}));
}

#[tokio::test]
async fn an_operator_resolves_holds_in_doubt_and_no_others() {
    let api = AdminApi::with_acme().await;
    let account = "acme".parse().unwrap();
    let base = "/v1/accounts/acme/holds";
    let (sent, _) = api.reserve("0.10", None).await;
    let (lost, _) = api.reserve("0.20", None).await;
    let (going, _) = api.reserve("0.30", None).await;
    let reason = DoubtReason::Deadline;
    for hold in [sent, lost] {
        assert_eq!(
            api.control
                .services
                .batcher
                .call(&account, Operation::MarkInDoubt { hold, reason })
                .await,
            Ok(Verdict::Marked)
        );
    }
    let ids = async |query: &str| {
        let list = api.get(&format!("{base}{query}")).await;
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hold| hold["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let mut doubtful = [sent.to_string(), lost.to_string()];
    doubtful.sort_unstable();
    assert_eq!(ids("?state=in_doubt").await, doubtful);
    assert_eq!(ids("?state=open").await, [going.to_string()]);
    assert_eq!(ids("").await.len(), 3);

    let settled =
        api.ask("POST", &format!("{base}/{sent}/settle"), r#"{"message_id":"wamid.X"}"#).await;
    assert_eq!(
        settled.json,
        json!({"id":sent.to_string(),"state":"settled","amount":"0.10"}),
        "{}",
        settled.text
    );
    let released = api.ask("POST", &format!("{base}/{lost}/release"), "").await;
    assert_eq!(
        released.json,
        json!({"id":lost.to_string(),"state":"released","amount":"0.20"}),
        "{}",
        released.text
    );
    for path in [format!("{base}/{sent}/release"), format!("{base}/{lost}/settle")] {
        assert_eq!(api.ask("POST", &path, "").await.status, 404, "a hold resolves once");
    }
    let open = api.ask("POST", &format!("{base}/{going}/release"), "").await;
    assert_eq!((open.status, open.code()), (409, "hold_open"));
    let wallet = api.get("/v1/accounts/acme/wallets/main").await;
    assert_eq!((&wallet["settled"], &wallet["held"]), (&json!("0.90"), &json!("0.30")));
    assert!(
        api.ask("GET", "/metrics", "").await.text.contains("country=\"IN\"} 0.100000"),
        "the charge is counted"
    );
}

#[tokio::test]
async fn a_poller_goes_on_where_it_stopped() {
    let api = AdminApi::with_acme().await;
    let base = "/v1/accounts/acme/events";
    assert_eq!(api.get(base).await, json!({"items":[],"next":"0","more":false}));
    api.ask("POST", "/v1/accounts/acme/campaigns", r#"{"id":"diwali","wallet":"main"}"#).await;
    for call in ["stop", "restart", "stop"] {
        api.ask("POST", &format!("/v1/accounts/acme/campaigns/diwali/{call}"), "").await;
    }
    let first = api.get(&format!("{base}?cursor=0&limit=2")).await;
    assert_eq!((&first["next"], &first["more"]), (&json!("2"), &json!(true)));
    assert_eq!(first["items"][0]["kind"], "campaign_stopped");
    assert_eq!(first["items"][0]["reason"], "operator");
    let second = api.get(&format!("{base}?cursor=2")).await;
    assert_eq!(
        (second["items"].as_array().unwrap().len(), &second["next"], &second["more"]),
        (1, &json!("3"), &json!(false))
    );
    assert_eq!(
        api.get(&format!("{base}?cursor=3")).await,
        json!({"items":[],"next":"3","more":false})
    );
}
