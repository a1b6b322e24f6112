//! Who may do what: an operator everything, an account key with the scope `manage` its own
//! account's keys, campaigns and template syncs.

use super::error::ControlError;
use crate::catalog::Principal;
use crate::catalog::documents::Scope;
use crate::ids::AccountId;

/// For what creates accounts and wallets, moves money, sets limits, tokens or upstreams.
pub(super) fn operator_only(principal: &Principal) -> Result<(), ControlError> {
    match principal {
        Principal::Operator => Ok(()),
        Principal::Account { .. } => Err(ControlError::Forbidden("this needs an operator key")),
    }
}

/// For what an account may do by itself.
pub(super) fn may_manage(principal: &Principal, account: &AccountId) -> Result<(), ControlError> {
    match principal {
        Principal::Operator => Ok(()),
        // The same error as for an account that does not exist.
        Principal::Account { snapshot, .. } if snapshot.id != *account => {
            Err(ControlError::not_found("account", account))
        }
        Principal::Account { scopes, .. } if scopes.contains(&Scope::Manage) => Ok(()),
        Principal::Account { .. } => {
            Err(ControlError::Forbidden("this needs a key with the scope `manage`"))
        }
    }
}
