//! What clients make of a base URL: one that ends with a slash, carries the version or a campaign,
//! or both. What can be meant in one way only works; else the rejection names the slash.

use http::Method;

use crate::support::{
    ACCOUNT, Backend, CAMPAIGN_KEY, KEY, NUMBER, READING_KEY, World, indian, marketing,
    on_every_ledger,
};

on_every_ledger!(slashes_of_a_base_url_are_dropped, a_campaign_prefix_carries_media_too);

const SENT: &str = "200 0.0118 USD marketing India";

async fn slashes_of_a_base_url_are_dropped(backend: Backend) {
    let world = World::on(backend).await;
    let paths = [
        format!("//v24.0/{NUMBER}/messages"),
        format!("/v24.0//{NUMBER}/messages"),
        format!("/v24.0/{NUMBER}/messages/"),
        format!("//v24.0/{NUMBER}/messages/?access_token={KEY}"),
        format!("/campaigns/diwali//v24.0/{NUMBER}/messages/"),
    ];
    for path in &paths {
        assert_eq!(world.post(path, marketing(&indian(1))).await.summary(), SENT, "{path}");
    }
    for accepted in world.simulator.accepted() {
        assert_eq!(accepted.path, format!("/v24.0/{NUMBER}/messages"));
    }
    assert_eq!(world.data(Method::GET, &format!("//v24.0/{NUMBER}/")).await.status, 200);
    for path in [
        format!("///v24.0/{NUMBER}/messages"),
        format!("/v24.0/{NUMBER}//messages"),
        format!("/v24.0/{NUMBER}/messages//"),
    ] {
        let reply = world.post(&path, marketing(&indian(1))).await;
        assert_eq!(reply.summary(), "403 path_not_allowed", "{path}");
        let details = reply.text("/error/error_data/details");
        assert!(details.contains("a slash too many"), "{path}: {details}");
    }
    let other = world.post("/v24.0/calls", "{}").await;
    assert!(!other.text("/error/error_data/details").contains("slash"), "{}", other.json);
    assert_eq!(world.simulator.accepted_count(), paths.len() as u64);
}

async fn a_campaign_prefix_carries_media_too(backend: Backend) {
    let world = World::on(backend).await;
    let form = "--XX\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\
                \r\n--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\
                Content-Type: image/jpeg\r\n\r\nx\r\n--XX--\r\n";
    let upload = |prefix: &str| {
        let path = format!("{prefix}/v24.0/{NUMBER}/media");
        let request = world.data(Method::POST, &path);
        request.header("content-type", "multipart/form-data; boundary=XX").body(form)
    };
    let uploaded = upload("/campaigns/diwali").await;
    assert_eq!(uploaded.status, 200, "{}", uploaded.json);
    let read = format!("/campaigns/diwali/v24.0/{NUMBER}?fields=status");
    assert_eq!(world.data(Method::GET, &read).await.status, 200);
    // The prefix means nothing there, and must be one campaign's all the same.
    assert_eq!(upload("/campaigns/no+id").await.summary(), "400 malformed");
    assert_eq!(upload("/campaigns/a").campaign("b").await.summary(), "400 malformed");
    let keys_own = upload("/campaigns/of-the-key").key(CAMPAIGN_KEY);
    assert_eq!(keys_own.await.status, 200);
    let another = upload("/campaigns/diwali").key(CAMPAIGN_KEY);
    assert_eq!(another.await.summary(), "400 malformed");
    // No campaign was made by it, and nothing was charged.
    let campaigns = format!("/v1/accounts/{ACCOUNT}/campaigns");
    let campaigns = world.admin(Method::GET, &campaigns, READING_KEY).await;
    assert_eq!(campaigns.json["items"], serde_json::json!([]));
    assert_eq!(world.books().await.available, 100_000_000);
}
