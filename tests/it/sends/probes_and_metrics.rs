//! What SREs look at: liveness, readiness and the metrics of the contract, after a few sends of
//! every ending.

use http::Method;
use tollgate_simulator::{Fault, FaultAction};

use crate::support::{ACCOUNT, Backend, NUMBER, Setup, World, indian, marketing, on_every_ledger};

on_every_ledger!(
    metrics_show_what_happened_by_their_contract_names,
    probes_need_no_key_and_stand_alone_if_asked
);

async fn metrics_show_what_happened_by_their_contract_names(backend: Backend) {
    let world = World::of(Setup::on(backend).credits(50_000)).await;
    for n in 0..3 {
        assert_eq!(world.send(marketing(&indian(n))).await.status, 200);
    }
    world.simulator.fault(Fault::refuse(131_026).next(1));
    world.simulator.fault(Fault::new(FaultAction::Reset).next(1));
    let mut statuses = Vec::new();
    for n in 3..6 {
        statuses.push(world.send(marketing(&indian(n))).await.status);
    }
    assert_eq!(statuses, [400, 409, 402]);
    assert_eq!(world.data(Method::POST, &format!("/v24.0/{NUMBER}/calls")).await.status, 403);
    world.books().await;
    let page = world.request(Method::GET, world.admin, "/metrics").await;
    assert!(
        page.header("content-type").starts_with("text/plain; version=0.0.4"),
        "{:?}",
        page.headers
    );
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    let available =
        format!(r#"tollgate_wallet_available_credits{{account="{ACCOUNT}",wallet="main"}} 0.0028"#);
    let expected = [
        r#"tollgate_sends_total{outcome="accepted",category="marketing"} 3"#,
        r#"tollgate_sends_total{outcome="refused",category="marketing"} 1"#,
        r#"tollgate_sends_total{outcome="unknown",category="marketing"} 1"#,
        r#"tollgate_sends_total{outcome="rejected",category="marketing"} 1"#,
        r#"tollgate_rejections_total{rejection="insufficient_balance"} 1"#,
        r#"tollgate_rejections_total{rejection="path_not_allowed"} 1"#,
        r#"tollgate_upstream_errors_total{code="131026"} 1"#,
        concat!(
            r#"tollgate_charged_credits_total{currency="USD",category="marketing",country="IN"}"#,
            " 0.035400"
        ),
        r#"tollgate_stage_seconds_count{stage="reserve"} 6"#,
        r#"tollgate_stage_seconds_count{stage="forward"} 5"#,
        concat!(r#"tollgate_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
        "tollgate_ledger_up 1",
    ];
    for line in expected {
        assert!(page.lines().any(|shown| shown == line), "no {line} in\n{page}");
    }
    for name in [
        "tollgate_ledger_seconds_count",
        "tollgate_ledger_batch_size_count",
        "tollgate_holds_in_doubt",
    ] {
        assert!(page.lines().any(|shown| shown.starts_with(name)), "no {name} in\n{page}");
    }
    // Gauges are read in the background, every few seconds.
    let gauges = ["tollgate_holds_in_doubt 1", available.as_str()];
    for _ in 0..200 {
        let page = world.request(Method::GET, world.admin, "/metrics").await;
        let page = String::from_utf8(page.body.to_vec()).unwrap();
        if gauges.iter().all(|gauge| page.lines().any(|shown| shown == *gauge)) {
            return;
        }
        world.pass(std::time::Duration::from_secs(1));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no {gauges:?}");
}

async fn probes_need_no_key_and_stand_alone_if_asked(backend: Backend) {
    let world = World::of(Setup::on(backend).set("listen.ops", "127.0.0.1:0")).await;
    let ops = world.ops_addr().unwrap();
    for path in ["/livez", "/readyz", "/metrics"] {
        for listener in [world.admin, ops] {
            assert_eq!(world.request(Method::GET, listener, path).await.status, 200, "{path}");
        }
    }
    assert_eq!(world.request(Method::GET, world.data, "/livez").await.status, 200);
    for path in ["/readyz", "/metrics"] {
        assert_eq!(
            world.request(Method::GET, world.data, path).await.status,
            403,
            "{path} on the data listener"
        );
    }
    assert_eq!(
        world.request(Method::GET, ops, "/v1/accounts").await.status,
        404,
        "the ops listener has nothing else"
    );
    assert_eq!(world.request(Method::GET, world.admin, "/v1/accounts").await.status, 401);
    let (shutdown, simulator) = world.end().await;
    assert!(shutdown.clean);
    simulator.shutdown().await;
}
