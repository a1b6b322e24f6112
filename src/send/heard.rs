//! A reply's body that notices when the connection takes it: until then the client may leave.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Version;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

use super::hangup::HangupGuard;

/// A whole body. With a guard it is that of a send: a connection that takes none of it, because
/// its client is gone or another stream has used up its window, drops it, and the guard learns so.
pub struct Heard {
    content: Full<Bytes>,
    guard: Option<HangupGuard>,
    multiplexed: bool,
}

impl Heard {
    /// The body of the reply to a send that came by `version`; one without content has nothing that
    /// could be taken later.
    pub fn new(content: Full<Bytes>, guard: HangupGuard, version: Version) -> Heard {
        if content.is_end_stream() {
            guard.replied();
            return Heard::from(content);
        }
        Heard { content, guard: Some(guard), multiplexed: version == Version::HTTP_2 }
    }
}

impl From<Full<Bytes>> for Heard {
    fn from(content: Full<Bytes>) -> Heard {
        Heard { content, guard: None, multiplexed: false }
    }
}

impl Body for Heard {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = ready!(Pin::new(&mut self.content).poll_frame(cx));
        // HTTP/1 writes what it asks for, and asks for no end behind the length. HTTP/2 asks first,
        // waits for room in the window then, and asks for the end once the content is on its way.
        if (!self.multiplexed || frame.is_none())
            && let Some(guard) = self.guard.take()
        {
            guard.replied();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream() && !(self.multiplexed && self.guard.is_some())
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}
