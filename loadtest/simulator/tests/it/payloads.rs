//! Every documented body is taken or refused as Meta would, and every answer has the documented
//! shape.

use serde_json::{Value, json};
use tollgate_simulator::{SimulatorOptions, SimulatorTemplate};

use super::*;

fn payload(name: &str) -> Bytes {
    let root = env!("CARGO_MANIFEST_DIR");
    Bytes::from(std::fs::read(format!("{root}/../../tests/payloads/{name}")).unwrap())
}

/// Replaces every string and number by its type, and message ids by `wamid`.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, v)| (name.clone(), shape(v))).collect()
        }
        Value::Array(entries) => entries.iter().map(shape).collect(),
        Value::String(text) if text.starts_with("wamid.") => json!("wamid"),
        Value::String(_) => json!("string"),
        Value::Number(_) => json!("number"),
        other => other.clone(),
    }
}

const MARKETING: &str = "/v24.0/106540352242922/marketing_messages";

/// Payload, path, then the answer whose shape is expected or the error code.
const SENDS: &[(&str, &str, Result<&str, i64>)] = &[
    ("send-audio", MESSAGES, Ok("resp-success")),
    ("send-contacts", MESSAGES, Ok("resp-success")),
    ("send-document", MESSAGES, Ok("resp-success")),
    ("send-image", MESSAGES, Ok("resp-success")),
    ("send-interactive-address", MESSAGES, Ok("resp-success")),
    ("send-interactive-buttons", MESSAGES, Ok("resp-success")),
    ("send-interactive-contact-request", MESSAGES, Ok("resp-success-bsuid")),
    ("send-interactive-list", MESSAGES, Ok("resp-success")),
    ("send-location", MESSAGES, Ok("resp-success")),
    ("send-marketing-messages-api", MARKETING, Ok("resp-success-accepted")),
    ("send-marketing-messages-api", MESSAGES, Err(100)),
    ("send-reaction", MESSAGES, Ok("resp-success")),
    ("send-read-receipt-typing", MESSAGES, Ok("resp-read-receipt")),
    ("send-read-receipt-typing", MARKETING, Err(100)),
    ("send-sticker", MESSAGES, Ok("resp-success")),
    ("send-template-authentication", MESSAGES, Ok("resp-success-accepted")),
    ("send-template-marketing", MESSAGES, Ok("resp-success-accepted")),
    ("send-template-marketing", MARKETING, Ok("resp-success-accepted")),
    ("send-template-utility-named", MESSAGES, Ok("resp-success-accepted")),
    ("send-text-reply", MESSAGES, Ok("resp-success")),
    ("send-text", MESSAGES, Ok("resp-success")),
    ("send-text", MARKETING, Err(100)),
    ("send-to-bsuid", MESSAGES, Ok("resp-success-bsuid")),
    ("send-to-group", MESSAGES, Ok("resp-success-accepted")),
    ("send-group-pin", MESSAGES, Ok("resp-success")),
    ("send-to-phone-and-bsuid", MESSAGES, Ok("resp-success")),
    ("send-video", MESSAGES, Ok("resp-success")),
    ("send-call-connect", "/v24.0/1/calls", Err(2500)),
    ("send-call-connect", MESSAGES, Err(131008)),
    ("send-encrypted", "/v24.0/1/messages_encrypted", Err(2500)),
    ("send-encrypted", MESSAGES, Err(131008)),
    ("graph-batch-smuggle", "/", Err(2500)),
];

#[tokio::test]
async fn every_send_payload_is_answered_as_documented() {
    let simulator = start();
    let mut messages = 0;
    for (name, path, expected) in SENDS {
        let body = payload(&format!("{name}.json"));
        let answer = post(&simulator, path, body.clone()).await;
        let json = answer.json();
        match expected {
            Ok(example) => {
                assert_eq!(answer.status, 200, "{name}: {json}");
                let example: Value =
                    serde_json::from_slice(&payload(&format!("{example}.json"))).unwrap();
                assert_eq!(shape(&json), shape(&example), "{name} to {path}");
            }
            Err(code) => assert_eq!(json["error"]["code"], *code, "{name} to {path}: {json}"),
        }
        if json["messages"].is_array() {
            messages += 1;
            let accepted = simulator.accepted().pop().unwrap();
            assert_eq!(accepted.body, body, "{name}: byte for byte");
            assert_eq!(json["messages"][0]["id"], accepted.message_id.as_str());
            assert_eq!(accepted.path, *path);
            assert_eq!(accepted.headers["authorization"], "Bearer EAAtoken");
        }
        assert_eq!(simulator.accepted_count(), messages, "{name} to {path}");
    }
    let listed = std::fs::read_dir(format!("{}/../../tests/payloads", env!("CARGO_MANIFEST_DIR")));
    for file in listed.unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        let missing = file.starts_with("send-")
            && !SENDS.iter().any(|(name, ..)| file == format!("{name}.json"));
        assert!(!missing, "{file} is not in the table");
    }
    assert_eq!(simulator.stats().read_receipts, 1);
    assert_eq!(simulator.requests_count(), SENDS.len() as u64);
    simulator.shutdown().await;
}

