//! Which admin calls there are: one row each, from which both the router and the OpenAPI document are made.

use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use http::{Method, Response};

use super::call::Call;
use super::problem::Problem;
use super::{accounts, campaigns, channels, keys, statement, templates, wabas, wallets};

/// What a handler answers.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>, Problem>> + Send + 'a>>;

/// Who may make a call. Operator keys may make all; an account key those on its own account that its scopes allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a key.
    Public,
    /// The scope `read`.
    Read,
    /// The scope `read` or `manage`.
    ReadOrManage,
    /// The scope `manage`.
    Manage,
    /// Operator keys only.
    Operator,
}

/// The body of a call; the name is that of a schema of the OpenAPI document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// None.
    Nothing,
    /// A JSON object.
    Json(&'static str),
    /// A JSON object, or nothing for `{}`.
    MaybeJson(&'static str),
    /// A CSV file.
    Csv,
}

/// One call.
pub struct Route {
    /// `GET`, `POST`, ...
    pub method: Method,
    /// With its parts in braces; `{a}` is the account.
    pub path: &'static str,
    /// Who may call.
    pub access: Access,
    /// The body.
    pub takes: Takes,
    /// The query parameters it knows.
    pub query: &'static [&'static str],
    /// Status and schema of what it answers where all is well; an empty schema is an empty body.
    pub gives: &'static [(u16, &'static str)],
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Does it.
    pub handler: for<'a> fn(&'a Call) -> Answer<'a>,
}

macro_rules! routes {
    ($($method:ident $path:literal $access:ident $takes:expr, $query:expr, [$($status:literal $schema:literal),+], $about:literal => $handler:path;)*) => {
        /// Every call of the Admin API.
        pub static ROUTES: &[Route] = &[$(Route {
            method: Method::$method,
            path: $path,
            access: Access::$access,
            takes: $takes,
            query: $query,
            gives: &[$(($status, $schema)),+],
            about: $about,
            handler: |call| Box::pin($handler(call)),
        }),*];
    };
}

use Takes::{Json, MaybeJson, Nothing};

const NONE: &[&str] = &[];
const PAGE: &[&str] = &["limit", "cursor"];

