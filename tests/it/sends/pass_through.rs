//! Graph paths that are not sends: a short list passes, streamed and with the channel's own token;
//! everything else is refused.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::json;
use tollgate_simulator::{Fault, FaultAction, SimulatorTemplate};

use crate::support::{
    ACCOUNT, Backend, DISABLED, EXTERNAL, KEY, META_TOKEN, NUMBER, OPERATOR_KEY, RIVAL_KEY,
    RIVAL_NUMBER, RIVAL_WABA, Reply, Setup, WABA, World, on_every_ledger,
};

on_every_ledger!(
    media_is_uploaded_sent_read_and_deleted,
    profile_number_and_templates_are_read,
    everything_else_is_refused,
    other_accounts_ids_are_refused,
    the_operator_chooses_what_passes,
    an_upstream_that_does_not_answer_is_reported,
);

/// Whether it was passed on, whatever its content.
fn passed(reply: &Reply) -> bool {
    reply.status == 200 && reply.header("tollgate-rejection").is_empty()
}

/// An upload form as SDKs build it.
fn form(file: &[u8]) -> Bytes {
    let mut form = Vec::new();
    form.extend_from_slice(
        b"--XX\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n",
    );
    form.extend_from_slice(
        b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\
          Content-Type: image/jpeg\r\n\r\n",
    );
    form.extend_from_slice(file);
    form.extend_from_slice(b"\r\n--XX--\r\n");
    form.into()
}

async fn media_is_uploaded_sent_read_and_deleted(backend: Backend) {
    let world = World::of(
        Setup::on(backend)
            .simulator(|options| options.phone_number_ids = Some(vec![NUMBER.to_owned()])),
    )
    .await;
    // Larger than a send may be: it is streamed, not read.
    let file: Vec<u8> = (0..2_000_000u32).map(|n| (n % 251) as u8).collect();
    let upload = world
        .data(Method::POST, &format!("/v24.0/{NUMBER}/media"))
        .header("content-type", "multipart/form-data; boundary=XX");
    let uploaded = upload.body(form(&file)).await;
    assert!(passed(&uploaded), "{} {}", uploaded.status, uploaded.json);
    let id = uploaded.text("/id").to_owned();
    let image = json!({
        "messaging_product": "whatsapp", "to": "+16505550144", "type": "image", "image": {"id": id},
    });
    let sent = world.send(image.to_string());
    assert_eq!(sent.await.summary(), "200 0.00 USD service North America");
    let path = format!("/v24.0/{id}");
    let named = format!("{path}?phone_number_id={NUMBER}");
    let read = world.data(Method::GET, &named).await;
    assert!(passed(&read), "{}", read.json);
    assert_eq!(
        (read.text("/mime_type"), &read.json["file_size"]),
        ("image/jpeg", &file.len().into())
    );
    assert!(passed(&world.data(Method::DELETE, &named).await));
    assert_eq!(world.data(Method::GET, &named).await.status, 400, "upstream's own answer");
    let spent = world.books().await;
    assert_eq!((spent.settled, spent.held), (100_000_000, 0));
}

