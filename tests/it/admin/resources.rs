//! Accounts, channels, WABAs, templates and keys: what is put is what is shown.

use super::desk::Desk;

#[tokio::test]
async fn what_is_put_is_what_is_shown() {
    let desk = Desk::with_acme().await;
    let account = desk.get("/v1/accounts/acme").await;
    let expected = serde_json::json!({"id":"acme","currency":"USD","rate_card":"meta-usd","time_zone":"UTC","charge_on":"accepted",
        "enforcement":"enforce","messaging_limit":null,"caps":[],"unknown_template":"ceiling",
        "markup":{"percent":"0","per_message":"0.00"},"authentication_international":false});
    assert_eq!(account, expected);
}
