//! Who may do what: without a key nothing, with an account's key only what its scopes allow and
//! only on its own account.

use http::Method;
use tollgate::admin::route::{Access, Route};
use tollgate::admin::routes::ROUTES;

use crate::support::AdminApi;

/// A path of the route on an account, with ids that name nothing.
fn path(route: &Route, account: &str) -> String {
    let parts = [
        ("{account}", account),
        ("{phone_number_id}", "1"),
        ("{waba}", "1"),
        ("{name}", "n"),
        ("{language}", "en"),
        ("{key}", "none"),
        ("{wallet}", "none"),
        ("{campaign}", "none"),
        ("{hold}", "none"),
        ("{card}", "none"),
        ("{date}", "2027-01-01"),
    ];
    parts.iter().fold(route.path.to_owned(), |path, (part, value)| path.replace(part, value))
}

#[tokio::test]
async fn every_call_but_the_document_needs_a_key() {
    let api = AdminApi::with_acme().await;
    for route in ROUTES {
        for key in ["", "tg_live_0000000000000000000000000000000000", "some-other-bootstrap-key"] {
            let answer = api.ask_as(key, route.method.as_str(), &path(route, "acme"), "").await;
            if route.access == Access::Public {
                assert_eq!(answer.status, 200, "{}", route.path);
            } else {
                assert_eq!(
                    (answer.status, answer.code()),
                    (401, "unauthorized"),
                    "{} {}",
                    route.method,
                    route.path
                );
                assert_eq!(answer.header("www-authenticate"), "Bearer");
            }
        }
    }
}

