//! A path of one id may name a media object, or a number: another account's number is never read or
//! deleted, even if both accounts' tokens would reach it upstream.

use http::Method;

use crate::support::{Backend, EXTERNAL, NUMBER, RIVAL_KEY, RIVAL_NUMBER, World, on_every_ledger};

on_every_ledger!(another_accounts_number_is_no_media);

async fn another_accounts_number_is_no_media(backend: Backend) {
    let world = World::on(backend).await;
    for method in [Method::GET, Method::DELETE] {
        // This account has one channel, so that a media id goes with that channel's token.
        for foreign in [NUMBER, EXTERNAL] {
            let summary = world
                .data(method.clone(), &format!("/v24.0/{foreign}"))
                .key(RIVAL_KEY)
                .await
                .summary();
            assert_eq!(summary, "403 channel_unknown", "{method} {foreign}");
        }
        // This one has several, and names the one whose token is to be used.
        for path in [
            format!("/v24.0/{RIVAL_NUMBER}"),
            format!("/v24.0/{RIVAL_NUMBER}?phone_number_id={NUMBER}"),
        ] {
            assert_eq!(
                world.data(method.clone(), &path).await.summary(),
                "403 channel_unknown",
                "{method} {path}"
            );
        }
    }
    assert_eq!(
        (world.simulator.requests_count(), world.elsewhere.requests_count()),
        (0, 0),
        "something was forwarded"
    );
    // An id that is nobody's number is asked for, and given out only if it is a media object.
    let ask = async |id: &str| {
        world.data(Method::GET, &format!("/v24.0/{id}")).key(RIVAL_KEY).await.summary()
    };
    assert_eq!(ask("990000000000999").await, "403 channel_unknown");
    assert_eq!(ask(&world.simulator.put_media("image/png", &b"x"[..])).await, "200");
    assert_eq!(world.simulator.requests_count(), 2);
}
