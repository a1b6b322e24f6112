//! One mistake at a time: a text, and the line that reports its mistake.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::super::{Secret, read};
use super::{ACCOUNT, check, load};

/// A text, and the report of its mistake.
const SECTIONS: &[(&str, &str)] = &[
    ("[lisen]\ndata = 1", "t.toml:1: lisen: is not a known section; did you mean \"listen\"?"),
    ("\n[listen]\ndta = \"\"", "t.toml:3: listen.dta: is not a known key; did you mean \"data\"?"),
    ("[listen]\ncolour = \"red\"", "t.toml:2: listen.colour: is not a known key"),
    ("listen = 5", "t.toml:1: listen: must be a section ([listen]), not a whole number"),
    ("[listen]\ndata = 8080", "t.toml:2: listen.data: must be text, not a whole number"),
    (
        "[listen]\ndata = \"localhost\"",
        "t.toml:2: listen.data: must be an address such as \"127.0.0.1:8081\", not \"localhost\"",
    ),
    (
        "[listen]\ndata = \"127.0.0.1:65536\"",
        "t.toml:2: listen.data: 65536 is no port; a port is at most 65535 (0 takes any that is \
         free)",
    ),
    (
        "[ledger]\nurl = \"redis://:hunter2/x@host\"",
        "t.toml:2: ledger.url: its user or password has characters that must be percent-encoded: \
         write / as %2F, ? as %3F, # as %23, @ as %40, % as %25, [ as %5B, ] as %5D and a space as \
         %20",
    ),
    (
        "[ledger]\nurl = \"redis://:hunter2@host:70000/0\"",
        "t.toml:2: ledger.url: 70000 is no port; a port is 1 to 65535",
    ),
    (
        "[ledger.in_doubt_policy_by_reason]\nserver_eror = \"release\"",
        "t.toml:2: ledger.in_doubt_policy_by_reason.server_eror: is not a known key; did you mean \
         \"server_error\"?",
    ),
    (
        "[listen]\nops = \"127.0.0.1:8081\"",
        "t.toml:2: listen.ops: two listeners cannot share an address",
    ),
    (
        "[server]\nmax_connections = 0",
        "t.toml:2: server.max_connections: must be 1 to 1000000, not 0",
    ),
    (
        "[upstream]\nurl = \"127.0.0.1:9090\"",
        "t.toml:2: upstream.url: must be https://HOST[:PORT][/PREFIX] (or http://), without user, \
         password, query or fragment",
    ),
    ("[upstream]\nurl = \"\"", "t.toml:2: upstream.url: must not be empty"),
    (
        "[upstream]\nurl = \"https://a/v23.0?b=c\"",
        "t.toml:2: upstream.url: must be https://HOST[:PORT][/PREFIX] (or http://), without user, \
         password, query or fragment",
    ),
    (
        "[upstream]\nurl = \"http://u:p@a\"",
        "t.toml:2: upstream.url: must be https://HOST[:PORT][/PREFIX] (or http://), without user, \
         password, query or fragment",
    ),
    (
        "[upstream]\nurl = \"https://a:65536\"",
        "t.toml:2: upstream.url: has no port from 1 to 65535",
    ),
    (
        "[upstream]\nurl = \"http://graph.example\"",
        "t.toml:2: upstream.url: would carry tokens and messages in plain text to another machine; \
         write https://, or set upstream.allow_plaintext",
    ),
    (
        "[listen]\nadmin = \"0.0.0.0:8081\"",
        "t.toml:2: listen.admin: other machines can reach this address and it moves money: set \
         listen.admin_tls, or listen.admin_allow_plaintext if something in front of it encrypts",
    ),
    (
        "[listen.tls]\ncert_file = \"a.pem\"",
        "t.toml:2: listen.tls.cert_file: needs key_file beside it",
    ),
    (
        "[listen.admin_tls]\nkey_file = \"a.pem\"",
        "t.toml:2: listen.admin_tls.key_file: needs cert_file beside it",
    ),
    (
        "[listen.ops_tls]\ncert_file = \"a.pem\"\nkey_file = \"b.pem\"",
        "t.toml:1: listen.ops_tls: is set without listen.ops",
    ),
    (
        "[listen]\ntrusted_proxies = [\"10.0.0.0/8\", \"10.0.0.0/33\"]",
        "t.toml:2: listen.trusted_proxies[1]: must be a network such as \"10.0.0.0/8\" or an \
         address, not \"10.0.0.0/33\"",
    ),
    (
        "[listen]\nproxy_protocol = true",
        "t.toml:2: listen.proxy_protocol: needs listen.trusted_proxies, which is empty",
    ),
    (
        "[ledger]\nclient_key_file = \"a.pem\"",
        "t.toml:2: ledger.client_key_file: needs client_cert_file beside it",
    ),
    (
        "[upstream]\nanswer_timeout_ms = 8.5",
        "t.toml:2: upstream.answer_timeout_ms: must be a whole number, not a number with decimals",
    ),
    (
        "[upstream]\nanswer_timeout_ms = -1",
        "t.toml:2: upstream.answer_timeout_ms: must be 1 to 600000, not -1",
    ),
    (
        "[ledger]\nurl = \"mysql://:hunter2@a\"",
        "t.toml:2: ledger.url: must be embedded:DIR, redis://HOST:PORT/0 or rediss://HOST:PORT/0",
    ),
    (
        "[ledger]\nurl = \"embedded:\"",
        "t.toml:2: ledger.url: embedded: needs a directory, as in embedded:./data",
    ),
    (
        "[ledger]\nallow_unsafe = \"yes\"",
        "t.toml:2: ledger.allow_unsafe: must be true or false, not text",
    ),
    (
        "[ledger]\nin_doubt_policy = \"chrage\"",
        "t.toml:2: ledger.in_doubt_policy: must be \"charge\" or \"release\", not \"chrage\"; did \
         you mean \"charge\"?",
    ),
    (
        "[ledger]\nkey_prefix = \"t{g}\"",
        "t.toml:2: ledger.key_prefix: must be 1 to 16 letters, digits, \"_\" or \"-\", not \
         \"t{g}\"",
    ),
    (
        "[admin]\nbootstrap_key = \"hunter2\"",
        "t.toml:2: admin.bootstrap_key: must be 16 to 255 visible ASCII characters",
    ),
    (
        "[admin]\nbootstrap_key = \"hunter2 and so forth\"",
        "t.toml:2: admin.bootstrap_key: must be 16 to 255 visible ASCII characters",
    ),
    (
        "[secrets]\nenv = \"*\"",
        "t.toml:2: secrets.env: must be a variable's name with an optional \"*\" at its end, not \
         \"*\"",
    ),
    (
        "[pass_through]\nallow = [\n\"media\",\n\"meida\"]",
        "t.toml:4: pass_through.allow[1]: must be \"media\" or \"business_profile\" or \
         \"phone_number\" or \"templates\", not \"meida\"; did you mean \"media\"?",
    ),
    ("[pass_through]\nallow = \"media\"", "t.toml:2: pass_through.allow: must be a list, not text"),
    (
        "accounts = 1",
        "t.toml:1: accounts: must be a list of tables ([[accounts]]), not a whole number",
    ),
    ("accounts = [1]", "t.toml:1: accounts[0]: must be a table, not a whole number"),
];

