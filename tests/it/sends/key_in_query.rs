//! The gateway key may be in the query, as several senders write it, or behind the scheme of old
//! Graph SDKs; either way it never reaches upstream.

use http::Method;
use tollgate_simulator::SimulatorTemplate;

use crate::support::{
    Backend, KEY, NUMBER, READING_KEY, RIVAL_KEY, Reply, Request, Setup, WABA, World, indian,
    marketing, on_every_ledger,
};

on_every_ledger!(a_key_in_the_query_works_everywhere, two_keys_are_not_guessed_between);

const SENT: &str = "200 0.0118 USD marketing India";

async fn a_key_in_the_query_works_everywhere(backend: Backend) {
    let template = |name| SimulatorTemplate::approved(name, "en_US", "MARKETING");
    let templates = vec![template("spring_offer"), template("winter_offer")];
    let world =
        World::of(Setup::on(backend).simulator(|options| options.templates = templates)).await;
    let messages = format!("/v24.0/{NUMBER}/messages");
    let bare = |path: &str| world.post(path, marketing(&indian(1))).without("authorization");
    assert_eq!(bare(&messages).await.summary(), "401 unauthorized");
    let by_query = format!("{messages}?access_token={KEY}");
    assert_eq!(bare(&by_query).await.summary(), SENT);
    assert_eq!(bare(&by_query.replace('-', "%2D")).await.summary(), SENT);
    assert_eq!(bare(&format!("/campaigns/diwali{by_query}")).await.summary(), SENT);
    let oauth = bare(&messages).header("authorization", &format!("OAuth {KEY}"));
    assert_eq!(oauth.await.summary(), SENT);
    // What an inbox does to see whether it is set up: read its number, list its templates.
    let get = async |path: &str| world.data(Method::GET, path).without("authorization").await;
    let number = get(&format!("/v24.0/{NUMBER}?access_token={KEY}")).await;
    assert_eq!((number.status, number.text("/id")), (200, NUMBER));
    let fields = get(&format!("/v24.0/{NUMBER}?fields=status&access_token={KEY}")).await;
    assert_eq!(fields.json.as_object().unwrap().len(), 2, "the other parameters stay");
    let list = format!("/v24.0/{WABA}/message_templates?access_token={KEY}&limit=1");
    let listed = get(&list).await;
    assert_eq!((listed.status, listed.text("/data/0/name")), (200, "spring_offer"));
    // Whoever wrote the key into the query follows the link to the next page as it is.
    let next = listed.text("/paging/next").strip_prefix(&format!("http://{}", world.data));
    let next = next.unwrap_or_else(|| panic!("{}", listed.json));
    // With the header beside it, too: twice the same key.
    for page in [get(next).await, world.data(Method::GET, next).await] {
        assert_eq!((page.status, page.text("/data/0/name")), (200, "winter_offer"));
    }
    let unknown = get(&format!("/v24.0/{NUMBER}?access_token=mistyped-key-0123")).await;
    assert_eq!(unknown.summary(), "401 unauthorized");
    for path in world.simulator.reads().into_iter().map(|read| read.path) {
        assert!(!path.contains("access_token") && !path.contains(KEY), "{path} reached upstream");
    }
    for accepted in world.simulator.accepted() {
        assert!(!format!("{accepted:?}").contains(KEY), "{accepted:?}");
    }
}

async fn two_keys_are_not_guessed_between(backend: Backend) {
    let world = World::on(backend).await;
    let with = |query: &str| -> Request<'_> {
        world.post(&format!("/v24.0/{NUMBER}/messages?{query}"), marketing(&indian(1)))
    };
    assert_eq!(with(&format!("access_token={KEY}")).await.summary(), SENT, "twice the same");
    let check = |reply: Reply, expected: &str, names: &str| {
        assert_eq!(reply.summary(), expected);
        let details = reply.text("/error/error_data/details");
        assert!(details.contains(names), "{details}");
        assert!(!details.contains(KEY) && !details.contains(RIVAL_KEY), "{details}");
    };
    for other in [RIVAL_KEY, READING_KEY, "mistyped-key-0123"] {
        let reply = with(&format!("access_token={other}")).await;
        check(reply, "400 malformed", "two different keys");
    }
    let twice = format!("access_token={KEY}&access_token={RIVAL_KEY}");
    check(with(&twice).without("authorization").await, "400 malformed", "two different keys");
    check(with("access_token=").await, "401 unauthorized", "access_token");
    let path = format!("/v24.0/{NUMBER}?access_token={RIVAL_KEY}");
    check(world.data(Method::GET, &path).await, "400 malformed", "two different keys");
    assert_eq!(world.simulator.requests_count(), 1);
}
