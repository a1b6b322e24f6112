//! Templates page by page, phone numbers, media and profiles.

use tollgate_simulator::SimulatorTemplate;

use super::*;

fn with_templates(count: usize) -> Simulator {
    let templates = (0..count).map(|index| SimulatorTemplate {
        waba: Some("310000000000001".to_owned()),
        ..SimulatorTemplate::approved(&format!("offer_{index}"), "en_US", "MARKETING")
    });
    Simulator::start(SimulatorOptions {
        templates: templates.collect(),
        ..SimulatorOptions::default()
    })
    .unwrap()
}

#[tokio::test]
async fn templates_come_page_by_page() {
    let simulator = with_templates(7);
    let mut url = format!(
        "{}/v24.0/310000000000001/message_templates?fields=name,language,category,status&limit=3",
        simulator.url()
    );
    let mut names = Vec::new();
    let mut pages = 0;
    loop {
        let page = call("GET", url, "").await.json();
        pages += 1;
        for template in page["data"].as_array().unwrap() {
            assert_eq!(template["category"], "MARKETING");
            assert!(template["id"].is_string() && template["components"].is_null());
            names.push(template["name"].as_str().unwrap().to_owned());
        }
        match page["paging"]["next"].as_str() {
            Some(next) => url = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(pages, 3);
    let expected: Vec<String> = (0..7).map(|index| format!("offer_{index}")).collect();
    assert_eq!(names, expected);

    let path = "/v24.0/310000000000001/message_templates";
    let one = get(&simulator, &format!("{path}?name=offer_4")).await.json();
    assert_eq!(one["data"].as_array().unwrap().len(), 1);
    let other = get(&simulator, "/v24.0/5/message_templates").await.json();
    assert_eq!(other, json!({ "data": [] }));
    for query in ["limit=0", "limit=many", "after=nonsense"] {
        let answer = get(&simulator, &format!("{path}?{query}")).await;
        assert_eq!(answer.json()["error"]["code"], 100, "{query}");
    }
}

#[tokio::test]
async fn phone_numbers_and_profiles() {
    let simulator = with_templates(1);
    let path = "/v24.0/106540352242922";
    let number = get(&simulator, &format!("{path}?fields=status,throughput")).await.json();
    assert_eq!(
        number,
        json!({
            "id": "106540352242922", "status": "CONNECTED",
            "throughput": { "level": "STANDARD" },
        })
    );
    let waba = get(&simulator, "/v24.0/310000000000001?fields=timezone_id").await.json();
    assert_eq!(waba["timezone_id"], "0");
    let path = format!("{path}/whatsapp_business_profile");
    let profile = get(&simulator, &path).await.json();
    assert_eq!(profile["data"][0]["messaging_product"], "whatsapp");
    let body = r#"{"messaging_product":"whatsapp","about":"Closed"}"#;
    assert_eq!(post(&simulator, &path, body).await.json()["success"], true);
    assert_eq!(post(&simulator, &path, "{}").await.status, 400);
}

#[tokio::test]
async fn media_go_up_and_come_down() {
    let simulator = start();
    let form = "--b\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\n\
                whatsapp\r\n\
                --b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nimage/png\r\n\
                --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\
                PNG!\r\n--b--\r\n";
    let request = Request::builder()
        .method("POST")
        .uri(format!("{}/v24.0/1/media", simulator.url()))
        .header("content-type", "multipart/form-data; boundary=b");
    let json = try_call(request, form).await.unwrap().json();
    let id = json["id"].as_str().unwrap().to_owned();
    let media = get(&simulator, &format!("/v24.0/{id}")).await.json();
    assert_eq!(media["file_size"], 4);
    let sha256 = "24501919c367725c";
    assert!(media["sha256"].as_str().unwrap().starts_with(sha256), "{media}");
    let file = call("GET", media["url"].as_str().unwrap().to_owned(), "").await;
    assert_eq!(file.headers["content-type"], "image/png");
    assert_eq!(file.body, "PNG!");
    let url = format!("{}/v24.0/{id}", simulator.url());
    assert_eq!(call("DELETE", url.clone(), "").await.status, 200);
    assert_eq!(call("DELETE", url, "").await.json()["error"]["error_subcode"], 33);
}