async fn profile_number_and_templates_are_read(backend: Backend) {
    let templates = ["one", "two", "three"]
        .map(|name| SimulatorTemplate::approved(name, "en_US", "UTILITY"))
        .to_vec();
    let world =
        World::of(Setup::on(backend).simulator(|options| options.templates = templates)).await;
    let get = async |path: String| world.data(Method::GET, &path).await;
    let number = get(format!("/v24.0/{NUMBER}?fields=verified_name,quality_rating")).await;
    assert_eq!(
        number.json,
        json!({"id": NUMBER, "verified_name": "Example Shop", "quality_rating": "GREEN"})
    );
    let profile = format!("/v24.0/{NUMBER}/whatsapp_business_profile");
    assert_eq!(
        get(profile.clone() + "?fields=about").await.text("/data/0/about"),
        "Open every day"
    );
    let write = world
        .post(&profile, json!({"messaging_product": "whatsapp", "about": "Closed"}).to_string())
        .await;
    assert!(passed(&write) && write.json["success"] == true, "{}", write.json);
    for (kind, body, expected) in [
        (
            "application/json",
            r#"{"about":"x","batch":[{"method":"POST"}]}"#,
            "403 path_not_allowed",
        ),
        ("application/json", r#"{"access_token":"x"}"#, "403 path_not_allowed"),
        ("application/x-www-form-urlencoded", "about=x&batch=[]", "403 path_not_allowed"),
        ("application/x-www-form-urlencoded", "method=get", "403 path_not_allowed"),
        ("multipart/form-data; boundary=x", "--x--", "415 unsupported_media_type"),
        ("application/json", "[]", "400 malformed"),
    ] {
        let before = world.simulator.requests_count();
        let reply = world.post(&profile, body).header("content-type", kind).await;
        assert_eq!(reply.summary(), expected, "{kind} {body}");
        assert_eq!(world.simulator.requests_count(), before);
    }
    let first = get(format!("/v24.0/{WABA}/message_templates?limit=2")).await;
    // The link to the next page leads here, without the token that Meta's carries.
    let next = first.text("/paging/next").to_owned();
    let path = next.strip_prefix(&format!("http://{}", world.data)).unwrap();
    for token in [META_TOKEN, KEY, "access_token"] {
        assert!(!first.json.to_string().contains(token), "{}", first.json);
    }
    let length: usize = first.header("content-length").parse().unwrap();
    assert_eq!(length, first.body.len());
    assert_eq!(get(path.to_owned()).await.text("/data/0/name"), "three");
    assert_eq!(first.json["data"].as_array().map(Vec::len), Some(2));
    let after = first.text("/paging/cursors/after");
    let second =
        get(format!("/v24.0/{WABA}/message_templates?limit=2&after={}", after.replace('=', "%3D")))
            .await;
    assert_eq!(second.text("/data/0/name"), "three", "{}", second.json);
    assert!(!second.header("x-request-id").is_empty());
}

async fn everything_else_is_refused(backend: Backend) {
    let world = World::on(backend).await;
    let (get, post, delete, put) = (Method::GET, Method::POST, Method::DELETE, Method::PUT);
    let refused = [
        (&post, format!("/{NUMBER}/messages")),
        (&post, format!("/v24.0/{NUMBER}//messages")),
        (&post, format!("///v24.0/{NUMBER}/messages")),
        (&post, format!("/v24.0/{NUMBER}/messages//")),
        (&post, format!("/v24.0/{NUMBER}/%6dessages")),
        (&post, format!("/v24.0/{NUMBER}/messages_encrypted")),
        (&post, format!("/v24.0/{NUMBER}/calls")),
        (&post, format!("/v24.0/{NUMBER}/groups")),
        (&post, format!("/v24.0/{NUMBER}/register")),
        (&post, format!("/v24.0/{NUMBER}")),
        (&post, format!("/v24.0/{WABA}/message_templates")),
        (&post, format!("/v24.0/{WABA}/assigned_users")),
        (&get, format!("/v24.0/{NUMBER}/messages")),
        (&put, format!("/v24.0/{NUMBER}/messages")),
        (&get, format!("/v24.0/{WABA}/phone_numbers")),
        (&get, format!("/v24.0/{WABA}/subscribed_apps")),
        (&get, "/v24.0/me".to_owned()),
        (&get, "/v24.0/debug_token?input_token=x".to_owned()),
        (&get, "/".to_owned()),
        (&post, "/".to_owned()),
        (&post, "/v24.0/".to_owned()),
        (&get, "/metrics".to_owned()),
        (&get, "/v1/accounts".to_owned()),
        (&get, "/_simulator/stats".to_owned()),
        (&delete, format!("/v24.0/{NUMBER}")),
        (&post, format!("/campaigns/diwali/{NUMBER}/media")),
        // Parameters that would make another request of it.
        (&get, format!("/v24.0/{NUMBER}?Access_Token=x")),
        (&get, format!("/v24.0/{NUMBER}?fields=id;access_token=x")),
        (&get, format!("/v24.0/{NUMBER}?access_token={KEY}&batch=[]")),
        (&get, format!("/v24.0/{NUMBER}?method=post")),
        (&get, format!("/v24.0/{NUMBER}?Method=POST")),
        (&get, format!("/v24.0/{NUMBER}?fields=id&batch=[]")),
        (&get, format!("/v24.0/{NUMBER}?%6dethod=post")),
    ];
    for (method, path) in refused {
        let reply = world
            .data(method.clone(), &path)
            .header("content-type", "application/json")
            .body("{}")
            .await;
        assert_eq!(reply.summary(), "403 path_not_allowed", "{method} {path}");
    }
    assert_eq!(world.simulator.requests_count(), 0);
    assert_eq!(world.request(Method::GET, world.data, "/livez").await.status, 200);
}

async fn other_accounts_ids_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let requests = [
        (Method::GET, format!("/v24.0/{RIVAL_NUMBER}/whatsapp_business_profile")),
        (Method::POST, format!("/v24.0/{RIVAL_NUMBER}/media")),
        (Method::GET, format!("/v24.0/{RIVAL_WABA}/message_templates")),
        (Method::GET, format!("/v24.0/990000000000001?phone_number_id={RIVAL_NUMBER}")),
        (Method::GET, "/v24.0/999999999999999/whatsapp_business_profile".to_owned()),
    ];
    for (method, path) in requests {
        assert_eq!(
            world.data(method, &path).body("{}").await.summary(),
            "403 channel_unknown",
            "{path}"
        );
    }
    // An id of unknown kind is never read with fields: it could be anything of the same provider.
    let summary = world
        .data(Method::GET, &format!("/v24.0/{RIVAL_NUMBER}?fields=verified_name"))
        .await
        .summary();
    assert_eq!(summary, "403 path_not_allowed");
    let summary = world
        .data(Method::GET, &format!("/v24.0/{NUMBER}"))
        .key("nobodys-key-0123456789")
        .await
        .summary();
    assert_eq!(summary, "401 unauthorized");
    assert_eq!(world.simulator.requests_count(), 0);
    // The same with the right key; the token is that account's.
    assert!(passed(
        &world.data(Method::GET, &format!("/v24.0/{RIVAL_NUMBER}")).key(RIVAL_KEY).await
    ));
}

