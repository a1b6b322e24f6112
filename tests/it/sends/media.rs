//! Media in two steps: the answer about an object names a URL of the gateway, which fetches it from
//! Meta's media host with the channel's token. No gateway key and no cookie reaches that host.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use serde_json::json;
use tollgate_simulator::{Fault, FaultAction};

use crate::support::{
    ACCOUNT, Backend, EXTERNAL, KEY, META_TOKEN, NUMBER, OPERATOR_KEY, RIVAL_KEY, RIVAL_NUMBER,
    Reply, Setup, WABA, World, on_every_ledger,
};

on_every_ledger!(
    an_object_is_fetched_by_the_gateway,
    no_key_and_no_cookie_reach_the_media_host,
    an_old_or_changed_url_is_refused,
    every_gateway_of_the_ledger_knows_the_url,
    only_listed_hosts_are_fetched_from,
    the_operator_names_the_public_url,
    what_upstream_answers_comes_back,
    an_object_needs_no_phone_number,
    too_many_channels_are_not_asked_by,
    an_object_is_its_accounts_alone,
);

const FILE: &[u8] = b"\x89PNG\r\n\x1a\n 0123456789";

/// The answer about an object, and the path of the URL in it.
async fn object(world: &World, id: &str) -> (Reply, String) {
    let path = format!("/v24.0/{id}?phone_number_id={NUMBER}");
    let answer = world.data(Method::GET, &path).header("accept-encoding", "gzip").await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    let base = format!("http://{}", world.data);
    let url = answer.text("/url").to_owned();
    let path = url.strip_prefix(&base).unwrap_or_else(|| panic!("{url} is not below {base}"));
    (answer.clone(), path.to_owned())
}

/// A client that was given the URL and nothing else.
async fn fetch(world: &World, path: &str) -> Reply {
    world.request(Method::GET, world.data, path).await
}

async fn an_object_is_fetched_by_the_gateway(backend: Backend) {
    let world = World::on(backend).await;
    let id = world.simulator.put_media("image/png", FILE);
    let (answer, path) = object(&world, &id).await;
    assert!(path.starts_with("/media/") && !path.contains('?'), "{path}");
    // Everything else in the answer is as Meta wrote it.
    let length: usize = answer.header("content-length").parse().unwrap();
    assert_eq!(length, answer.body.len());
    assert_eq!((answer.text("/id"), answer.text("/mime_type")), (id.as_str(), "image/png"));
    assert_eq!(answer.json["file_size"], FILE.len());
    assert_eq!(answer.json.as_object().unwrap().len(), 6);
    let fetched = fetch(&world, &path).await;
    assert_eq!((fetched.status, &fetched.body[..]), (200, FILE));
    assert_eq!(fetched.header("content-type"), "image/png");
    assert!(!fetched.header("x-request-id").is_empty());
    let part = world.request(Method::GET, world.data, &path).header("range", "bytes=1-3").await;
    assert_eq!((part.status, &part.body[..]), (206, &FILE[1..4]));
    assert_eq!(world.books().await.available, 100_000_000);
    // What is no media object is not touched.
    let number = world.data(Method::GET, &format!("/v24.0/{NUMBER}")).await;
    assert_eq!((number.status, number.text("/id")), (200, NUMBER));
}

async fn no_key_and_no_cookie_reach_the_media_host(backend: Backend) {
    let world = World::on(backend).await;
    let id = world.simulator.put_media("image/png", FILE);
    let (_, path) = object(&world, &id).await;
    let request = world
        .data(Method::GET, &format!("{path}?access_token={KEY}"))
        .header("cookie", "session=1")
        .header("x-forwarded-for", "10.0.0.1");
    let fetched = request.await;
    assert_eq!((fetched.status, &fetched.body[..]), (200, FILE));
    assert_eq!(fetched.header("set-cookie"), "", "Meta's cookies are not the client's");
    let reads = world.simulator.reads();
    let [asked, downloaded] = &reads[..] else { panic!("{reads:?}") };
    assert!(!asked.media_host && downloaded.media_host);
    assert!(asked.headers.get("accept-encoding").is_none(), "the answer must be readable");
    for read in &reads {
        assert_eq!(read.headers["authorization"], format!("Bearer {META_TOKEN}").as_str());
        assert!(!format!("{read:?}").contains(KEY), "{read:?}");
        for name in ["cookie", "x-forwarded-for", "tollgate-campaign"] {
            assert!(!read.headers.contains_key(name), "{name} in {read:?}");
        }
    }
    assert!(downloaded.path.contains(&format!("mid={id}&ext=")), "{}", downloaded.path);
}