routes! {
    POST "/v1/accounts" Operator Json("AccountNew"), NONE, [201 "Account", 200 "Account"],
        "Creates an account and its wallet main; the same again answers 200" => accounts::post;
    GET "/v1/accounts" Operator Nothing, PAGE, [200 "AccountList"], "Lists accounts in order of their ids" => accounts::list;
    GET "/v1/accounts/{a}" Read Nothing, NONE, [200 "Account"], "Shows an account" => accounts::get;
    PATCH "/v1/accounts/{a}" Operator Json("AccountChange"), NONE, [200 "Account"],
        "Changes the fields that are given; null takes the messaging limit away" => accounts::patch;

    GET "/v1/accounts/{a}/channels" Read Nothing, PAGE, [200 "ChannelList"], "Lists channels" => channels::list;
    PUT "/v1/accounts/{a}/channels/{phone_number_id}" Operator Json("ChannelSettings"), NONE, [201 "Channel", 200 "Channel"],
        "Sets up a channel; its phone number ID belongs to one account" => channels::put_call;
    GET "/v1/accounts/{a}/channels/{phone_number_id}" Read Nothing, NONE, [200 "Channel"], "Shows a channel" => channels::get;
    DELETE "/v1/accounts/{a}/channels/{phone_number_id}" Operator Nothing, NONE, [204 ""],
        "Removes a channel and frees its phone number ID" => channels::delete;

    GET "/v1/accounts/{a}/wabas" Read Nothing, PAGE, [200 "WabaList"], "Lists WABAs" => wabas::list;
    PUT "/v1/accounts/{a}/wabas/{waba}" Operator Json("WabaSettings"), NONE, [201 "Waba", 200 "Waba"],
        "Sets up a WABA; a portfolio other than default belongs to one account" => wabas::put_call;
    GET "/v1/accounts/{a}/wabas/{waba}" Read Nothing, NONE, [200 "Waba"], "Shows a WABA" => wabas::get;

    GET "/v1/accounts/{a}/wabas/{waba}/templates" Read Nothing, PAGE, [200 "TemplateList"], "Lists a WABA's templates" => templates::list;
    PUT "/v1/accounts/{a}/wabas/{waba}/templates/{name}/{language}" Operator Json("TemplateSettings"), NONE, [201 "Template", 200 "Template"],
        "Says which category a template has" => templates::put_call;
    GET "/v1/accounts/{a}/wabas/{waba}/templates/{name}/{language}" Read Nothing, NONE, [200 "Template"], "Shows a template" => templates::get;
    DELETE "/v1/accounts/{a}/wabas/{waba}/templates/{name}/{language}" Operator Nothing, NONE, [204 ""],
        "Forgets a template" => templates::delete;

    POST "/v1/accounts/{a}/keys" Manage Json("KeyNew"), NONE, [201 "KeyMade"], "Makes a gateway key, shown this once" => keys::post;
    GET "/v1/accounts/{a}/keys" ReadOrManage Nothing, PAGE, [200 "KeyList"], "Lists keys, never the keys themselves" => keys::list;
    DELETE "/v1/accounts/{a}/keys/{key}" Manage Nothing, NONE, [204 ""], "Takes a key back" => keys::delete;

    GET "/v1/accounts/{a}/wallets" Read Nothing, PAGE, [200 "WalletList"], "Lists wallets" => wallets::list;
    PUT "/v1/accounts/{a}/wallets/{w}" Operator Json("WalletSettings"), NONE, [201 "Wallet", 200 "Wallet"],
        "Creates a wallet, or sets all its settings" => wallets::put_call;
    PATCH "/v1/accounts/{a}/wallets/{w}" Operator Json("WalletSettings"), NONE, [200 "Wallet"], "Changes the settings that are given" => wallets::patch;
    GET "/v1/accounts/{a}/wallets/{w}" Read Nothing, NONE, [200 "Wallet"], "Shows a wallet and its balance" => wallets::get;
    POST "/v1/accounts/{a}/wallets/{w}/top-ups" Operator Json("TopUp"), NONE, [201 "Entry", 200 "Entry"],
        "Adds credits; the same reference and content again answers 200 with the first entry" => wallets::top_up_call;
    POST "/v1/accounts/{a}/wallets/{w}/adjustments" Operator Json("Adjustment"), NONE, [201 "Entry", 200 "Entry"],
        "Books a manual entry, with a reason; repeats as top-ups do" => wallets::adjust_call;

    GET "/v1/accounts/{a}/wallets/{w}/statement" Read Nothing, &["from", "to", "tz", "view", "format", "limit", "cursor"], [200 "EntryList"],
        "Lists a wallet's entries, oldest first; `to` is exclusive as an instant and inclusive as a date" => statement::get;

    POST "/v1/accounts/{a}/campaigns" Manage Json("CampaignNew"), NONE, [201 "Campaign", 200 "Campaign"],
        "Creates a campaign; the same again answers 200" => campaigns::post;
    GET "/v1/accounts/{a}/campaigns" ReadOrManage Nothing, PAGE, [200 "CampaignList"], "Lists campaigns" => campaigns::list;
    GET "/v1/accounts/{a}/campaigns/{c}" ReadOrManage Nothing, NONE, [200 "Campaign"], "Shows a campaign" => campaigns::get;
    POST "/v1/accounts/{a}/campaigns/{c}/stop" Manage MaybeJson("Nothing"), NONE, [200 "Campaign"], "Stops a campaign" => campaigns::stop;
    POST "/v1/accounts/{a}/campaigns/{c}/restart" Manage MaybeJson("Nothing"), NONE, [200 "Campaign"],
        "Lets a stopped campaign run again; refused while the wallet cannot pay the price it was stopped at" => campaigns::restart;
    POST "/v1/accounts/{a}/campaigns/{c}/finish" Manage MaybeJson("Nothing"), NONE, [200 "Campaign"], "Ends a campaign for good" => campaigns::finish;
}
