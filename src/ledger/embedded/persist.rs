//! How a row of state looks in the file: a kind, a text key whose parts are separated by `/`, and
//! JSON.

use std::sync::Arc;

use crate::ids::{CampaignId, ChannelId, HoldId, PortfolioId, WalletId};
use crate::ledger::DocumentKind;
use crate::ledger::state::{AccountState, Row, Unheard};
use crate::ledger::view::HoldState;
use crate::pricing::{Category, Country};

/// Why a stored row cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("malformed key")]
    Key,
    #[error("unknown kind")]
    Kind,
}

const ACCOUNT: u8 = 0;
const WALLET: u8 = 1;
const CAMPAIGN: u8 = 2;
const HOLD: u8 = 3;
const SLOT: u8 = 4;
const CAP_HITS: u8 = 5;
const ALLOWANCE: u8 = 6;
const KEY: u8 = 7;
const SENT: u8 = 8;
const USAGE: u8 = 9;
const REFERENCE: u8 = 10;
const DOCUMENT: u8 = 11;
const UNHEARD: u8 = 12;
const ALIAS: u8 = 13;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Result<[u8; N], RowError> {
    let mut bytes = [0u8; N];
    if text.len() != N * 2 || !text.is_ascii() {
        return Err(RowError::Key);
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte =
            u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| RowError::Key)?;
    }
    Ok(bytes)
}

fn json<T: serde::Serialize>(value: Option<&T>) -> Result<Option<String>, RowError> {
    Ok(value.map(serde_json::to_string).transpose()?)
}

/// Kind, key and value of a row; no value if the row is gone.
pub(super) fn encode(
    state: &AccountState,
    row: &Row,
) -> Result<(u8, String, Option<String>), RowError> {
    Ok(match row {
        Row::Account => (ACCOUNT, String::new(), json(Some(&state.head))?),
        Row::Wallet(id) => (WALLET, id.to_string(), json(state.wallets.get(id))?),
        Row::Campaign(id) => (CAMPAIGN, id.to_string(), json(state.campaigns.get(id))?),
        Row::Hold(id) => (HOLD, id.to_string(), json(state.holds.get(id))?),
        Row::Slot(portfolio, recipient) => {
            let slot = state.windows.get(portfolio).and_then(|window| window.slots.get(recipient));
            (SLOT, format!("{portfolio}/{}", hex(recipient)), json(slot)?)
        }
        Row::CapHits(recipient) => (CAP_HITS, hex(recipient), json(state.cap_hits.get(recipient))?),
        Row::Allowance(channel) => {
            (ALLOWANCE, channel.to_string(), json(state.allowances.get(channel))?)
        }
        Row::Key(key) => (KEY, hex(key), json(state.keys.get(key))?),
        Row::Unheard(body) => (UNHEARD, hex(body), json(state.unheard.get(body))?),
        Row::Sent(campaign, recipient) => {
            let sent =
                state.sent.get(campaign).is_some_and(|recipients| recipients.contains(recipient));
            (SENT, format!("{campaign}/{}", hex(recipient)), sent.then(|| "1".to_owned()))
        }
        Row::Alias(recipient) => (ALIAS, hex(recipient), json(state.aliases.get(recipient))?),
        Row::Usage(key) => {
            let (day, channel, country, category) = key;
            (
                USAGE,
                format!("{day}/{channel}/{country}/{}", category.as_str()),
                json(state.usage.get(key))?,
            )
        }
        Row::Reference(wallet, reference) => (
            REFERENCE,
            format!("{wallet}/{reference}"),
            json(state.references.get(&(wallet.clone(), reference.clone())))?,
        ),
        Row::Document(kind, id) => {
            let body = state.documents.get(&(*kind, id.clone()));
            (DOCUMENT, format!("{}/{id}", kind.as_str()), body.map(|body| body.to_string()))
        }
    })
}

fn part<T: std::str::FromStr>(text: &str) -> Result<T, RowError> {
    text.parse().map_err(|_| RowError::Key)
}

