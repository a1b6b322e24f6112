//! The data listener's service: finds the handler of a request and calls it.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;

use crate::http::request_id::RequestId;
use crate::http::route::{Route, route};
use crate::rejection::RejectionKind;
use crate::send::StreamedReply;
use crate::send::message::Endpoint;
use crate::send::pass_through::Asked;
use crate::send::rejected::Rejected;
use crate::send::{self, SendRoute, SendService};

/// Handles one request.
pub(super) async fn dispatch(
    service: Arc<SendService>,
    request: Request<Incoming>,
) -> Result<StreamedReply, Infallible> {
    let uri = request.uri().clone();
    Ok(match route(request.method(), uri.path()) {
        Route::Send { campaign, channel_id: number, marketing, path } => {
            let route = SendRoute {
                campaign: campaign.map(str::to_owned),
                channel_id: number.to_owned(),
                endpoint: if marketing { Endpoint::MarketingMessages } else { Endpoint::Messages },
                path: path.into_owned(),
            };
            send::handle(&service, route, request).await.map(Either::Left)
        }
        Route::Graph { campaign, kind, id, path } => {
            let asked = Asked { campaign, kind, id, path: &path };
            Box::pin(send::pass_through::handle(&service, asked, request)).await
        }
        Route::Media { segment } => Box::pin(send::media::handle(&service, segment, request)).await,
        Route::Alive => {
            Response::new(Either::Left(Full::new(Bytes::from_static(b"alive\n")).into()))
        }
        Route::NotAllowed { slash } => {
            service.services.metrics.rejection(RejectionKind::PathNotAllowed);
            let request_id = RequestId::of(request.headers(), service.services.clock.now_ms());
            let details = if slash {
                "the path has a slash too many, where it could stand for a missing part; messages \
                 go to POST /{version}/{phone-number-id}/messages"
            } else {
                "messages go to POST /{version}/{phone-number-id}/messages or \
                 /marketing_messages; other paths are passed on only where they are listed"
            };
            let rejected = Rejected::new(RejectionKind::PathNotAllowed, details);
            send::reply::rejection(&rejected, None, &request_id)
                .map(|body| Either::Left(body.into()))
        }
    })
}
