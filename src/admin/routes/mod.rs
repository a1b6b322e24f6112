//! Which admin calls there are: one row each, from which both the router and the OpenAPI document
//! are made; and the resources, one thin file each.

mod accounts;
mod campaigns;
mod channels;
mod events;
mod holds;
mod keys;
mod limits;
mod rate_cards;
mod statement;
mod table;
mod templates;
mod usage;
mod wabas;
mod wallets;

use std::sync::LazyLock;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Response, StatusCode};
use serde_json::Value;

use super::call::{Call, with_type};
use super::openapi;
use super::problem::Problem;
use super::route::Takes::{Csv, Json, MaybeJson, Nothing};
use super::route::{Access, Route};
use crate::control::template_sync;

/// The deadline of calls that use nothing but the ledger.
const USUAL: Duration = Duration::from_secs(20);

macro_rules! routes {
    (@deadline) => { USUAL };
    (@deadline $deadline:expr) => { $deadline };
    ($($method:ident $path:literal $access:ident $takes:expr, $query:expr,
        [$($status:literal $schema:literal),+], $about:literal $(within $deadline:expr)?
        => $handler:path;)*) => {
        /// Every call of the Admin API.
        pub static ROUTES: &[Route] = &[$(Route {
            method: Method::$method,
            path: $path,
            access: Access::$access,
            takes: $takes,
            query: $query,
            gives: &[$(($status, $schema)),+],
            about: $about,
            deadline: routes!(@deadline $($deadline)?),
            handler: |call| Box::pin($handler(call)),
        }),*];
    };
}

/// The OpenAPI document of all calls.
pub fn document() -> Value {
    openapi::document(ROUTES)
}

async fn show_document(_: &Call) -> Result<Response<Body>, Problem> {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());
    Ok(with_type(StatusCode::OK, DOCUMENT.as_str(), "application/json"))
}

const NONE: &[&str] = &[];
const PAGE: &[&str] = &["limit", "cursor"];

