//! The messages a load run sends: which recipients, and bodies of the size campaigns have.

use std::fmt::Write;

use bytes::Bytes;

use crate::pick::Pick;

/// What every message of a run has in common.
pub struct BodyMaker {
    /// What comes before and after the recipient's number.
    before: String,
    after: String,
    prefixes: Vec<String>,
    recipients: Pick,
}

/// What to send.
pub enum Content {
    Text,
    Template { name: String, language: String },
}

impl BodyMaker {
    /// `prefixes` are taken in turn, each completed to a full number; `recipients` chooses among
    /// distinct numbers.
    pub fn new(content: &Content, prefixes: Vec<String>, recipients: Pick) -> BodyMaker {
        let before = r#"{"messaging_product":"whatsapp","recipient_type":"individual","to":""#;
        let after = match content {
            Content::Text => concat!(
                r#"","type":"text","text":{"preview_url":false,"body":""#,
                r#"Your table for two is ready. Reply 1 to keep it."}"#,
                r#","biz_opaque_callback_data":"loadtest"}"#,
            )
            .to_owned(),
            Content::Template { name, language } => format!(
                concat!(
                    r#"","type":"template","template":{{"name":{},"language":{{"code":{}}},"#,
                    r#""components":["#,
                    r#"{{"type":"header","parameters":[{{"type":"image","image":{{"#,
                    r#""link":"https://cdn.example.com/campaigns/spring/banner.jpg"}}}}]}},"#,
                    r#"{{"type":"body","parameters":[{{"type":"text","text":"Ana Example"}},"#,
                    r#"{{"type":"text","text":"20 % off everything until Sunday"}}]}},"#,
                    r#"{{"type":"button","sub_type":"url","index":"0","#,
                    r#""parameters":[{{"type":"text","text":"a1b2c3d4"}}]}}]}},"#,
                    r#""biz_opaque_callback_data":"loadtest"}}"#,
                ),
                serde_json::Value::from(name.as_str()),
                serde_json::Value::from(language.as_str()),
            ),
        };
        BodyMaker { before: before.to_owned(), after, prefixes, recipients }
    }

    /// Appends the number of a message's recipient: twelve digits after the plus.
    fn push_recipient(&self, body: &mut String, message: u64) {
        let index = self.recipients.of(message);
        let prefix = &self.prefixes[(index % self.prefixes.len() as u64) as usize];
        let width = 13usize.saturating_sub(prefix.len()).max(1);
        let limit = 10u64.saturating_pow(width as u32);
        // Scattered, so that neighbours in time are not neighbours in any table; a factor coprime
        // to ten keeps them distinct.
        let number = (index.wrapping_mul(7_919)) % limit;
        let _ = write!(body, "{prefix}{number:0width$}");
    }

    /// Returns the body of the `index`-th message.
    pub fn make(&self, index: u64) -> Bytes {
        let mut body = String::with_capacity(self.before.len() + 16 + self.after.len());
        body.push_str(&self.before);
        self.push_recipient(&mut body, index);
        body.push_str(&self.after);
        Bytes::from(body)
    }
}

/// Reads the beginning of recipients' numbers: a plus, which may be missing, and 2 to 8 digits.
pub fn parse_prefix(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let good = (2..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    match good {
        true => Ok(format!("+{digits}")),
        false => Err("give a plus and 2 to 8 digits, like +9198".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_distinct_and_come_round() {
        let prefixes = vec!["+9198".to_owned(), "+49151".to_owned()];
        let template =
            Content::Template { name: "spring \"offer\"".to_owned(), language: "en_US".to_owned() };
        let maker = BodyMaker::new(&template, prefixes, Pick::new(5_000, 1, 0));
        let to = |index| {
            let body: serde_json::Value = serde_json::from_slice(&maker.make(index)).unwrap();
            assert_eq!(body["template"]["name"], "spring \"offer\"");
            body["to"].as_str().unwrap().to_owned()
        };
        let distinct: std::collections::HashSet<String> = (0..10_000).map(to).collect();
        assert_eq!(distinct.len(), 5_000);
        assert!(distinct.iter().all(|number| number.len() == 13));
        assert_eq!(to(0), to(5_000));
    }

    #[test]
    fn prefixes() {
        assert_eq!(parse_prefix("+9198").as_deref(), Ok("+9198"));
        assert_eq!(parse_prefix("9198").as_deref(), Ok("+9198"));
        for wrong in ["", "+", "+1", "+91 98", "+123456789"] {
            assert!(parse_prefix(wrong).is_err(), "{wrong}");
        }
    }
}