async fn the_operator_chooses_what_passes(backend: Backend) {
    // Lists cannot come by the environment: the world's file gets the section.
    let world =
        World::of(Setup::on(backend).section("[pass_through]\nallow = [\"templates\"]")).await;
    let get = async |path: String| world.data(Method::GET, &path).await.summary();
    assert_eq!(get(format!("/v24.0/{NUMBER}")).await, "403 path_not_allowed");
    assert_eq!(
        get(format!("/v24.0/{NUMBER}/whatsapp_business_profile")).await,
        "403 path_not_allowed"
    );
    assert_eq!(get(format!("/v24.0/{WABA}/message_templates")).await, "200");
    assert_eq!(get(format!("/v24.0/{EXTERNAL}")).await, "403 path_not_allowed");
    let account = world
        .admin(Method::GET, &format!("/v1/accounts/{ACCOUNT}/channels/{DISABLED}"), OPERATOR_KEY)
        .await;
    assert_eq!(account.json["enabled"], false);
    assert_eq!(world.data(Method::GET, "/livez").key(KEY).await.status, 200);
}

async fn an_upstream_that_does_not_answer_is_reported(backend: Backend) {
    let world = World::on(backend).await;
    let get = async || {
        world
            .data(Method::GET, &format!("/v24.0/{NUMBER}"))
            .within(Duration::from_secs(5))
            .await
            .unwrap()
    };
    world.simulator.fault(Fault::new(FaultAction::Reset).on_reads().next(1));
    assert_eq!(get().await.summary(), "504 upstream_no_answer");
    world.simulator.fault(Fault::refuse(190).on_reads().next(1));
    let refused = get().await;
    assert_eq!(
        (refused.summary().as_str(), refused.header("tollgate-rejection")),
        ("401 #190", ""),
        "upstream's answer as it came"
    );
    assert_eq!(get().await.summary(), "200");
}
