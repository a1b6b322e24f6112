//! Who the recipient is by upstream's reply, as an operation of the ledger.

use crate::catalog::KeyHasher;
use crate::ledger::{Operation, RecipientHash};
use crate::pricing::{Identity, Recipient, recipient};
use crate::upstream::contact::Contact;

/// The operation by which the ledger learns that the recipient is also who the answer names; `None`
/// if the answer confirms the identity that the send was booked under, as nearly all do.
pub fn learned(hasher: &KeyHasher, sent_to: &Recipient, contact: &Contact) -> Option<Operation> {
    let own = Identity::of(sent_to);
    let mut recipients: Vec<RecipientHash> = Vec::new();
    for name in [&contact.wa_id, &contact.user_id].into_iter().flatten() {
        // A name that is no recipient cannot be written to either.
        let Ok(named) = recipient::parse(name) else { continue };
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

#[cfg(test)]
mod tests {
    use super::learned;
    use crate::catalog::KeyHasher;
    use crate::ledger::Operation;
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
        match learned(&hasher, &recipient::parse(sent_to).unwrap(), &contact) {
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
    }
}
