//! A passed-through request as it goes to an upstream, and its answer, read whole.

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::Empty;
use hyper::body::Body;

use super::json_answer::Answer;
use super::rejected::Rejected;
use super::service::SendService;
use super::streamed::stream;
use crate::http::body::BodyRoom;
use crate::ids::ChannelId;
use crate::upstream::body::BoxError;
use crate::upstream::pass_through::Passing;
use crate::upstream::streaming::PassThrough;
use crate::upstream::target::Target;

/// Bytes of the longest answer that is read: a page of a thousand templates.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// A request that goes to any upstream.
pub struct Question<'a> {
    /// What it is carried by.
    pub service: &'a SendService,
    /// The client's method.
    pub method: &'a Method,
    /// The path at Meta.
    pub path: &'a str,
    /// The query without the client's key; empty if there is none.
    pub query: &'a str,
    /// The client's headers.
    pub headers: &'a HeaderMap,
}

/// An answer, and by which channel it came.
pub struct Found {
    /// The channel.
    pub channel: ChannelId,
    /// Its upstream and token.
    pub target: Target,
    /// What upstream answered.
    pub answer: Answer,
}

impl Question<'_> {
    /// Asks with a body.
    ///
    /// # Errors
    /// Nothing was sent, nothing came back, or what came cannot be read.
    pub async fn carry<B>(
        &self,
        target: &Target,
        passing: Passing,
        body: B,
        room: &mut BodyRoom<'_>,
    ) -> Result<Answer, Rejected>
    where
        B: Body<Data = Bytes> + Send + Sync + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let Question { path, query, .. } = self;
        let whole = format!("{path}?{query}");
        let request = PassThrough {
            base: &target.base,
            token: &target.token,
            method: self.method.clone(),
            path_and_query: if query.is_empty() { path } else { &whole },
            headers: self.headers,
            passing,
        };
        Answer::read(stream(self.service, request, body).await?, MAX_ANSWER, room).await
    }

    /// Asks without one.
    ///
    /// # Errors
    /// As [`Question::carry`].
    pub async fn ask(&self, target: &Target, room: &mut BodyRoom<'_>) -> Result<Answer, Rejected> {
        self.carry(target, Passing::Question, Empty::<Bytes>::new(), room).await
    }
}
