//! The data listener's service: finds the way a request asks for and follows it.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;

use crate::http::request_id::RequestId;
use crate::http::route::{Route, route};
use crate::send::message::Endpoint;
use crate::send::pass_through::StreamedReply;
use crate::send::rejection::Rejected;
use crate::send::{self, SendRoute, SendWay};

/// Answers one request.
pub(super) async fn answer(
    way: Arc<SendWay>,
    request: Request<Incoming>,
) -> Result<StreamedReply, Infallible> {
    let whole = request.uri().path().to_owned();
    Ok(match route(request.method(), &whole) {
        Route::Send { campaign, channel_id: number, marketing, path } => {
            let route = SendRoute {
                campaign: campaign.map(str::to_owned),
                number: number.to_owned(),
                endpoint: if marketing { Endpoint::MarketingMessages } else { Endpoint::Messages },
                path: path.to_owned(),
            };
            send::handle(&way, route, request).await.map(Either::Left)
        }
        Route::Graph { kind, id, path } => {
            send::pass_through::handle(&way, kind, id, path, request).await
        }
        Route::Alive => Response::new(Either::Left(Full::new(Bytes::from_static(b"alive\n")))),
        Route::NotAllowed => {
            way.services.metrics.rejection("path_not_allowed");
            let request_id = RequestId::of(request.headers(), way.services.clock.now_ms());
            let details = "messages go to POST /{version}/{phone-number-id}/messages or /marketing_messages; other paths are passed on only where they are listed";
            send::reply::rejection(&Rejected::new("path_not_allowed", details), None, &request_id)
                .map(Either::Left)
        }
    })
}