#[test]
fn each_mistake_in_a_section_has_its_line() {
    for (text, expected) in SECTIONS {
        check(text, &[], &[expected]);
    }
}

/// What follows a good account, and the report of its mistake; `|` separates two mistakes.
const ACCOUNTS: &[(&str, &str)] = &[
    ("[[accounts]]\nid = \"b\"", "t.toml:6: accounts[1].currency: is required"),
    (
        "[[accounts]]\nid = \"acme\"\ncurrency = \"USD\"",
        "t.toml:7: accounts[1].id: this account was declared before",
    ),
    (
        "[[accounts]]\nid = \"a b\"\ncurrency = \"USD\"",
        "t.toml:7: accounts[1].id: \"a b\" does not fit: an id is 1 to 64 letters, digits, '_' or \
         '-'",
    ),
    (
        "[[accounts]]\nid = \"b\"\ncurrency = \"usd\"",
        "t.toml:8: accounts[1].currency: must be a currency such as \"USD\", or \"message\", not \
         \"usd\"",
    ),
    (
        "[[accounts]]\nid = \"b\"\ncurrency = \"USD\"\ntime_zone = \"Asia/Calcuta\"",
        "t.toml:9: accounts[1].time_zone: \"Asia/Calcuta\" is not a known time zone; write it as \
         \"Asia/Kolkata\" or \"UTC\"",
    ),
    (
        "[[accounts]]\nid = \"b\"\ncurrency = \"USD\"\ncharge_on = \"delivered\"",
        "t.toml:9: accounts[1].charge_on: \"delivered\" needs webhooks, which are not supported in \
         this version; use \"accepted\"",
    ),
    (
        "[[accounts]]\nid = \"b\"\ncurrency = \"USD\"\nenforcement = \"watch\"",
        "t.toml:9: accounts[1].enforcement: must be \"enforce\" or \"observe\", not \"watch\"",
    ),
    (
        "[[accounts]]\nid = \"b\"\ncurrency = \"USD\"\nmarkup = { percent = \"-1\" }",
        "t.toml:9: accounts[1].markup.percent: must be a percentage from \"0\" to \"1000\" with at \
         most 4 decimals, not \"-1\"",
    ),
    (
        "[[accounts]]\nid = \"b\"\ncurrency = \"USD\"\n\
         caps = [{ categories = [\"marketing\"], window_s = 60, mx = 1 }]",
        "t.toml:9: accounts[1].caps[0].max: is required|\
         t.toml:9: accounts[1].caps[0].mx: is not a known key; did you mean \"max\"?",
    ),
    (
        "[[accounts]]\nid = \"b\"\ncurrency = \"USD\"\n\
         caps = [{ categories = [\"marketing\"], max = 101, window_s = 2592001 }]",
        "t.toml:9: accounts[1].caps[0].max: must be 1 to 100, not 101|\
         t.toml:9: accounts[1].caps[0].window_s: must be 1 to 2592000, not 2592001",
    ),
    (
        "[[accounts.wallets]]\nid = \"main\"\noverdraft_limit = \"-1\"",
        "t.toml:8: accounts[0].wallets[0].overdraft_limit: must not be negative, and is -1.00",
    ),
    (
        "[[accounts.wallets]]\nid = \"main\"\nlow_balance_thresholds = [\"1\", \"1.0000001\"]",
        "t.toml:8: accounts[0].wallets[0].low_balance_thresholds[1]: \"1.0000001\" does not fit: \
         an amount has at most 6 decimals",
    ),
    (
        "[[accounts.wallets]]\nid = \"main\"\nopening_top_up = 10",
        "t.toml:8: accounts[0].wallets[0].opening_top_up: must be text, not a whole number",
    ),
    (
        "[[accounts.wallets]]\nid = \"w\"\n[[accounts.wallets]]\nid = \"w\"",
        "t.toml:9: accounts[0].wallets[1].id: this wallet was declared before",
    ),
    (
        "[[accounts.wabas]]\nid = \"1\"",
        "t.toml:7: accounts[0].wabas[1].id: this WABA was declared before",
    ),
    (
        "[[accounts.templates]]\nwaba = \"2\"\nname = \"a\"\nlanguage = \"en\"\n\
         category = \"utility\"",
        "t.toml:7: accounts[0].templates[0].waba: the account declares no such WABA",
    ),
    (
        "[[accounts.templates]]\nwaba = \"1\"\nname = \"a\"\nlanguage = \"en-US\"\n\
         category = \"utility\"",
        "t.toml:9: accounts[0].templates[0].language: must be a language such as \"en_US\" or \
         \"en\", not \"en-US\"",
    ),
    (
        "[[accounts.templates]]\nwaba = \"1\"\nname = \"a\"\nlanguage = \"en\"\n\
         category = \"MARKETING\"",
        "t.toml:10: accounts[0].templates[0].category: must be \"marketing\" or \"utility\" or \
         \"authentication\", not \"MARKETING\"",
    ),
    (
        "[[accounts.keys]]\nid = \"k\"",
        "t.toml:6: accounts[0].keys[0]: needs key, key_file or key_env",
    ),
    (
        "[[accounts.keys]]\nid = \"k\"\nkey = \"0123456789abcdef\"\nkey_env = \"SET\"",
        "t.toml:9: accounts[0].keys[0].key_env: give one of key, key_file and key_env",
    ),
    (
        "[[accounts.keys]]\nid = \"k\"\nkey_env = \"UNSET\"",
        "t.toml:8: accounts[0].keys[0].key_env: the environment variable UNSET is not set",
    ),
    (
        "[[accounts.keys]]\nid = \"k\"\nkey = \"hunter2\"",
        "t.toml:8: accounts[0].keys[0].key: must be 16 to 255 visible ASCII characters",
    ),
    (
        "[[accounts.keys]]\nid = \"k\"\nkey = \"0123456789abcdef\"\nscopes = [\"sned\"]",
        "t.toml:9: accounts[0].keys[0].scopes[0]: must be \"send\" or \"read\" or \"manage\", not \
         \"sned\"; did you mean \"send\"?",
    ),
    (
        "[[accounts.campaigns]]\nid = \"c\"\nwallet = \"other\"",
        "t.toml:8: accounts[0].campaigns[0].wallet: the account declares no such wallet",
    ),
    (
        "[[accounts.campaigns]]\nid = \"c\"\nbudget = \"0\"",
        "t.toml:8: accounts[0].campaigns[0].budget: must be more than nothing",
    ),
];

