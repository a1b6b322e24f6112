//! Bodies of sends, and numbers to send them to.

use serde_json::json;

use super::printed;

/// A body that names a marketing template.
pub fn marketing(to: &str) -> String {
    template(to, "spring_offer", "en_US")
}

pub fn template(to: &str, name: &str, language: &str) -> String {
    let template = json!({"name": name, "language": {"code": language}});
    json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": to,
        "type": "template", "template": template,
    })
    .to_string()
}

/// Marks a received message as read; costs nothing and needs no decision.
pub const READ_RECEIPT: &str = concat!(
    r#"{"messaging_product":"whatsapp","status":"read","#,
    r#""message_id":"wamid.HBgLMTY1MDU1NTAxNDQVAgARGBISU5CMQA=="}"#
);

/// A free-form body.
pub fn text(to: &str) -> String {
    json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": to,
        "type": "text", "text": {"body": "Hello"},
    })
    .to_string()
}

/// The n-th of ten million Indian numbers.
pub fn indian(n: usize) -> String {
    let number = format!("+91981{n:07}");
    printed::learn_recipient(&number);
    number
}
