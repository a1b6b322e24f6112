//! Spare room on the disk: a file that is given up when the disk is full, so that what must end
//! still can.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes kept: more than the write-ahead log has before it is folded into the file, and then used
/// again.
const SIZE: usize = 8 << 20;

/// Bytes written at once.
const PIECE: usize = 64 << 10;

/// The file, whether it has its size, and whether the disk was full since it last had.
pub(super) struct Spare {
    path: PathBuf,
    kept: bool,
    full: bool,
}

impl Spare {
    /// Beside the ledger's file. Without room for it none is kept until the disk was full once.
    pub(super) fn beside(ledger: &Path) -> Spare {
        let mut spare = Spare { path: ledger.with_file_name("spare"), kept: false, full: false };
        if let Err(error) = spare.keep() {
            tracing::warn!(
                %error,
                "no spare room can be kept beside the ledger: once the disk is full, nothing that \
                 is under way can end"
            );
        }
        spare
    }

    /// Whether the disk was full, and no room could be kept since.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Makes the file, unless it is there. After the disk was full there must be as much again, or
    /// the room that was just given up would be taken for room that somebody has made.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        if self.kept {
            return Ok(());
        }
        let there = std::fs::metadata(&self.path).is_ok_and(|file| file.len() == SIZE as u64);
        let bytes = if self.full { 2 * SIZE } else { SIZE };
        if !there && let Err(error) = self.fill(bytes) {
            // What there is of it is room for others.
            let _ = std::fs::remove_file(&self.path);
            return Err(error);
        }
        (self.kept, self.full) = (true, false);
        Ok(())
    }

    /// No file system stores this as a hole or makes it smaller.
    fn fill(&self, bytes: usize) -> io::Result<()> {
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut file = File::create(&self.path)?;
        let mut piece = Vec::with_capacity(PIECE);
        for _ in 0..bytes / PIECE {
            piece.clear();
            while piece.len() < PIECE {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                piece.extend_from_slice(&state.to_be_bytes());
            }
            file.write_all(&piece)?;
        }
        file.set_len(SIZE as u64)
    }

    /// The disk is full: gives the room to the ledger.
    pub(super) fn give_up(&mut self) {
        self.full = true;
        if !std::mem::take(&mut self.kept) {
            return;
        }
        match std::fs::remove_file(&self.path) {
            Ok(()) => tracing::error!(
                "the disk is full: the ledger's spare room was given up, so that what is under way \
                 can end; nothing new is taken until there is room again"
            ),
            Err(error) => tracing::error!(%error, "the spare room could not be given up"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::EmbeddedLedger;
    use super::{SIZE, Spare};
    use crate::clock::Clock;
    use crate::ids::AccountId;
    use crate::ledger::{
        Batch, DocumentKind, FaultReason, Ledger, LedgerFault, LedgerReads, Operation, Verdict,
    };

    const NOW_MS: i64 = 1_795_000_000_000;

    fn document(size: usize) -> Operation {
        Operation::PutDocument {
            kind: DocumentKind::Account,
            id: "account".into(),
            body: "x".repeat(size).into(),
            only_if_absent: false,
            replaces: None,
        }
    }

    fn top_up(reference: &str) -> Operation {
        Operation::TopUp {
            wallet: "main".parse().expect("an id"),
            amount: "5".parse().expect("an amount"),
            reference: reference.into(),
        }
    }

    #[tokio::test]
    async fn on_a_full_disk_what_must_end_goes_on_until_there_is_room() {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = Clock::fixed(NOW_MS);
        let ledger = EmbeddedLedger::open(directory.path(), clock).expect("a ledger");
        let account: AccountId = "acme".parse().expect("an id");
        let apply = async |writer: u64, operation: Operation| {
            let operations = vec![operation];
            let batch = Batch { writer, number: 1, clock_ms: NOW_MS, operations };
            ledger.apply(&account, &batch).await
        };
        let set_room = async |pages: Option<i64>| {
            let set = ledger.read(move |_, store| {
                store.set_room(pages);
                Ok(())
            });
            set.await.expect("set");
        };
        let is_full = |result: Result<Vec<Verdict>, LedgerFault>| {
            let Err(LedgerFault::Refused(_)) = &result else { return false };
            result.is_err_and(|fault| fault.reason() == FaultReason::DiskFull)
        };
        let wallet = Operation::PutWallet {
            wallet: "main".parse().expect("an id"),
            overdraft_limit: None,
            low_balance_thresholds: None,
        };
        apply(1, document(2)).await.expect("taken");
        apply(2, wallet).await.expect("taken");
        set_room(Some(2)).await;
        let spare = directory.path().join("spare");
        assert!(spare.exists() && is_full(apply(3, document(1 << 20)).await));
        // The room that was given up is the ledger's now.
        assert!(!spare.exists());
        set_room(Some(100)).await;
        assert!(is_full(apply(4, document(3)).await), "new business was taken");
        let posted = apply(5, top_up("a")).await.expect("money comes in");
        assert!(matches!(posted[..], [Verdict::Posted { .. }]), "{posted:?}");
        // Somebody made room: the next probe keeps some again.
        ledger.probe().await.expect("room");
        assert!(spare.exists());
        apply(6, document(3)).await.expect("taken again");
        let settled = ledger.wallets(&account).await.expect("wallets")[0].settled;
        assert_eq!(settled.to_string(), "5.00");
    }

    #[test]
    fn room_is_kept_over_starts_and_made_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = directory.path().join("ledger.sqlite3");
        let size =
            || std::fs::metadata(directory.path().join("spare")).map_or(0, |file| file.len());
        let mut spare = Spare::beside(&ledger);
        assert!(spare.kept && size() == SIZE as u64);
        spare.give_up();
        assert!(spare.is_full() && size() == 0);
        spare.keep().expect("room");
        assert!(!spare.is_full() && size() == SIZE as u64);
        // A file that a full disk cut short is not taken for the room.
        std::fs::write(directory.path().join("spare"), b"x").expect("written");
        assert!(Spare::beside(&ledger).kept && size() == SIZE as u64);
    }
}
