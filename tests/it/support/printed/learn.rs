//! Learns secrets: from what tests send and are replied to, and from what gateways are configured
//! with.

use std::path::Path;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::SECRETS;

/// Fields with the number or id of a person.
const PEOPLE: [&str; 8] =
    ["to", "recipient", "wa_id", "user_id", "parent_user_id", "input", "phone", "phone_number"];

/// Fields with content, or with what opens something.
const CONTENT: [&str; 17] = [
    "body",
    "text",
    "caption",
    "title",
    "description",
    "payload",
    "filename",
    "link",
    "id_token",
    "biz_opaque_callback_data",
    "first_name",
    "formatted_name",
    "address",
    "street",
    "email",
    "key",
    "url",
];

/// Settings with a secret, or with the name of a file that has one.
const SETTINGS: [&str; 4] = ["key", "bootstrap_key", "token", "url"];

fn learn_text(text: &str) {
    if !SECRETS.read().unwrap().knows_text(text) {
        SECRETS.write().unwrap().learn_text(text);
    }
}

/// A recipient's number or id.
pub fn learn_recipient(number: &str) {
    if !SECRETS.read().unwrap().knows_number(number) {
        SECRETS.write().unwrap().learn_number(number);
    }
}

/// A reply: the keys and URLs that it shows once, and the people.
pub fn learn_reply(body: &[u8]) {
    learn_body(body, &["key", "url"]);
}

/// A request: its key, in the header or the query, and in its body the people and the content.
pub fn learn_request(headers: &HeaderMap, query: Option<&str>, body: &[u8]) {
    let key = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    key.and_then(|value| value.strip_prefix("Bearer ")).inspect(|key| learn_text(key));
    for pair in query.unwrap_or_default().split('&') {
        pair.strip_prefix("access_token=").inspect(|key| learn_text(key));
    }
    learn_body(body, &CONTENT);
}

/// What has no end of quotes, and so is no JSON, is read as well: an error about it could quote it.
fn learn_body(body: &[u8], content: &[&str]) {
    /// Bodies that are larger are media.
    const LARGEST: usize = 1 << 20;
    if body.len() > LARGEST {
        return;
    }
    let text = String::from_utf8_lossy(body);
    let (mut rest, mut field) = (&*text, "");
    while let Some((before, after)) = rest.split_once('"') {
        // A number without quotes.
        let bare = before.trim_start_matches([' ', ':']);
        if PEOPLE.contains(&field) && bare.starts_with(|c: char| c.is_ascii_digit()) {
            learn_recipient(&bare[..bare.find(',').unwrap_or(bare.len())]);
        }
        let (word, after) = quoted(after);
        if after.trim_start().starts_with(':') {
            field = word;
        } else if PEOPLE.contains(&field) {
            learn_recipient(word);
        } else if field == "url" {
            learn_url(word);
        } else if content.contains(&field) && !word.starts_with('{') {
            learn_text(word);
        }
        rest = after;
    }
}

/// What comes before the quote that ends it, and what comes behind that.
fn quoted(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return (&text[..at], &text[at + 1..]),
            _ => escaped = byte == b'\\' && !escaped,
        }
    }
    (text, "")
}

/// Of a URL the host is no secret: the last segment, with or without its signature, and the query
/// are.
fn learn_url(url: &str) {
    let path = url.rsplit('/').next().unwrap_or_default();
    for part in path.split(['.', '?', '&', '=']).filter(|part| part.len() >= 16) {
        learn_text(part);
    }
}

/// The keys, tokens and passwords in a configuration file's text and in the environment, and in
/// the files that they name; `directory` is that of `secrets.dir`.
pub fn learn_configuration(text: &str, environment: &[(String, String)], directory: &Path) {
    let lines = text.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
    });
    let variables = environment.iter().map(|(name, value)| {
        let name = name.rsplit("__").next().unwrap_or_default().to_lowercase();
        (if name.contains("meta_token") { "token".to_owned() } else { name }, value.clone())
    });
    for (name, value) in lines.chain(variables) {
        let file = name.strip_suffix("_file");
        if !SETTINGS.contains(&file.unwrap_or(&name)) {
            continue;
        }
        if file.is_none() {
            learn_setting(&name, &value);
        } else if let Ok(secret) = std::fs::read_to_string(directory.join(value)) {
            learn_setting(file.unwrap_or_default(), secret.trim());
        }
    }
}

fn learn_setting(name: &str, value: &str) {
    if name != "url" {
        return learn_text(value);
    }
    let password = value.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
    if let Some((_, password)) = password.and_then(|(user, _)| user.split_once(':')) {
        learn_text(password);
    }
}

#[test]
fn what_a_test_sends_and_configures_is_learned() {
    let body = r#"{"to": "+91 98127-65432", "text": {"body": "rhubarb \"crumble\""},
        "recipient":919812765433, "parameters": [{"type": "text", "text": "gooseberry"}],"#;
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, "Bearer learned-in-a-header".parse().unwrap());
    learn_request(&headers, Some("a=b&access_token=learned-in-a-query"), body.as_bytes());
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("one-token"), "learned-in-a-file\n").unwrap();
    let text = "key = \"learned-in-a-setting\"\ntoken_file = \"one-token\"\n\
                url = \"redis://user:learned-in-a-url@localhost\"";
    let environment = [("META_TOKEN_ONE".to_owned(), "learned-in-a-variable".to_owned())];
    learn_configuration(text, &environment, home.path());
    let secrets = SECRETS.read().unwrap();
    for secret in ["9812765432", "919812765433", "rhubarb", "crumble", "gooseberry"] {
        assert!(secrets.find(secret).is_some(), "{secret}");
    }
    for place in ["header", "query", "file", "setting", "url", "variable"] {
        assert!(secrets.find(&format!("learned-in-a-{place}")).is_some(), "{place}");
    }
    assert_eq!(secrets.find("localhost text user"), None);
}
