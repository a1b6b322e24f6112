//! Reads an account's gateway keys; the key itself is in the file, in a file of its own or in the
//! environment.

use std::collections::BTreeSet;

use super::known::{Seen, unique};
use crate::catalog::documents::{Grant, Scope};
use crate::catalog::token_names::validate_variable;
use crate::config::declared::DeclaredKey;
use crate::config::parse;
use crate::config::secret::Secret;
use crate::config::section::Section;
use crate::ids::{CampaignId, KeyId};

const SCOPES: [(&str, Scope); 3] =
    [("send", Scope::Send), ("read", Scope::Read), ("manage", Scope::Manage)];

/// Reads `[[accounts.keys]]`.
pub(super) fn keys(account: &mut Section<'_>, seen: &mut Seen) -> Vec<DeclaredKey> {
    let mut ids = BTreeSet::new();
    account
        .sections("keys")
        .into_iter()
        .filter_map(|section| key(section, &mut ids, seen))
        .collect()
}

fn key(
    mut section: Section<'_>,
    ids: &mut BTreeSet<KeyId>,
    seen: &mut Seen,
) -> Option<DeclaredKey> {
    section.begin();
    let id = section.required("id", parse::parsed::<KeyId>);
    unique(&section, "id", id.as_ref(), ids, "key");
    let secret = key_secret(&mut section);
    if let Some(secret) = &secret {
        if seen.keys.contains(secret) {
            section.mistake("", "the same key was declared before");
        }
        seen.keys.push(secret.clone());
    }
    let scopes = section.texts("scopes", &["send"], |text| parse::one_of(&SCOPES, text));
    let campaign = section.optional("campaign", parse::parsed::<CampaignId>);
    section.finish();
    Some(DeclaredKey { id: id?, key: secret?, grant: Grant { scopes: scopes?, campaign } })
}

/// The key itself, from the one of its three sources that is given.
fn key_secret(section: &mut Section<'_>) -> Option<Secret> {
    let in_place = section.secret("key");
    let from_file = section.secret_file("key_file");
    let variable = section.optional("key_env", parse::valid(validate_variable));
    let from_environment =
        variable.as_ref().and_then(|name| section.reader.environment.get(name)).map(Secret::new);
    if let Some(name) = variable.as_ref().filter(|_| from_environment.is_none()) {
        section.mistake("key_env", format!("the environment variable {name} is not set"));
    }
    let given: Vec<&str> =
        ["key", "key_file", "key_env"].into_iter().filter(|key| section.is_written(key)).collect();
    match given[..] {
        [] => section.mistake("", "needs key, key_file or key_env"),
        [_] => {}
        [.., last] => section.mistake(last, "give one of key, key_file and key_env"),
    }
    let secret = in_place.or(from_file).or(from_environment)?;
    if let (Err(message), Some(source)) = (parse::validate_key(&secret), given.first()) {
        section.mistake(source, message);
    }
    Some(secret)
}
