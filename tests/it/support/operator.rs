//! Calls of an operator on the account of a world, and the books it shows.

use http::Method;
use serde_json::{Value, json};

use super::client::{Client, Reply, micros};
use super::setup::{ACCOUNT, OPERATOR_KEY};

/// The books of a wallet in micro-credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    pub settled: i64,
    pub held: i64,
    pub available: i64,
}

impl Client {
    /// An operator's call below `/v1/accounts/acme`; it must succeed.
    pub async fn operate(&self, method: Method, path: &str, body: Value) -> Value {
        let reply = self.ask_operator(method, path, body).await;
        assert!((200..300).contains(&reply.status), "{path}: {} {}", reply.status, reply.json);
        reply.json
    }

    /// The same, whatever the status.
    pub async fn ask_operator(&self, method: Method, path: &str, body: Value) -> Reply {
        let request = self.admin(method, &format!("/v1/accounts/{ACCOUNT}{path}"), OPERATOR_KEY);
        if body.is_null() { request.await } else { request.json(&body).await }
    }

    /// The main wallet, after everything this gateway has queued.
    pub async fn books(&self) -> Books {
        let wallet = self.operate(Method::GET, "/wallets/main", Value::Null).await;
        let amount = |name: &str| {
            micros(wallet[name].as_str().unwrap_or_else(|| panic!("no {name} in {wallet}")))
        };
        Books { settled: amount("settled"), held: amount("held"), available: amount("available") }
    }

    pub async fn top_up(&self, amount: &str, reference: &str) {
        self.operate(
            Method::POST,
            "/wallets/main/top-ups",
            json!({"amount": amount, "reference": reference}),
        )
        .await;
    }

    /// `state reason` of a campaign, for example `stopped credits_exhausted`.
    pub async fn campaign(&self, id: &str) -> String {
        let campaign = self.operate(Method::GET, &format!("/campaigns/{id}"), Value::Null).await;
        let text = |name: &str| campaign[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("state"), text("reason")).trim_end().to_owned()
    }

    /// Kinds of the account's events, oldest first.
    pub async fn events(&self) -> Vec<String> {
        let events = self.operate(Method::GET, "/events?limit=1000", Value::Null).await;
        let items = events["items"].as_array().unwrap_or_else(|| panic!("no items in {events}"));
        items
            .iter()
            .map(|event| {
                event["kind"].as_str().unwrap_or_else(|| panic!("no kind in {event}")).to_owned()
            })
            .collect()
    }

    /// Holds in one state.
    pub async fn holds(&self, state: &str) -> Vec<Value> {
        let holds = self
            .operate(Method::GET, &format!("/holds?state={state}&limit=1000"), Value::Null)
            .await;
        holds["items"].as_array().unwrap_or_else(|| panic!("no items in {holds}")).clone()
    }
}
