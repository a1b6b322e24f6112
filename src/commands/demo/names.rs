//! Names of the demo's account and what it owns.

pub(super) const ACCOUNT: &str = "acme";
pub(super) const CAMPAIGN: &str = "diwali";
pub(super) const NUMBER: &str = "106540352242922";
pub(super) const WABA: &str = "102290129340398";
pub(super) const SEND_KEY: &str = "demo-send-key-of-acme";
pub(super) const OPERATOR_KEY: &str = "demo-operator-key";