#[tokio::test]
async fn the_answer_repeats_the_input_and_gives_the_whatsapp_id() {
    let simulator = start();
    for (to, wa_id) in [
        ("+1 (650) 555-0144", "16505550144"),
        ("+5511987650001", "551187650001"),
        ("+551187650001", "551187650001"),
        ("+52 55 1234 5678", "5215512345678"),
        ("+52 1 55 1234 5678", "5215512345678"),
        ("+54 11 15 2345 6789", "5491123456789"),
        ("+54 11 2345 6789", "5491123456789"),
        ("+54 9 11 2345 6789", "5491123456789"),
        ("+54 221 15 456 7890", "5492214567890"),
        ("+54 2202 15 456789", "5492202456789"),
        ("919812300001", "919812300001"),
    ] {
        let json = post(&simulator, MESSAGES, text_to(to)).await.json();
        assert_eq!(json["contacts"], json!([{ "input": to, "wa_id": wa_id }]));
    }
    let last = simulator.accepted().pop().unwrap();
    assert_eq!((last.kind.as_str(), last.recipient.as_str()), ("text", "919812300001"));
    assert_eq!(last.phone_number_id, "106540352242922");
}

/// Returns a text message with the members of `change` replaced, or removed if the value is `"-"`.
fn altered(change: Value) -> String {
    let mut body: Value = serde_json::from_str(&text_to("+16505550144")).unwrap();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::String(text) if text == "-" => body.as_object_mut().unwrap().remove(name),
            value => body.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    body.to_string()
}

/// Each body is refused with its code and HTTP 400, and counts nothing.
async fn check_refused(table: impl IntoIterator<Item = (String, i64)>) {
    let simulator = start();
    for (body, code) in table {
        let answer = post(&simulator, MESSAGES, body.clone()).await;
        assert_eq!(answer.json()["error"]["code"], code, "{body}");
        assert_eq!(answer.status, 400, "{body}");
    }
    assert_eq!(simulator.accepted_count(), 0);
}

#[tokio::test]
async fn wrong_envelopes_get_metas_codes() {
    let long = "x".repeat(513);
    check_refused([
        (altered(json!({ "messaging_product": "-" })), 100),
        (altered(json!({ "messaging_product": "sms" })), 100),
        (altered(json!({ "to": "-" })), 100),
        (altered(json!({ "to": 16505550144.5 })), 100),
        (altered(json!({ "to": -16505550144i64 })), 100),
        (altered(json!({ "ttl_seconds": 60 })), 100),
        (altered(json!({ "category": "marketing" })), 100),
        (altered(json!({ "to": ["16505550144"] })), 100),
        (altered(json!({ "to": "US.13400000000000000001" })), 131009),
        (altered(json!({ "to": "12" })), 131009),
        (altered(json!({ "to": "-", "recipient": "us.1" })), 131009),
        (altered(json!({ "recipient_type": "group" })), 131009),
        (altered(json!({ "recipient_type": "everybody" })), 100),
        (altered(json!({ "type": "hologram" })), 131051),
        (altered(json!({ "type": "image" })), 131008),
        (altered(json!({ "context": {} })), 131009),
        (altered(json!({ "biz_opaque_callback_data": long })), 100),
        (altered(json!({ "status": "read" })), 131008),
        (altered(json!({ "status": "typing" })), 100),
        ("{\"messaging_product\":\"whatsapp\"".to_owned(), 100),
        (text_to("+16505550144").replacen('{', "{\"to\":\"1\",", 1), 100),
        (String::new(), 100),
    ])
    .await;
}

