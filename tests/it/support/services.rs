//! What a gateway shares, over a ledger without a gateway around it.

use std::sync::Arc;

use tollgate::catalog::Tokens;
use tollgate::clock::Clock;
use tollgate::ledger::OpenLedger;
use tollgate::ledger::batcher::BatcherOptions;
use tollgate::pricing::PriceBook;
use tollgate::services::{Services, ServicesOptions};
use tollgate::upstream::client::UpstreamOptions;

/// Nothing listens at the upstream: who uses these does not call Meta.
pub fn services(ledger: &OpenLedger, clock: &Clock, batching: BatcherOptions) -> Arc<Services> {
    let options = ServicesOptions {
        book: PriceBook::builtin(),
        tokens: Tokens::new(None, "META_TOKEN*".parse().unwrap(), clock.clone()),
        upstream: UpstreamOptions::default(),
        base_url: "http://127.0.0.1:9".parse().unwrap(),
        allow_plaintext: false,
        batching,
        wallet_metrics: 10,
        failed_keys_per_minute: None,
        clock: clock.clone(),
    };
    Services::new(ledger, options)
}
