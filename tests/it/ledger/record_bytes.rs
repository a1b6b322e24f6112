//! What Redis keeps of one recipient, open hold, key and journal line, in bytes: figures that
//! must not creep.

use std::collections::BTreeMap;

use tollgate::ledger::{Operation, Reserve};

use crate::support::ledger_script::{Labels, Line, operations};
use crate::support::{Backend, LedgerCase, day};

/// By kind of key, all bytes; 64 of each key are its place in the server's own table, which it does
/// not count as the key's.
const SIZES: &str = "
    local sizes, list, cursor = {}, {}, '0'
    repeat
      local found = redis.call('SCAN', cursor, 'MATCH', ARGV[1] .. '*', 'COUNT', 500)
      cursor = found[1]
      for _, key in ipairs(found[2]) do
        local kind = string.match(string.sub(key, #ARGV[1] + 1), '^[^:]*')
        local bytes = redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0)
        sizes[kind] = (sizes[kind] or 0) + bytes + 64
      end
    until cursor == '0'
    for kind, bytes in pairs(sizes) do list[#list + 1] = { kind, bytes } end
    return list
";

/// Sends of a batch.
const BATCH: u64 = 50;

struct Books {
    case: LedgerCase,
    made: u64,
}

impl Books {
    async fn open() -> Books {
        let mut case = LedgerCase::new(Backend::Redis).await;
        let lines = ["wallet main limit=9999999.00", "create once dedupe", "create holi"];
        let founding =
            lines.map(|line| operations::operation(&Line::parse(line), 0, &Labels::new())).into();
        case.apply(founding).await.unwrap();
        Books { case, made: 0 }
    }

    /// Sends to people who had none before, of the kind of `line`; settles them if `settled`.
    async fn send(&mut self, count: u64, line: &str, settled: bool) {
        let now_ms = self.case.clock.now_ms();
        let plain = operations::send(&Line::parse(line), now_ms, 1);
        for _ in 0..count / BATCH {
            let first = *operations::send(&Line::parse(line), now_ms, 1).hold.as_bytes();
            let sends: Vec<Reserve> = (0..BATCH).map(|n| self.one(&plain, first, n)).collect();
            let ends = sends.iter().map(|send| Operation::Settle {
                hold: send.hold,
                message_id: Some(
                    "wamid.HBgMOTE5ODc2NTQzMjEwFQIAERgSQjA4RjYyQjE2QTdGRTM0QkQ1AA==".into(),
                ),
                day: day(now_ms),
            });
            let ends = ends.collect();
            let sends = sends.into_iter().map(|send| Operation::Reserve(Box::new(send)));
            self.case.apply(sends.collect()).await.unwrap();
            if settled {
                self.case.apply(ends).await.unwrap();
            }
        }
    }

    fn one(&mut self, plain: &Reserve, mut id: [u8; 16], position: u64) -> Reserve {
        id[15] = u8::try_from(position).unwrap();
        self.made += 1;
        let recipient = self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let unique: [u8; 16] = [recipient, recipient].concat().try_into().unwrap();
        Reserve {
            hold: tollgate::ids::HoldId::from_bytes(id),
            recipient,
            fingerprint: unique,
            key: plain.key.map(|_| unique),
            ..plain.clone()
        }
    }

    /// Bytes of one kind that these sends add, for each of them; those that come after as many.
    async fn bytes(&mut self, count: u64, line: &str, settled: bool, kinds: &[&str]) -> Vec<i64> {
        self.send(count, line, settled).await;
        let before = self.sizes();
        self.send(count, line, settled).await;
        let after = self.sizes();
        let added = |kind: &&str| {
            let bytes = after[*kind] - before.get(*kind).copied().unwrap_or_default();
            bytes.div_euclid(i64::try_from(count).unwrap())
        };
        kinds.iter().map(added).collect()
    }

    fn sizes(&self) -> BTreeMap<String, i64> {
        let (prefix, server) = self.case.redis();
        let client = redis::Client::open(server.url()).unwrap();
        let mut connection = client.get_connection().unwrap();
        let sizes = redis::cmd("EVAL").arg(SIZES).arg(0).arg(prefix).query(&mut connection);
        let sizes: Vec<(String, i64)> = sizes.unwrap();
        sizes.into_iter().collect()
    }
}

#[tokio::test]
async fn what_is_kept_of_a_send_is_small() {
    let mut books = Books::open().await;
    let all = "send a limit=9999999 caps=marketing:9:7d campaign=holi";
    let once = "send a campaign=once";
    let mut found = books.bytes(40_000, all, true, &["p", "journal"]).await;
    found.extend(books.bytes(10_000, once, true, &["r"]).await);
    found.extend(books.bytes(10_000, "send a limit=9999999 campaign=holi", false, &["b"]).await);
    found.extend(books.bytes(20_000, "send a key=k", true, &["i"]).await);
    let most = [26, 80, 16, 120, 160];
    let fits = found.iter().zip(most).all(|(found, most)| *found <= most);
    assert!(fits, "recipient, journal, deduplicated, open hold, key: {found:?}, most {most:?}");
    println!("recipient, journal, deduplicated, open hold, key: {found:?}");
}
