//! `loadtest audit` against a real gateway: its books agree with the simulator's, and the holds in
//! doubt of every page of the list are counted.

use std::time::Duration;

use loadtest::audit::{AuditOptions, audit};
use tollgate_simulator::{Fault, FaultAction};

use crate::support::{
    ACCOUNT, Backend, Books, MARKETING_INDIA, NUMBER, OPERATOR_KEY, Setup, World, indian,
    marketing, on_every_ledger,
};

on_every_ledger!(holds_of_every_page_are_audited);

/// More than a page of the Admin API has if the call does not name a limit, which is 100.
const IN_DOUBT: usize = 120;

const CHARGED: usize = 3;

async fn holds_of_every_page_are_audited(backend: Backend) {
    let world = World::of(Setup::on(backend).channel("throughput_limit = 1000")).await;
    let lost = Fault::new(FaultAction::Reset).after_accepting();
    world.simulator.fault(lost.next(IN_DOUBT as u64));
    for n in 0..IN_DOUBT {
        let reply = world.send(marketing(&indian(n))).await;
        assert_eq!(reply.summary(), "409 outcome_unknown");
    }
    for n in 0..CHARGED {
        let reply = world.send(marketing(&indian(IN_DOUBT + n))).await;
        assert_eq!(reply.summary(), "200 0.0118 USD marketing India");
    }
    let micros = |messages: usize| i64::try_from(messages).unwrap() * MARKETING_INDIA;
    let (settled, held) = (100_000_000 - micros(CHARGED), micros(IN_DOUBT));
    assert_eq!(world.books().await, Books { settled, held, available: settled - held });
    let options = |topped_up| AuditOptions {
        admin: format!("http://{}", world.admin),
        operator_key: OPERATOR_KEY.to_owned(),
        account: ACCOUNT.to_owned(),
        wallet: "main".to_owned(),
        topped_up,
        simulator: world.simulator.url(),
        phone_number_id: vec![NUMBER.to_owned()],
        within: Duration::ZERO,
    };
    audit(options(100_000_000)).await.unwrap();
    let missed = audit(options(100_000_001)).await.unwrap_err();
    assert_eq!(missed.to_string(), "1 of 7 checks disagree");
}