async fn an_old_or_changed_url_is_refused(backend: Backend) {
    let world = World::of(Setup::on(backend).set("media.url_lifetime_s", 60)).await;
    let id = world.simulator.put_media("image/png", FILE);
    let (_, path) = object(&world, &id).await;
    let requests = world.simulator.requests_count();
    let refused = async |path: &str, names: &str| {
        let reply = fetch(&world, path).await;
        assert_eq!(reply.summary(), "403 media_url_invalid", "{path}");
        let details = reply.text("/error/error_data/details");
        assert!(details.contains(names), "{path}: {details}");
    };
    let mut changed = path.clone().into_bytes();
    let last = changed.len() - 2;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    refused(std::str::from_utf8(&changed).unwrap(), "not made by this gateway").await;
    for other in ["/media/", "/media/x", "/media/x.y", "/media/../v24.0/1", "/media//"] {
        refused(other, "not made by this gateway").await;
    }
    world.pass(Duration::from_secs(59));
    assert_eq!(fetch(&world, &path).await.status, 200);
    world.pass(Duration::from_secs(1));
    refused(&path, "has expired").await;
    for method in [Method::POST, Method::DELETE] {
        let reply = world.request(method, world.data, &path).await;
        assert_eq!(reply.summary(), "403 path_not_allowed");
    }
    assert_eq!(world.simulator.requests_count(), requests + 1);
    // A channel that is gone has no token any more.
    let (_, path) = object(&world, &id).await;
    let channel = format!("/v1/accounts/{ACCOUNT}/channels/{NUMBER}");
    assert_eq!(world.admin(Method::DELETE, &channel, OPERATOR_KEY).await.status, 204);
    refused(&path, "is gone").await;
}

async fn every_gateway_of_the_ledger_knows_the_url(backend: Backend) {
    // An embedded ledger has one gateway; another one of another ledger does not know the URL.
    let world = World::on(backend).await;
    let id = world.simulator.put_media("image/png", FILE);
    let (_, path) = object(&world, &id).await;
    if backend == Backend::Redis {
        let (gateway, other) = world.another_gateway().await;
        let fetched = other.request(Method::GET, other.data, &path).await;
        assert_eq!((fetched.status, &fetched.body[..]), (200, FILE));
        gateway.shutdown().await;
    }
    let stranger = World::on(Backend::Embedded).await;
    assert_eq!(fetch(&stranger, &path).await.summary(), "403 media_url_invalid");
    assert_eq!(stranger.simulator.requests_count(), 0);
}

async fn only_listed_hosts_are_fetched_from(backend: Backend) {
    let check = |answer: Reply, host: SocketAddr| {
        assert_eq!(answer.summary(), "403 path_not_allowed");
        let details = answer.text("/error/error_data/details");
        assert!(
            details.contains(&host.to_string()) && details.contains("media.hosts"),
            "{details}"
        );
        assert!(!answer.json.to_string().contains("attachments"), "{}", answer.json);
    };
    let world = World::of(Setup::on(backend).media_host("lookaside.fbsbx.com")).await;
    let id = world.simulator.put_media("image/png", FILE);
    let path = format!("/v24.0/{id}?phone_number_id={NUMBER}");
    check(world.data(Method::GET, &path).await, world.simulator.media_addr());
    // The external channel's upstream names a host that is not listed either.
    let world = World::on(backend).await;
    let id = world.elsewhere.put_media("image/png", FILE);
    let path = format!("/v24.0/{id}?phone_number_id={EXTERNAL}");
    check(world.data(Method::GET, &path).await, world.elsewhere.media_addr());
    // Deleting it shows no URL.
    assert_eq!(world.data(Method::DELETE, &path).await.json["success"], true);
}

async fn the_operator_names_the_public_url(backend: Backend) {
    let public = "https://media.example.com/tollgate";
    let world = World::of(Setup::on(backend).set("media.public_url", format!("{public}/"))).await;
    let id = world.simulator.put_media("image/png", FILE);
    let path = format!("/v24.0/{id}?phone_number_id={NUMBER}");
    let answer = world.data(Method::GET, &path).await;
    let path = answer.text("/url").strip_prefix(public).unwrap();
    let fetched = fetch(&world, path).await;
    assert_eq!((fetched.status, &fetched.body[..]), (200, FILE));
    // Without it, the host is the one the client used.
    let world = World::on(backend).await;
    let id = world.simulator.put_media("image/png", FILE);
    let named = world
        .data(Method::GET, &format!("/v24.0/{id}?phone_number_id={NUMBER}"))
        .header("host", "gateway.test:8080")
        .await;
    assert!(named.text("/url").starts_with("http://gateway.test:8080/media/"), "{}", named.json);
}

async fn what_upstream_answers_comes_back(backend: Backend) {
    let world = World::on(backend).await;
    let id = world.simulator.put_media("image/png", FILE);
    let (_, path) = object(&world, &id).await;
    world.simulator.fault(Fault::refuse(190).on_reads().next(1));
    let refused = fetch(&world, &path).await;
    assert_eq!(refused.summary(), "401 #190", "upstream's answer as it came");
    world.simulator.fault(Fault::new(FaultAction::Reset).on_reads().next(1));
    assert_eq!(fetch(&world, &path).await.summary(), "504 upstream_no_answer");
    assert_eq!(fetch(&world, &path).await.status, 200);
    // The id of something else, as upstream's answer shows.
    let unknown = format!("/v24.0/990000000000999?phone_number_id={NUMBER}");
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(world.data(method, &unknown).await.summary(), "403 channel_unknown");
    }
    assert!(world.simulator.reads().iter().all(|read| read.method == Method::GET));
    let deleted = format!("/v24.0/{id}?phone_number_id={NUMBER}");
    assert_eq!(world.data(Method::DELETE, &deleted).await.json["success"], true);
    assert_eq!(fetch(&world, &path).await.status, 400);
}

