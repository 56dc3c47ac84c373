//! The body of an answer: as the site sends it, or changed on its way.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame, Incoming};

use crate::page::Page;

/// The body of any answer.
pub(crate) type Answer = UnsyncBoxBody<Bytes, hyper::Error>;

/// What the site sends, as it is.
pub(crate) fn as_it_is(body: Incoming) -> Answer {
    body.boxed_unsync()
}

/// A text of our own.
pub(crate) fn text(text: &'static str) -> Answer {
    Full::from(text).map_err(|never| match never {}).boxed_unsync()
}

/// A page, changed on its way.
pub(crate) fn changed(body: Incoming, page: Page) -> Answer {
    Changed { body, page: Some(page), error: None }.boxed_unsync()
}

struct Changed {
    body: Incoming,
    /// None once it has ended.
    page: Option<Page>,
    /// Why the site's page breaks off; told after what came of it.
    error: Option<hyper::Error>,
}

impl Body for Changed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        while self.page.is_some() {
            let passed_on = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match (frame.into_data(), self.page.as_mut()) {
                    (Ok(chunk), Some(page)) => page.take(&chunk),
                    // Trailers are for the next hop alone, unless it asks for them.
                    _ => continue,
                },
                ended => {
                    self.error = ended.and_then(Result::err);
                    self.page.take().map(Page::end).unwrap_or_default()
                }
            };
            if !passed_on.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(passed_on.into()))));
            }
        }
        Poll::Ready(self.error.take().map(Err))
    }
}