#[test]
fn each_mistake_in_an_account_has_its_line() {
    for (text, expected) in ACCOUNTS {
        check(
            &format!("{ACCOUNT}{text}"),
            &[("SET", "x")],
            &expected.split('|').collect::<Vec<_>>(),
        );
    }
}

/// What a channel's table contains, and the report of its mistake.
const CHANNELS: &[(&str, &str)] = &[
    (
        "token_env = \"META_TOKEN\"",
        "t.toml:7: accounts[0].channels[0].waba: is required for a prepaid channel",
    ),
    (
        "waba = \"1\"",
        "t.toml:7: accounts[0].channels[0]: give the channel's Meta token by \
      token_env or token_file",
    ),
    (
        "waba = \"1\"\ntoken_env = \"META_TOKEN\"\ntoken_file = \"a/b\"",
        "t.toml:11: accounts[0].channels[0].token_file: give token_env or token_file, not both",
    ),
    (
        "waba = \"1\"\ntoken_file = \"../b\"",
        "t.toml:10: accounts[0].channels[0].token_file: must be a path inside secrets.dir, not \
         \"../b\"",
    ),
    (
        "waba = \"1\"\ntoken_file = \"/b\"",
        "t.toml:10: accounts[0].channels[0].token_file: must be a path inside secrets.dir, not \
         \"/b\"",
    ),
    (
        "waba = \"1\"\ntoken_env = \"TOLLGATE__ADMIN__BOOTSTRAP_KEY\"",
        "t.toml:10: accounts[0].channels[0].token_env: must be a variable that secrets.env \
         (\"META_TOKEN*\") permits",
    ),
    (
        "waba = \"1\"\ntoken_env = \"EAAGm0PX4ZCpsBAhunter2\"",
        "t.toml:10: accounts[0].channels[0].token_env: must be a variable's name in capitals, \
         digits and \"_\", not the secret itself",
    ),
    (
        "waba = \"1\"\ntoken_env = \"META_TOKEN_B\"",
        "t.toml:10: accounts[0].channels[0].token_env: the environment variable META_TOKEN_B is \
         not set",
    ),
    (
        "waba = \"1\"\ntoken_env = \"META_TOKEN\"\nupstream_path = \"/messages\"",
        "t.toml:11: accounts[0].channels[0].upstream_path: is only for an external channel with an \
         upstream_url",
    ),
    (
        "billing = \"external\"\ntoken_env = \"META_TOKEN\"\nupstream_url = \"https://a\"\n\
         upstream_auth_header = \"Connection\"",
        "t.toml:12: accounts[0].channels[0].upstream_auth_header: cannot be \"connection\", which \
         has a meaning of its own",
    ),
    (
        "waba = \"1\"\ntoken_env = \"META_TOKEN\"\nbilling = \"postpaid\"",
        "t.toml:11: accounts[0].channels[0].billing: must be \"prepaid\" or \"external\", not \
         \"postpaid\"",
    ),
    (
        "waba = \"1\"\ntoken_env = \"META_TOKEN\"\n[[accounts.channels]]\nphone_number_id = \"7\"\n\
         billing = \"external\"\ntoken_env = \"META_TOKEN\"",
        "t.toml:12: accounts[0].channels[1].phone_number_id: this phone number ID was declared \
         before",
    ),
];