#[tokio::test]
async fn another_account_looks_like_one_that_does_not_exist() {
    let api = AdminApi::with_acme().await;
    assert_eq!(
        api.ask("POST", "/v1/accounts", r#"{"id":"rival","currency":"USD"}"#).await.status,
        201
    );
    let key = api.key("rival", r#"["send","read","manage"]"#).await;
    for route in ROUTES.iter().filter(|route| route.path.contains("{account}")) {
        let method = route.method.as_str();
        let [acme, nobody, impossible] =
            ["acme", "nobody", "no%20id"].map(|account| path(route, account));
        let acme = api.ask_as(&key, method, &acme, "").await;
        assert_eq!((acme.status, acme.code()), (404, "not_found"), "{method} {}", route.path);
        for (other, name) in [(nobody, "nobody"), (impossible, "no id")] {
            let mut other = api.ask_as(&key, method, &other, "").await;
            other.json["request_id"] = acme.json["request_id"].clone();
            other.json["detail"] =
                other.json["detail"].as_str().unwrap().replace(name, "acme").into();
            assert_eq!(other.json, acme.json, "{method} {}", route.path);
        }
        let operator = api.ask("GET", &path(route, "nobody"), "").await;
        assert!([404, 405].contains(&operator.status), "{method} {}", route.path);
    }
}

#[tokio::test]
async fn scopes_allow_what_they_name() {
    let api = AdminApi::with_acme().await;
    for scope in ["send", "read", "manage"] {
        let key = api.key("acme", &format!(r#"["{scope}"]"#)).await;
        for route in ROUTES {
            let answer = api.ask_as(&key, route.method.as_str(), &path(route, "acme"), "").await;
            let open = match route.access {
                Access::Public => true,
                Access::Read => scope == "read",
                Access::Manage => scope == "manage",
                Access::ReadOrManage => scope != "send",
                Access::Operator => false,
            };
            assert_eq!(answer.status != 403, open, "{scope}: {} {}", route.method, route.path);
            assert!(open || answer.code() == "forbidden");
        }
    }
}

#[test]
fn only_operators_and_managers_change_anything() {
    for route in ROUTES.iter().filter(|route| route.method != Method::GET) {
        // An account may copy what Meta has about its templates; what Meta does not have, only an
        // operator may.
        let its_own =
            ["/campaigns", "/keys", "/templates/sync"].iter().any(|part| route.path.contains(part));
        assert_eq!(
            route.access,
            if its_own { Access::Manage } else { Access::Operator },
            "{} {}",
            route.method,
            route.path
        );
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_can_be_taken_back() {
    let api = AdminApi::with_acme().await;
    let manager = api.key("acme", r#"["manage"]"#).await;
    let made = api
        .ask_as(
            &manager,
            "POST",
            "/v1/accounts/acme/keys",
            r#"{"id":"engine","scopes":["read"],"campaign":"diwali"}"#,
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let key = made.json["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("tg_live_"));
    assert!(key.ends_with(made.json["ends_with"].as_str().unwrap()));
    let list = api.ask_as(&manager, "GET", "/v1/accounts/acme/keys", "").await;
    assert!(!list.text.contains(&key) && !list.text.contains("hash"), "{}", list.text);
    assert_eq!(list.json["items"][0]["campaign"], "diwali");

    let again = api
        .ask_as(&manager, "POST", "/v1/accounts/acme/keys", r#"{"id":"engine","scopes":["read"]}"#)
        .await;
    assert_eq!((again.status, again.code()), (409, "exists"));

    assert_eq!(api.ask_as(&key, "GET", "/v1/accounts/acme", "").await.status, 200);
    assert_eq!(
        api.ask_as(&manager, "DELETE", "/v1/accounts/acme/keys/engine", "").await.status,
        204
    );
    assert_eq!(api.ask_as(&key, "GET", "/v1/accounts/acme", "").await.status, 401);
    assert_eq!(
        api.ask_as(&manager, "DELETE", "/v1/accounts/acme/keys/engine", "").await.status,
        404
    );
}

#[tokio::test]
async fn declared_keys_are_made_once_and_shared_by_nobody() {
    use tollgate::admin::problem::Problem;
    use tollgate::catalog::Principal::Operator;
    use tollgate::catalog::documents::{Grant, Scope};
    use tollgate::control::{Existing, Made, key, wallet};
    let api = AdminApi::with_acme().await;
    api.ask("POST", "/v1/accounts", r#"{"id":"rival","currency":"USD"}"#).await;
    let grant = Grant { scopes: vec![Scope::Read], campaign: None };
    let put = async |account: &str, id: &str, text: &str| {
        key::put(
            &api.control,
            &Operator,
            &account.parse().unwrap(),
            &id.parse().unwrap(),
            text,
            &grant,
        )
        .await
        .map_err(Problem::from)
    };
    assert_eq!(put("acme", "declared", "a-key-from-a-file").await.unwrap(), Made::New);
    assert_eq!(put("acme", "declared", "a-key-from-a-file").await.unwrap(), Made::Present);
    assert_eq!(
        put("acme", "declared", "another-key-from-a-file").await.unwrap(),
        Made::Present,
        "it keeps the text it had"
    );
    assert_eq!(
        api.ask_as("another-key-from-a-file", "GET", "/v1/accounts/acme", "").await.status,
        401
    );
    assert_eq!(api.ask_as("a-key-from-a-file", "GET", "/v1/accounts/acme", "").await.status, 200);
    assert_eq!(
        put("rival", "declared", "a-key-from-a-file").await.unwrap_err().kind.code,
        "claimed"
    );
    assert_eq!(put("acme", "short", "too short").await.unwrap_err().kind.code, "invalid");

    let settings = tollgate::catalog::documents::WalletSettings {
        overdraft_limit: "5".parse().ok(),
        ..Default::default()
    };
    let (account, main) = ("acme".parse().unwrap(), "main".parse().unwrap());
    let (kept, view) =
        wallet::put(&api.control, &Operator, &account, &main, &settings, Existing::Keep)
            .await
            .unwrap();
    assert_eq!(kept, Made::Present);
    assert!(view.overdraft_limit.is_zero());
    assert_eq!(api.get("/v1/accounts/acme/wallets/main").await["overdraft_limit"], "0.00");
}
