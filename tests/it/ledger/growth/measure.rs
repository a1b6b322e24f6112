//! How much a ledger keeps: in Redis every key of the account, in the embedded ledger every table
//! of the file and the rows in memory. What ends by export only is left out, by name.

use std::collections::BTreeMap;

use tollgate::ledger::state::AccountState;

use crate::support::{Backend, DAY, LedgerCase};

/// Left out, because it goes to an archive one day: in Redis the journal, which has the entries.
const EXPORTED_KEYS: [&str; 1] = ["journal"];
/// In the file the statement entries; its journal ends by itself.
const EXPORTED_TABLES: [&str; 2] = ["entries", "sqlite_autoindex_entries_1"];

/// A day passes for the keys that the server ends by itself; then by kind of key their number, what
/// is in them, and their bytes.
const SIZES: &str = "
    local sizes, cursor = {}, '0'
    repeat
      local found = redis.call('SCAN', cursor, 'MATCH', ARGV[1] .. '*', 'COUNT', 500)
      cursor = found[1]
      for _, key in ipairs(found[2]) do
        local left = redis.call('PTTL', key)
        if left >= 0 and left <= tonumber(ARGV[2]) then
          redis.call('DEL', key)
        else
          if left >= 0 then redis.call('PEXPIRE', key, left - tonumber(ARGV[2])) end
          local kind = string.match(string.sub(key, #ARGV[1] + 1), '^[^:]*')
          local type = redis.call('TYPE', key).ok
          local length = { hash = 'HLEN', zset = 'ZCARD', stream = 'XLEN' }
          local size = sizes[kind] or { 0, 0, 0 }
          sizes[kind] = size
          size[1] = size[1] + 1
          size[2] = size[2] + redis.call(length[type], key)
          size[3] = size[3] + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0)
        end
      end
    until cursor == '0'
    local list = {}
    for kind, size in pairs(sizes) do
      list[#list + 1] = { kind, size[1], size[2], size[3] }
    end
    return list
";

/// How much there is of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    pub items: i64,
    pub bytes: i64,
}

impl Size {
    /// The larger of both.
    pub fn raise(&mut self, other: Size) {
        self.items = self.items.max(other.items);
        self.bytes = self.bytes.max(other.bytes);
    }
}

/// Everything that is kept, by kind.
pub fn sizes(case: &LedgerCase, model: &AccountState, backend: Backend) -> BTreeMap<String, Size> {
    let (mut sizes, exported) = match backend {
        Backend::Redis => (in_redis(case), &EXPORTED_KEYS[..]),
        Backend::Embedded => (in_file(case), &EXPORTED_TABLES[..]),
    };
    sizes.retain(|kind, _| !exported.contains(&kind.as_str()));
    if backend == Backend::Embedded {
        for (kind, items) in model.row_counts() {
            let items = i64::try_from(items).unwrap();
            sizes.insert(format!("{kind} in memory"), Size { items, bytes: 0 });
        }
    }
    sizes
}

fn in_redis(case: &LedgerCase) -> BTreeMap<String, Size> {
    let (prefix, server) = case.redis();
    let client = redis::Client::open(server.url()).unwrap();
    let found: Vec<(String, i64, i64, i64)> = redis::cmd("EVAL")
        .arg(SIZES)
        .arg(0)
        .arg(prefix)
        .arg(DAY)
        .query(&mut client.get_connection().unwrap())
        .unwrap();
    let mut sizes = BTreeMap::new();
    for (kind, keys, items, bytes) in found {
        sizes.insert(format!("keys of {kind}"), Size { items: keys, bytes: 0 });
        sizes.insert(kind, Size { items, bytes });
    }
    sizes
}

fn in_file(case: &LedgerCase) -> BTreeMap<String, Size> {
    let file = rusqlite::Connection::open(case.directory().join("ledger.sqlite3")).unwrap();
    let mut select =
        file.prepare("SELECT name, sum(ncell), sum(pgsize) FROM dbstat GROUP BY name").unwrap();
    let tables = select
        .query_map([], |row| Ok((row.get(0)?, Size { items: row.get(1)?, bytes: row.get(2)? })));
    let mut sizes: BTreeMap<String, Size> = tables.unwrap().map(Result::unwrap).collect();
    let pages =
        |name: &str| -> i64 { file.pragma_query_value(None, name, |row| row.get(0)).unwrap() };
    let free = Size {
        items: pages("freelist_count"),
        bytes: pages("freelist_count") * pages("page_size"),
    };
    sizes.insert("free pages".to_owned(), free);
    sizes
}