#[test]
fn each_mistake_in_a_channel_has_its_line() {
    for (text, expected) in CHANNELS {
        let before = format!(
            "secrets.dir = \"/run\"\n{ACCOUNT}[[accounts.channels]]\nphone_number_id = \"7\"\n"
        );
        check(&format!("{before}{text}"), &[("META_TOKEN", "t")], &[expected]);
    }
    let no_directory = format!(
        "{ACCOUNT}[[accounts.channels]]\nphone_number_id = \"7\"\nwaba = \"1\"\ntoken_file = \"a\""
    );
    check(
        &no_directory,
        &[],
        &["t.toml:9: accounts[0].channels[0].token_file: secrets.dir is not set"],
    );
}

#[test]
fn each_mistake_in_the_environment_has_its_variable() {
    let table: &[(&str, &str, &str)] = &[
        (
            "TOLLGATE__LISTEN__DATA",
            "8080",
            "listen.data: must be an address such as \"127.0.0.1:8081\", not \"8080\"",
        ),
        ("TOLLGATE__LISTEN__DTA", "x", "listen.dta: is not a known key; did you mean \"data\"?"),
        ("TOLLGATE__LISEN__DATA", "x", "lisen: is not a known section; did you mean \"listen\"?"),
        ("TOLLGATE__LISTEN", "x", "listen: a variable is named TOLLGATE__SECTION__KEY"),
        (
            "TOLLGATE__LEDGER__DEADLINE_MS",
            "soon",
            "ledger.deadline_ms: must be a whole number, not something else",
        ),
        (
            "TOLLGATE__LEDGER__ALLOW_UNSAFE",
            "yes",
            "ledger.allow_unsafe: must be true or false, not text",
        ),
        (
            "TOLLGATE__PASS_THROUGH__ALLOW",
            "media",
            "pass_through.allow: lists are set in the file only",
        ),
        ("TOLLGATE__ACCOUNTS__ID", "x", "accounts.id: lists are set in the file only"),
        (
            "TOLLGATE__ADMIN__BOOTSTRAP_KEY",
            "hunter2",
            "admin.bootstrap_key: must be 16 to 255 visible ASCII characters",
        ),
    ];
    for (variable, value, expected) in table {
        check(ACCOUNT, &[(variable, value)], &[&format!("{variable}: {expected}")]);
    }
}

