//! Who a message is for, as upstream's answer to an accepted send names the recipient.

use std::fmt;

use serde::Deserialize;

/// The recipient as upstream knows it, `contacts[0]`; which of the two it names is its choice.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Contact {
    /// The number of the user, in the one spelling that upstream uses.
    pub wa_id: Option<String>,
    /// The business-scoped user id.
    pub user_id: Option<String>,
}

/// Reads `contacts[0]`. Contacts of any other form name nobody; they make no answer unknown.
pub(super) fn contact(body: &[u8]) -> Contact {
    #[derive(Deserialize)]
    struct Answer {
        contacts: Vec<Contact>,
    }
    let answer = serde_json::from_slice::<Answer>(body).ok();
    answer.and_then(|answer| answer.contacts.into_iter().next()).unwrap_or_default()
}

// Recipients are personal data: what may end in a log shows only which names there are.
impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wa_id, user_id) = (self.wa_id.is_some(), self.user_id.is_some());
        f.debug_struct("Contact").field("wa_id", &wa_id).field("user_id", &user_id).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Contact, contact};

    #[test]
    fn an_answer_names_who_it_is_for_if_it_does() {
        for (contacts, wa_id, user_id) in [
            (r#"[{"wa_id":"12"},{"wa_id":"34"}]"#, Some("12"), None),
            (r#"[{"input":"US.1","user_id":"US.1"}]"#, None, Some("US.1")),
            (r#"[{"wa_id":"1\u0032","user_id":"US.1","x":[1]}]"#, Some("12"), Some("US.1")),
            (r#"[{"wa_id":null}]"#, None, None),
            (r#"[{"wa_id":12}]"#, None, None),
            ("[]", None, None),
            ("null", None, None),
            (r#"{"wa_id":"12"}"#, None, None),
            (r#"[],"contacts":[]"#, None, None),
        ] {
            let body = format!(r#"{{"contacts":{contacts},"messages":[{{"id":"wamid.A"}}]}}"#);
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let expected = Contact { wa_id: owned(wa_id), user_id: owned(user_id) };
            assert_eq!(contact(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_log_shows_no_name() {
        let shown = format!("{:?}", contact(br#"{"contacts":[{"wa_id":"777"}]}"#));
        assert!(shown.contains("wa_id: true") && !shown.contains("777"), "{shown}");
    }
}
