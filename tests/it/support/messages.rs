//! Bodies of sends, and numbers to send them to.

use serde_json::json;

/// A body that names a marketing template.
pub fn marketing(to: &str) -> String {
    template(to, "spring_offer", "en_US")
}

pub fn template(to: &str, name: &str, language: &str) -> String {
    json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": to, "type": "template",
           "template": {"name": name, "language": {"code": language}}})
    .to_string()
}

/// A free-form body.
pub fn text(to: &str) -> String {
    json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": to, "type": "text", "text": {"body": "Hello"}})
        .to_string()
}

/// The n-th of ten million Indian numbers.
pub fn indian(n: usize) -> String {
    format!("+91981{n:07}")
}
