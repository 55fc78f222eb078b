//! What becomes of an answer's frames? Their data is rewritten, and what was held back comes before
//! what follows it.

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use crate::links::Rewriter;
use crate::links::answer::take_out_of_bytes;
use crate::policy::public_url::PublicUrl;

/// The body of one answer whose links are rewritten.
#[derive(Debug)]
pub struct Relinking {
    rewriter: Rewriter,
    data: Bytes,
    trailers: Option<HeaderMap>,
    has_ended: bool,
}

impl Relinking {
    pub(super) const fn new(url: Arc<PublicUrl>) -> Self {
        Self {
            rewriter: Rewriter::new(url),
            data: Bytes::new(),
            trailers: None,
            has_ended: false,
        }
    }

    /// What there is to hand over; pending: the upstream has to be asked for more.
    pub fn hand_over(&mut self) -> Poll<Option<Frame<Bytes>>> {
        if !self.data.is_empty() {
            return Poll::Ready(Some(Frame::data(std::mem::take(&mut self.data))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Frame::trailers(trailers)));
        }
        if self.has_ended { Poll::Ready(None) } else { Poll::Pending }
    }

    /// The upstream's next frame, or its end; only when there is nothing to hand over.
    pub fn take(&mut self, frame: Option<Frame<Bytes>>) {
        match frame.map(Frame::into_data) {
            Some(Ok(data)) => self.data = self.rewriter.pass(data),
            Some(Err(other)) => {
                self.data = self.rewriter.end();
                let trailers = other.into_trailers().ok();
                self.trailers = trailers.map(|mut trailers| {
                    take_out_of_bytes(&mut trailers);
                    trailers
                });
            }
            None => {
                self.data = self.rewriter.end();
                self.has_ended = true;
            }
        }
    }

    /// Whether everything that was taken has been handed over.
    pub fn is_idle(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none() && self.rewriter.is_idle()
    }
}

#[cfg(test)]
mod tests {
    use super::Relinking;
    use crate::links::tests::url;
    use bytes::Bytes;
    use http::HeaderMap;
    use http::HeaderValue;
    use http_body::Frame;
    use std::sync::Arc;
    use std::task::Poll;

    fn data(text: &'static str) -> Frame<Bytes> {
        Frame::data(Bytes::from_static(text.as_bytes()))
    }

    fn next(links: &mut Relinking) -> Option<String> {
        match links.hand_over() {
            Poll::Ready(Some(frame)) => {
                let data = frame.into_data().map(|data| data.to_vec());
                Some(String::from_utf8(data.unwrap_or_else(|_| b"trailers".to_vec())).unwrap())
            }
            Poll::Ready(None) => Some("end".to_owned()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_piece_that_is_held_back_as_a_whole_is_no_piece() {
        let mut links = Relinking::new(Arc::new(url()));
        links.take(Some(data("{\"url\":\"")));
        assert_eq!(next(&mut links).unwrap(), "{\"url\":\"");
        links.take(Some(data("http://")));
        assert_eq!(next(&mut links), None, "more is wanted first");
        assert!(!links.is_idle());
        links.take(Some(data("up:1/\"}")));
        assert_eq!(next(&mut links).unwrap(), "https://public/\"}");
        assert!(links.is_idle());
    }

    #[test]
    fn what_was_held_back_comes_before_the_end_and_before_trailers() {
        let mut links = Relinking::new(Arc::new(url()));
        links.take(Some(data("{\"url\":\"http://u")));
        assert_eq!(next(&mut links).unwrap(), "{\"url\":\"");
        let mut trailers = HeaderMap::new();
        trailers.insert("content-digest", HeaderValue::from_static("x"));
        trailers.insert("x-other", HeaderValue::from_static("y"));
        links.take(Some(Frame::trailers(trailers)));
        assert_eq!(next(&mut links).unwrap(), "http://u");
        let Poll::Ready(Some(trailers)) = links.hand_over() else { panic!("no trailers") };
        let trailers = trailers.into_trailers().unwrap();
        assert!(trailers.len() == 1 && trailers.contains_key("x-other"), "{trailers:?}");
        links.take(None);
        assert_eq!(next(&mut links).unwrap(), "end");
    }
}
