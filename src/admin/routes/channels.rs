//! Channels: sending numbers with their token, their WABA and the wallet that pays. A phone number
//! ID belongs to one account at a time.

use axum::body::Body;
use http::Response;
use serde::Serialize;

use crate::admin::call::{self, Call};
use crate::admin::problem::Problem;
use crate::catalog::documents::ChannelSettings;
use crate::control::{Existing, Made, channel};
use crate::ids::ChannelId;

/// A channel as replies show it.
#[derive(Serialize)]
struct ChannelView<'a> {
    phone_number_id: &'a ChannelId,
    #[serde(flatten)]
    settings: &'a ChannelSettings,
}

pub(super) async fn put(call: &Call) -> Result<Response<Body>, Problem> {
    let id: ChannelId = call.new_id("phone_number_id")?;
    let settings: ChannelSettings = call.json()?;
    let (control, principal, account) = (&call.control, call.principal()?, &call.account()?.id);
    let made = channel::put(control, principal, account, &id, &settings, Existing::Replace).await?;
    call::made(made == Made::New, &ChannelView { phone_number_id: &id, settings: &settings })
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let snapshot = call.account()?;
    let page =
        call::page_of(snapshot.channels.keys(), &call.page::<ChannelId>()?, ChannelId::as_str);
    let views: Vec<_> = page
        .items
        .into_iter()
        .filter_map(|id| {
            Some(ChannelView {
                phone_number_id: id,
                settings: &snapshot.channels.get(id)?.settings,
            })
        })
        .collect();
    call::list(&views, page.next.as_deref())
}

pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    let id: ChannelId = call.id("phone_number_id", "channel")?;
    let channel =
        call.account()?.channels.get(&id).ok_or_else(|| Problem::unknown("channel", &id))?;
    call::ok(&ChannelView { phone_number_id: &id, settings: &channel.settings })
}

pub(super) async fn delete(call: &Call) -> Result<Response<Body>, Problem> {
    let id: ChannelId = call.id("phone_number_id", "channel")?;
    channel::delete(&call.control, call.principal()?, &call.account()?.id, &id).await?;
    call::done()
}
