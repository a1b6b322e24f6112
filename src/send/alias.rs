//! Who the recipient is by upstream's reply, as an operation of the ledger.

use crate::catalog::KeyHasher;
use crate::ledger::{Operation, RecipientHash};
use crate::metrics::Metrics;
use crate::pricing::{Identity, Recipient, recipient};
use crate::upstream::contact::Contact;

/// The operation by which the ledger learns that the recipient is also who the answer names; `None`
/// if the answer confirms the identity that the send was booked under, as nearly all do. Nothing is
/// learned, and that is counted, if upstream put a calling code before a number without a plus: the
/// message then went to somebody else than the ledger has it booked under.
pub fn learned(
    hasher: &KeyHasher,
    metrics: &Metrics,
    sent_to: &Recipient,
    contact: &Contact,
) -> Option<Operation> {
    let own = Identity::of(sent_to);
    let mut recipients: Vec<RecipientHash> = Vec::new();
    for name in [&contact.wa_id, &contact.user_id].into_iter().flatten() {
        // A name that is no recipient cannot be written to either.
        let Ok(named) = recipient::parse(name) else { continue };
        if is_completed(sent_to, &named) {
            metrics.recipient_completed();
            tracing::debug!(
                "upstream put a calling code before a number without a plus; no alias was learned"
            );
            return None;
        }
        let identity = Identity::of(&named);
        if identity.as_str() != own.as_str() {
            recipients.push(hasher.recipient(&identity));
        }
    }
    if recipients.is_empty() {
        return None;
    }
    recipients.insert(0, hasher.recipient(&own));
    recipients.dedup();
    Some(Operation::LearnAlias { recipients: recipients.into() })
}

/// Whether `named` is what was sent to, read as a national number: the digits of a number without a
/// plus with others before them, in whatever spelling of that number.
fn is_completed(sent_to: &Recipient, named: &Recipient) -> bool {
    let (Recipient::Phone(sent), Recipient::Phone(number)) = (sent_to, named) else { return false };
    let (own, identity) = (Identity::of(sent_to), Identity::of(named));
    if sent.has_plus() || own.as_str() == identity.as_str() {
        return false;
    }
    (1..number.digits().len()).filter_map(|length| number.digits().get(..length)).any(|before| {
        let whole = recipient::parse(&format!("+{before}{}", sent.digits()));
        whole.is_ok_and(|whole| Identity::of(&whole).as_str() == identity.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::learned;
    use crate::catalog::KeyHasher;
    use crate::ledger::Operation;
    use crate::metrics::Metrics;
    use crate::pricing::{Identity, recipient};
    use crate::upstream::contact::Contact;

    /// Who else the recipient is by the answer; each by its identity.
    #[track_caller]
    fn check(sent_to: &str, wa_id: &str, user_id: &str, others: &[&str]) {
        let hasher = KeyHasher::new(&[7; 32]);
        let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let contact = Contact { wa_id: name(wa_id), user_id: name(user_id) };
        let hash = |text: &&str| hasher.recipient(&Identity::of(&recipient::parse(text).unwrap()));
        let expected: Vec<_> = std::iter::once(&sent_to).chain(others).map(hash).collect();
        let (metrics, sent_to) = (Metrics::new(0), recipient::parse(sent_to).unwrap());
        match learned(&hasher, &metrics, &sent_to, &contact) {
            Some(Operation::LearnAlias { recipients }) => assert_eq!(*recipients, *expected),
            None => assert_eq!(others, [""; 0]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_that_confirms_the_identity_teaches_nothing() {
        check("+919812345678", "919812345678", "", &[]);
        check("+52 1 55 1234 5678", "525512345678", "", &[]);
        check("+55 51 8765-4321", "5551987654321", "", &[]);
        check("+54 11 15 2345 6789", "5491123456789", "", &[]);
        check("US.134", "", "US.134", &[]);
        check("+919812345678", "", "", &[]);
        check("+919812345678", "somebody", "", &[]);
    }

    #[test]
    fn an_answer_that_names_another_teaches_who_it_is() {
        check("+229 95123456", "2290195123456", "", &["2290195123456"]);
        check("+16505550144", "16505550144", "US.134", &["US.134"]);
        check("US.134", "16505550144", "US.134", &["16505550144"]);
        check("US.ENT.99", "", "US.134", &["US.134"]);
        check("+6315551234", "916315551234", "IN.5", &["916315551234", "IN.5"]);
        check("22995123456", "2290195123456", "", &["2290195123456"]);
        check("16505550144", "16505550144", "US.134", &["US.134"]);
    }

    #[test]
    fn a_number_that_upstream_completed_teaches_nothing() {
        // National numbers that are read as those of Singapore, Nigeria and the United States.
        check("6591234567", "916591234567", "", &[]);
        check("6591234567", "916591234567", "IN.5", &[]);
        check("23456789", "5491123456789", "", &[]);
        check("(650) 555-0144", "16505550144", "", &[]);
        // The number that it was made has several spellings.
        check("1187654321", "5511987654321", "", &[]);
        check("5512345678", "5215512345678", "", &[]);
        let hasher = KeyHasher::new(&[7; 32]);
        let metrics = Metrics::new(0);
        let contact = Contact { wa_id: Some("916591234567".into()), user_id: None };
        for (sent_to, count) in [("+6591234567", 0), ("6591234567", 1)] {
            let learned = learned(&hasher, &metrics, &sent_to.parse().unwrap(), &contact);
            assert_eq!(learned.is_none(), count == 1, "{sent_to}");
            let counted = format!("recipients_completed_total {count}");
            assert!(metrics.render().lines().any(|line| line.ends_with(&counted)), "{counted}");
        }
    }
}