routes! {
    POST "/v1/accounts" Operator Json("AccountNew"), NONE, [201 "Account", 200 "Account"],
        "Creates an account and its wallet main; the same again answers 200" => accounts::post;
    GET "/v1/accounts" Operator Nothing, PAGE, [200 "AccountList"],
        "Lists accounts in order of their ids" => accounts::list;
    GET "/v1/accounts/{account}" Read Nothing, NONE, [200 "Account"],
        "Shows an account" => accounts::get;
    PATCH "/v1/accounts/{account}" Operator Json("AccountChange"), NONE, [200 "Account"],
        "Changes the fields that are given; null takes the messaging limit away" => accounts::patch;

    GET "/v1/accounts/{account}/channels" Read Nothing, PAGE, [200 "ChannelList"],
        "Lists channels" => channels::list;
    PUT "/v1/accounts/{account}/channels/{phone_number_id}" Operator Json("ChannelSettings"),
        NONE, [201 "Channel", 200 "Channel"],
        "Sets up a channel; its phone number ID belongs to one account" => channels::put;
    GET "/v1/accounts/{account}/channels/{phone_number_id}" Read Nothing, NONE, [200 "Channel"],
        "Shows a channel" => channels::get;
    DELETE "/v1/accounts/{account}/channels/{phone_number_id}" Operator Nothing, NONE, [204 ""],
        "Removes a channel and frees its phone number ID" => channels::delete;

    GET "/v1/accounts/{account}/wabas" Read Nothing, PAGE, [200 "WabaList"],
        "Lists WABAs" => wabas::list;
    PUT "/v1/accounts/{account}/wabas/{waba}" Operator Json("WabaSettings"),
        NONE, [201 "Waba", 200 "Waba"],
        "Sets up a WABA; a portfolio other than default belongs to one account" => wabas::put;
    GET "/v1/accounts/{account}/wabas/{waba}" Read Nothing, NONE, [200 "Waba"],
        "Shows a WABA" => wabas::get;

    GET "/v1/accounts/{account}/wabas/{waba}/templates" Read Nothing, PAGE, [200 "TemplateList"],
        "Lists a WABA's templates" => templates::list;
    PUT "/v1/accounts/{account}/wabas/{waba}/templates/{name}/{language}" Operator
        Json("TemplateSettings"), NONE, [201 "Template", 200 "Template"],
        "Sets the category of a template" => templates::put;
    GET "/v1/accounts/{account}/wabas/{waba}/templates/{name}/{language}" Read Nothing,
        NONE, [200 "Template"],
        "Shows a template" => templates::get;
    DELETE "/v1/accounts/{account}/wabas/{waba}/templates/{name}/{language}" Operator Nothing,
        NONE, [204 ""],
        "Forgets a template" => templates::delete;
    POST "/v1/accounts/{account}/wabas/{waba}/templates/sync" Manage MaybeJson("Nothing"),
        NONE, [200 "TemplateSync"],
        "Reads the WABA's templates from Meta and writes their categories; templates Meta does not \
         list stay" within template_sync::DEADLINE => templates::sync;

    POST "/v1/accounts/{account}/keys" Manage Json("KeyNew"), NONE, [201 "KeyMade"],
        "Makes a gateway key, shown this once" => keys::post;
    GET "/v1/accounts/{account}/keys" ReadOrManage Nothing, PAGE, [200 "KeyList"],
        "Lists keys, never the keys themselves" => keys::list;
    POST "/v1/accounts/{account}/keys/{key}/rotate" Manage MaybeJson("KeyRotation"),
        NONE, [201 "KeyRotated"],
        "Makes a key with the same scopes and campaign; the one before ends after `overlap_s`"
        => keys::rotate;
    DELETE "/v1/accounts/{account}/keys/{key}" Manage Nothing, NONE, [204 ""],
        "Takes a key back" => keys::delete;

    GET "/v1/accounts/{account}/wallets" Read Nothing, PAGE, [200 "WalletList"],
        "Lists wallets" => wallets::list;
    PUT "/v1/accounts/{account}/wallets/{wallet}" Operator Json("WalletSettings"),
        NONE, [201 "Wallet", 200 "Wallet"],
        "Creates a wallet, or sets all its settings" => wallets::put;
    PATCH "/v1/accounts/{account}/wallets/{wallet}" Operator Json("WalletSettings"),
        NONE, [200 "Wallet"],
        "Changes the settings that are given" => wallets::patch;
    GET "/v1/accounts/{account}/wallets/{wallet}" Read Nothing, NONE, [200 "Wallet"],
        "Shows a wallet and its balance" => wallets::get;
    POST "/v1/accounts/{account}/wallets/{wallet}/top-ups" Operator Json("TopUp"),
        NONE, [201 "Entry", 200 "Entry"],
        "Adds credits; the same reference and content again answers 200 with the first entry"
        => wallets::top_up;
    POST "/v1/accounts/{account}/wallets/{wallet}/adjustments" Operator Json("Adjustment"),
        NONE, [201 "Entry", 200 "Entry"],
        "Books a manual entry, with a reason; repeats as top-ups do" => wallets::adjust;

    GET "/v1/accounts/{account}/wallets/{wallet}/statement" Read Nothing,
        &["from", "to", "tz", "view", "format", "limit", "cursor"], [200 "EntryList"],
        "Lists a wallet's entries, oldest first; `to` is exclusive as an instant and inclusive as \
         a date" => statement::get;

    POST "/v1/accounts/{account}/campaigns" Manage Json("CampaignNew"),
        NONE, [201 "Campaign", 200 "Campaign"],
        "Creates a campaign; the same again answers 200" => campaigns::post;
    GET "/v1/accounts/{account}/campaigns" ReadOrManage Nothing, PAGE, [200 "CampaignList"],
        "Lists campaigns" => campaigns::list;
    GET "/v1/accounts/{account}/campaigns/{campaign}" ReadOrManage Nothing, NONE, [200 "Campaign"],
        "Shows a campaign" => campaigns::get;
    POST "/v1/accounts/{account}/campaigns/{campaign}/stop" Manage MaybeJson("Nothing"),
        NONE, [200 "Campaign"],
        "Stops a campaign" => campaigns::stop;
    POST "/v1/accounts/{account}/campaigns/{campaign}/restart" Manage MaybeJson("Nothing"),
        NONE, [200 "Campaign"],
        "Lets a stopped campaign run again; refused while the wallet cannot pay the price it was \
         stopped at" => campaigns::restart;
    POST "/v1/accounts/{account}/campaigns/{campaign}/finish" Manage MaybeJson("Nothing"),
        NONE, [200 "Campaign"],
        "Ends a campaign for good" => campaigns::finish;

    GET "/v1/accounts/{account}/usage" Read Nothing,
        &["from", "to", "group_by", "format"], [200 "Usage"],
        "Sums messages and credits by any of day, channel, country and category, or by campaign \
         with country and category" => usage::get;
    GET "/v1/accounts/{account}/limits" Read Nothing, NONE, [200 "Limits"],
        "Shows the messaging limit, how much of it is used, and caps" => limits::get;
    GET "/v1/accounts/{account}/events" Read Nothing, PAGE, [200 "EventList"],
        "Lists events, oldest first; `next` is always there, for pollers" => events::list;

    GET "/v1/accounts/{account}/holds" Read Nothing,
        &["state", "limit", "cursor"], [200 "HoldList"],
        "Lists unresolved holds" => holds::list;
    POST "/v1/accounts/{account}/holds/{hold}/settle" Operator MaybeJson("HoldSettle"),
        NONE, [200 "HoldResolved"],
        "Charges a hold in doubt: its message was sent" => holds::settle;
    POST "/v1/accounts/{account}/holds/{hold}/release" Operator MaybeJson("Nothing"),
        NONE, [200 "HoldResolved"],
        "Gives a hold in doubt back: its message was not sent" => holds::release;

    GET "/v1/rate-cards" Read Nothing, PAGE, [200 "RateCardList"],
        "Lists rate cards; an account key sees its account's" => rate_cards::list;
    GET "/v1/rate-cards/{card}" Read Nothing, NONE, [200 "RateCard"],
        "Shows a rate card with its rates" => rate_cards::get;
    PUT "/v1/rate-cards/{card}/versions/{date}" Operator Csv,
        &["confirm"], [201 "RateCardVersion", 200 "RateCardVersion"],
        "Puts a version that begins in the future, from Meta's CSV; the card is made if there is \
         none" => rate_cards::put_version;

    GET "/v1/openapi.json" Public Nothing, NONE, [200 "Document"],
        "Shows this document" => show_document;
}