async fn an_object_needs_no_phone_number(backend: Backend) {
    // Most SDKs do not name it; the account has three channels and two upstreams.
    let world = World::of(
        Setup::on(backend)
            .simulator(|options| options.phone_number_ids = Some(vec![NUMBER.to_owned()])),
    )
    .await;
    let get = async |id: &str| world.data(Method::GET, &format!("/v24.0/{id}")).await;
    let first = world.simulator.put_media("image/png", FILE);
    world.elsewhere.put_media("image/png", FILE);
    let second = world.elsewhere.put_media("video/mp4", FILE);
    let found = get(&first).await;
    assert_eq!((found.status, found.text("/mime_type")), (200, "image/png"));
    assert!(found.text("/url").starts_with(&format!("http://{}/media/", world.data)));
    assert_eq!((world.simulator.requests_count(), world.elsewhere.requests_count()), (1, 0));
    // The external channel's: by the first it is not found, by the next it is.
    let found = get(&second).await;
    let details = found.text("/error/error_data/details");
    assert!(details.contains(&world.elsewhere.media_addr().to_string()), "{}", found.json);
    assert_eq!((world.simulator.requests_count(), world.elsewhere.requests_count()), (2, 1));
    let deleted = world.data(Method::DELETE, &format!("/v24.0/{second}")).await;
    assert_eq!((deleted.status, &deleted.json["success"]), (200, &true.into()));
    assert_eq!(world.elsewhere.requests_count(), 3);
    // What is nowhere: the first upstream's answer.
    world.simulator.fault(Fault::refuse(190).on_reads().next(1));
    world.elsewhere.fault(Fault::refuse(100).on_reads().next(1));
    assert_eq!(get("990000000000999").await.summary(), "401 #190");
}

async fn too_many_channels_are_not_asked_by(backend: Backend) {
    let world = World::on(backend).await;
    let id = world.simulator.put_media("image/png", FILE);
    let path = format!("/v24.0/{id}");
    // There are three.
    for n in 10..72 {
        assert_eq!(world.data(Method::GET, &path).await.status, 200, "{n}");
        let channel = json!({"waba": WABA, "token_file": "meta-token"});
        world.operate(Method::PUT, &format!("/channels/3065403522429{n}"), channel).await;
    }
    let before = world.simulator.requests_count();
    let reply = world.data(Method::GET, &path).await;
    assert_eq!(reply.summary(), "403 channel_unknown");
    let details = reply.text("/error/error_data/details");
    assert!(details.contains("65 channels") && details.contains("phone_number_id"), "{details}");
    assert_eq!(world.simulator.requests_count(), before);
    let named = format!("{path}?phone_number_id={NUMBER}");
    assert_eq!(world.data(Method::GET, &named).await.status, 200);
}

async fn an_object_is_its_accounts_alone(backend: Backend) {
    // Both accounts' channels have one token, as those of one provider may.
    let world = World::on(backend).await;
    let token = std::fs::read(world.home.path().join("meta-token")).unwrap();
    std::fs::write(world.home.path().join("rival-meta-token"), token).unwrap();
    let own = world.simulator.put_media_on(NUMBER, "image/png", FILE);
    let rivals = world.simulator.put_media_on(RIVAL_NUMBER, "image/png", FILE);
    let ask = async |method: Method, key: &str, path: String| {
        world.data(method, &path).key(key).await.status
    };
    for (key, theirs, others, number) in
        [(KEY, &own, &rivals, NUMBER), (RIVAL_KEY, &rivals, &own, RIVAL_NUMBER)]
    {
        for method in [Method::GET, Method::DELETE] {
            for query in [String::new(), format!("?phone_number_id={number}")] {
                let path = format!("/v24.0/{others}{query}");
                let status = ask(method.clone(), key, path).await;
                assert!([400, 403].contains(&status), "{method} {query}: {status}");
            }
        }
        assert_eq!(ask(Method::GET, key, format!("/v24.0/{theirs}")).await, 200);
    }
    for read in world.simulator.reads() {
        assert!(read.path.contains("?phone_number_id="), "{}", read.path);
        assert_eq!(read.method, Method::GET, "nothing was deleted");
    }
    for (key, id) in [(KEY, own), (RIVAL_KEY, rivals)] {
        assert_eq!(ask(Method::DELETE, key, format!("/v24.0/{id}")).await, 200);
        assert_eq!(ask(Method::GET, key, format!("/v24.0/{id}")).await, 403, "it is gone");
    }
    let waba = world.data(Method::GET, &format!("/v24.0/{WABA}")).await;
    assert_eq!(waba.summary(), "403 channel_unknown");
}