#[tokio::test]
async fn wrong_contents_get_metas_codes() {
    check_refused([
        (altered(json!({ "text": "-", "type": "-" })), 131008),
        (altered(json!({ "text": {} })), 131008),
        (altered(json!({ "text": { "body": "" } })), 131009),
        (altered(json!({ "text": "{\"body\":\"\"}" })), 131009),
        (altered(json!({ "text": "x" })), 131009),
        (altered(json!({ "text": { "body": "x".repeat(4097) } })), 131009),
        (
            altered(
                json!({ "type": "image", "image": { "id": "1", "link": "https://a.example/" } }),
            ),
            131009,
        ),
        (altered(json!({ "type": "audio", "audio": { "id": "1", "caption": "no" } })), 131009),
        (altered(json!({ "type": "template", "template": { "name": "a" } })), 131008),
        (
            altered(json!({ "type": "location", "location": { "latitude": 91, "longitude": 0 } })),
            131009,
        ),
        (
            altered(
                json!({ "type": "interactive", "interactive": { "type": "button", "action": {} } }),
            ),
            131008,
        ),
        (
            altered(json!({ "type": "pin", "pin": { "type": "pin", "message_id": "wamid.A" } })),
            131009,
        ),
    ])
    .await;
}

#[tokio::test]
async fn lenient_where_meta_is_and_strict_about_the_media_type() {
    let simulator = start();
    for body in [
        altered(json!({ "recipient_type": "-" })),
        altered(json!({ "type": "-" })),
        altered(json!({ "context": null })),
        altered(json!({ "context": "{\"message_id\":\"wamid.A\"}" })),
        altered(json!({ "text": "{\"body\":\"x\"}" })),
        altered(json!({ "type": "interactive", "interactive": {
            "type": "button", "action": "{\"buttons\":[1]}",
        } })),
    ] {
        assert_eq!(post(&simulator, MESSAGES, body.clone()).await.status, 200, "{body}");
    }
    let form = Request::builder()
        .method("POST")
        .uri(format!("{}{MESSAGES}", simulator.url()))
        .header("content-type", "application/x-www-form-urlencoded");
    let answer = try_call(form, text_to("+16505550144")).await.unwrap();
    assert_eq!(answer.json()["error"]["code"], 100);
}

#[tokio::test]
async fn tokens_numbers_templates_and_throughput_are_checked_when_configured() {
    let template = |name: &str, category: &str, status: &str| SimulatorTemplate {
        status: status.to_owned(),
        ..SimulatorTemplate::approved(name, "en_US", category)
    };
    let options = SimulatorOptions {
        tokens: Some(vec!["EAAtoken".to_owned()]),
        phone_number_ids: Some(vec!["106540352242922".to_owned()]),
        templates: vec![
            template("offer", "MARKETING", "APPROVED"),
            template("code", "AUTHENTICATION", "APPROVED"),
            template("tired", "MARKETING", "PAUSED"),
        ],
        throughput_limit: Some(3),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(options.clone()).unwrap();
    let send = |address: (&str, &str), name: &str| {
        json!({
            "messaging_product": "whatsapp", "recipient_type": "individual", (address.0): address.1,
            "type": "template", "template": { "name": name, "language": { "code": "en_US" } },
        })
        .to_string()
    };
    let phone = ("to", "+16505550144");
    let bsuid = ("recipient", "US.13400000000000000001");
    for (path, body, status, code) in [
        (MESSAGES, send(phone, "unknown"), 404, 132001),
        (MESSAGES, send(phone, "tired"), 400, 132015),
        (MESSAGES, send(bsuid, "code"), 400, 131062),
        (MARKETING, send(phone, "code"), 400, 131055),
        ("/v24.0/7/messages", send(phone, "offer"), 400, 100),
    ] {
        let answer = post(&simulator, path, body).await;
        assert_eq!(answer.json()["error"]["code"], code);
        assert_eq!(answer.status, status, "{code}");
    }
    let first = post(&simulator, MESSAGES, send(phone, "offer")).await;
    assert_eq!(first.status, 200);
    // Three a second pass, so a fourth within one second must show up soon.
    let limited = async {
        loop {
            let answer = post(&simulator, MESSAGES, send(phone, "offer")).await;
            if answer.status == 400 {
                return answer.json();
            }
        }
    };
    let limited = tokio::time::timeout(Duration::from_secs(20), limited).await;
    assert_eq!(limited.unwrap()["error"]["code"], 130429);

    let strict = SimulatorOptions { tokens: Some(vec!["EAAother".to_owned()]), ..options };
    let simulator = Simulator::start(strict).unwrap();
    let answer = post(&simulator, MESSAGES, send(phone, "offer")).await;
    assert_eq!(answer.status, 401);
    let expected: Value = serde_json::from_slice(&payload("resp-error-190.json")).unwrap();
    assert_eq!(shape(&answer.json()), shape(&expected));
}
