//! What is on its way to a client, in the order in which it is to go? Small parts are put together,
//! so that an answer that is there is one write.

use std::io;
use std::io::IoSlice;
use std::mem;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Buf;
use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::http1::workbench::Workbench;

/// A piece of a body up to so many bytes is copied behind the text: cheaper than a slice of its own.
const COPIED: usize = 4 * 1024;
/// Nothing is added behind so many bytes of text.
const ENOUGH: usize = 16 * 1024;

/// First text, then one large piece, then what ends it.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    text: Vec<u8>,
    /// So much of the text is gone.
    gone: usize,
    piece: Bytes,
    tail: Vec<u8>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.piece.is_empty() && self.tail.is_empty()
    }

    /// Whether more may be added.
    pub(super) fn has_room(&self) -> bool {
        self.piece.is_empty() && self.tail.is_empty() && self.text.len() < ENOUGH
    }

    /// Borrows a place to write in, where it has none.
    pub(super) fn borrow(&mut self, workbench: &Workbench) {
        if self.text.capacity() == 0 {
            self.text = workbench.lend();
        }
    }

    /// The text, for more of it to be written behind; only while there is room.
    pub(super) const fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Adds a piece of a body; only while there is room.
    pub(super) fn push(&mut self, piece: Bytes) {
        if piece.len() <= COPIED {
            self.text.extend_from_slice(&piece);
        } else {
            self.piece = piece;
        }
    }

    /// Adds what stands behind a piece.
    pub(super) fn push_behind(&mut self, tail: &[u8]) {
        let is_text = self.piece.is_empty() && self.tail.is_empty();
        let to = if is_text { &mut self.text } else { &mut self.tail };
        to.extend_from_slice(tail);
    }

    /// Gives back what was borrowed, when everything is gone.
    pub(super) fn give_back(&mut self, workbench: &Workbench) {
        if self.is_empty() && self.text.capacity() > 0 {
            workbench.take_back(mem::take(self).text);
        }
    }

    /// Writes some of what there is; only while it is not empty.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        let text = self.text.get(self.gone..).unwrap_or_default();
        let to = Pin::new(to);
        let written = if self.piece.is_empty() && self.tail.is_empty() {
            ready!(to.poll_write(cx, text))?
        } else {
            let all = [IoSlice::new(text), IoSlice::new(&self.piece), IoSlice::new(&self.tail)];
            ready!(to.poll_write_vectored(cx, &all))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, written: usize) {
        let text = self.text.len().saturating_sub(self.gone);
        self.gone = self.gone.saturating_add(written.min(text));
        if self.gone == self.text.len() {
            self.text.clear();
            self.gone = 0;
        }
        let behind = written.saturating_sub(text);
        let piece = behind.min(self.piece.len());
        self.piece.advance(piece);
        let tail = behind.saturating_sub(piece).min(self.tail.len());
        drop(self.tail.drain(..tail));
    }
}

#[cfg(test)]
mod tests {
    use super::COPIED;
    use super::Outbox;
    use bytes::Bytes;
    use std::io;
    use std::pin::Pin;
    use std::task::Context;
    use std::task::Poll;
    use std::task::Waker;
    use tokio::io::AsyncWrite;

    /// Takes so many bytes at a time, of the first slice that holds any.
    struct Slow(Vec<u8>, usize);

    impl AsyncWrite for Slow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.1);
            self.0.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn everything_goes_in_its_order_however_little_is_taken() {
        let mut cx = Context::from_waker(Waker::noop());
        for (length, most) in [(1, 1), (COPIED, 7), (COPIED + 1, 1), (COPIED + 1, 5000)] {
            let (mut outbox, mut to) = (Outbox::default(), Slow(Vec::new(), most));
            outbox.text().extend_from_slice(b"head ");
            outbox.push(Bytes::from(vec![b'x'; length]));
            outbox.push_behind(b" ta");
            outbox.push_behind(b"il");
            while !outbox.is_empty() {
                assert!(outbox.poll_write(&mut cx, &mut to).is_ready());
            }
            assert_eq!(to.0, [&b"head "[..], &vec![b'x'; length], b" tail"].concat());
            assert!(outbox.has_room());
        }
    }
}