#[test]
fn secret_files_are_read_and_their_absence_is_reported() {
    let key_of = |text: &str| {
        let files = |path: &Path| match path.to_str() {
            Some("key") => Ok("0123456789abcdef\n".to_owned()),
            Some("short") => Ok("hunter2".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        read(text, "t.toml", BTreeMap::new(), &files).map(|config| config.admin.bootstrap_key)
    };
    assert_eq!(
        key_of("[admin]\nbootstrap_key_file = \"key\""),
        Ok(Some(Secret::new("0123456789abcdef")))
    );
    for (text, expected) in [
        (
            "bootstrap_key_file = \"absent\"",
            "t.toml:2: admin.bootstrap_key_file: cannot read \"absent\": entity not found",
        ),
        (
            "bootstrap_key_file = \"short\"",
            "t.toml:2: admin.bootstrap_key_file: must be 16 to 255 visible ASCII characters",
        ),
        (
            "bootstrap_key_file = \"key\"\nbootstrap_key = \"0123456789abcdef\"",
            "t.toml:2: admin.bootstrap_key_file: give bootstrap_key or bootstrap_key_file, not \
             both",
        ),
    ] {
        let mistakes = key_of(&format!("[admin]\n{text}")).expect_err(text);
        assert_eq!(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn text_that_is_not_toml_is_reported_with_its_line() {
    for (text, line) in [
        ("[listen\ndata = \"x\"", 1),
        ("[log]\nlevel = \"info\"\nlevel = \"debug\"", 3),
        ("[log]\nlevel = info", 2),
    ] {
        let mistakes = load(text, &[]).expect_err(text);
        assert!(
            mistakes[0].to_string().starts_with(&format!("t.toml:{line}: not TOML: ")),
            "{mistakes:?}"
        );
    }
}

#[test]
fn ten_mistakes_are_reported_at_once() {
    let text = include_str!("../../../tests/it/fixtures/ten_mistakes.toml");
    check(
        text,
        &[],
        &[
            "t.toml:4: listen.data: must be an address such as \"127.0.0.1:8081\", not \
             \"localhost\"",
            "t.toml:5: listen.opps: is not a known key; did you mean \"ops\"?",
            "t.toml:8: upstream.url: would carry tokens and messages in plain text to another \
             machine; write https://, or set upstream.allow_plaintext",
            "t.toml:9: upstream.answer_timeout_ms: must be a whole number, not text",
            "t.toml:12: ledger.in_doubt_policy: must be \"charge\" or \"release\", not \"chrage\"; \
             did you mean \"charge\"?",
            "t.toml:15: shutdown.drain_s: must be 0 to 3600, not 100000",
            "t.toml:17: lgo: is not a known section; did you mean \"log\"?",
            "t.toml:22: accounts[0].currency: must be a currency such as \"USD\", or \"message\", \
             not \"usd\"",
            "t.toml:23: accounts[0].time_zone: \"Asia/Calcuta\" is not a known time zone; write it \
             as \"Asia/Kolkata\" or \"UTC\"",
            "t.toml:30: accounts[0].channels[0].wallet: the account declares no such wallet",
        ],
    );
}
