//! What an open ledger is called, and its parts as they are handed to callers.

use std::sync::Arc;

use super::traits::{Claims, Ledger, LedgerReads};

/// The name of the store and its secret, made once with the store and kept in it.
#[derive(Clone)]
pub struct StoreIdentity {
    /// Random. A gateway that expects another one does not start: a new, empty store in place of
    /// the known one would look like wallets without credits.
    pub ledger_id: String,
    /// Key of every keyed hash (recipients, keys, fingerprints).
    pub pepper: [u8; 32],
}

impl std::fmt::Debug for StoreIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreIdentity").field("ledger_id", &self.ledger_id).finish_non_exhaustive()
    }
}

impl StoreIdentity {
    /// A new random identity.
    ///
    /// # Errors
    /// If the operating system gives no randomness.
    pub fn fresh() -> Result<StoreIdentity, getrandom::Error> {
        let mut pepper = [0u8; 32];
        getrandom::fill(&mut pepper)?;
        Ok(StoreIdentity { ledger_id: uuid::Uuid::new_v4().simple().to_string(), pepper })
    }
}

/// An open ledger: one store behind its three traits, and what was found when it was opened.
#[derive(Clone)]
pub struct OpenLedger {
    /// Applies batches.
    pub ledger: Arc<dyn Ledger>,
    /// Reads accounts.
    pub reads: Arc<dyn LedgerReads>,
    /// Holds names that cross accounts.
    pub claims: Arc<dyn Claims>,
    /// The store's name and secret.
    pub identity: StoreIdentity,
    /// Which faults an acknowledged batch survives, in a word or two for log and metrics.
    pub durability: &'static str,
    /// When it began to open, Unix milliseconds of this process's clock: events from then on are
    /// this process's to tell, those of holds that opening put in doubt too.
    pub opened_ms: i64,
}

impl OpenLedger {
    /// One store as its parts.
    pub fn new<L: Ledger + LedgerReads + Claims>(
        store: L,
        identity: StoreIdentity,
        durability: &'static str,
        opened_ms: i64,
    ) -> OpenLedger {
        let store = Arc::new(store);
        OpenLedger {
            ledger: store.clone(),
            reads: store.clone(),
            claims: store,
            identity,
            durability,
            opened_ms,
        }
    }
}