/// Puts a stored row back.
pub(super) fn restore(
    state: &mut AccountState,
    kind: u8,
    key: &str,
    value: &str,
) -> Result<(), RowError> {
    let pair = || key.split_once('/').ok_or(RowError::Key);
    match kind {
        ACCOUNT => state.head = serde_json::from_str(value)?,
        WALLET => drop(state.wallets.insert(part::<WalletId>(key)?, serde_json::from_str(value)?)),
        CAMPAIGN => {
            drop(state.campaigns.insert(part::<CampaignId>(key)?, serde_json::from_str(value)?))
        }
        HOLD => restore_hold(state, part(key)?, value)?,
        SLOT => {
            let (portfolio, recipient) = pair()?;
            let window = state.windows.entry(part::<PortfolioId>(portfolio)?).or_default();
            window.restore(unhex(recipient)?, serde_json::from_str(value)?);
        }
        CAP_HITS => drop(state.cap_hits.insert(unhex(key)?, serde_json::from_str(value)?)),
        ALLOWANCE => {
            state.allowances.insert(part::<ChannelId>(key)?, serde_json::from_str(value)?);
        }
        KEY => drop(state.keys.insert(unhex(key)?, serde_json::from_str(value)?)),
        UNHEARD => {
            let (body, answers) = (unhex(key)?, serde_json::from_str::<Vec<Unheard>>(value)?);
            state.unheard_by_age.extend(answers.iter().map(|answer| (answer.at_ms, body)));
            state.unheard.insert(body, answers);
        }
        SENT => {
            let (campaign, recipient) = pair()?;
            state.sent.entry(part::<CampaignId>(campaign)?).or_default().insert(unhex(recipient)?);
        }
        ALIAS => drop(state.aliases.insert(unhex(key)?, serde_json::from_str(value)?)),
        USAGE => {
            let parts: Vec<&str> = key.split('/').collect();
            let [day, channel, country, category] = parts[..] else { return Err(RowError::Key) };
            let key = (
                part(day)?,
                part::<ChannelId>(channel)?,
                part::<Country>(country)?,
                part::<Category>(category)?,
            );
            state.usage.insert(key, serde_json::from_str(value)?);
        }
        REFERENCE => {
            let (wallet, reference) = pair()?;
            state.references.insert(
                (part::<WalletId>(wallet)?, Arc::from(reference)),
                serde_json::from_str(value)?,
            );
        }
        DOCUMENT => {
            let (kind, id) = pair()?;
            let kind = DocumentKind::from_name(kind).ok_or(RowError::Kind)?;
            state.documents.insert((kind, Arc::from(id)), Arc::from(value));
        }
        _ => return Err(RowError::Kind),
    }
    Ok(())
}

fn restore_hold(state: &mut AccountState, id: HoldId, value: &str) -> Result<(), RowError> {
    let hold: crate::ledger::state::Hold = serde_json::from_str(value)?;
    if hold.state == HoldState::InDoubt {
        state.in_doubt.insert(id);
    }
    if hold.guarding {
        state.guards.entry(hold.fingerprint).or_default().push(id);
    }
    state.holds.insert(id, hold);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{HOLD, restore};
    use crate::ids::HoldId;
    use crate::ledger::state::AccountState;
    use crate::ledger::{DoubtReason, HoldState};

    #[test]
    fn holds_of_an_older_version_have_no_reason() {
        let id = HoldId::from_bytes([1; 16]);
        let mut hold = serde_json::json!({
            "state": "in_doubt", "amount": "1.00", "wallet": "main", "campaign": null,
            "channel": "106", "country": "IN", "category": "marketing",
            "recipient": [0, 0, 0, 0, 0, 0, 0, 0], "window": null, "allowance_month": null,
            "mark_s": null, "deduped": false, "key": null, "fingerprint": vec![0; 16],
            "guarding": true, "reserved_ms": 77,
        });
        let mut state = AccountState::default();
        restore(&mut state, HOLD, &id.to_string(), &hold.to_string()).unwrap();
        let view = state.hold_view(id).unwrap();
        assert_eq!((view.state, view.doubt), (HoldState::InDoubt, None));
        hold["doubt"] = "gave_up".into();
        restore(&mut state, HOLD, &id.to_string(), &hold.to_string()).unwrap();
        assert_eq!(state.hold_view(id).unwrap().doubt, Some(DoubtReason::GaveUp));
    }
}
