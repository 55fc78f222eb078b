//! Why can an answer not be read? Closed words: nothing that the upstream sent is in them.

use std::io;

use crate::ingress::FramingFault;
use crate::ingress::Malformed;

/// What is wrong with an answer of the upstream.
#[derive(Debug, thiserror::Error)]
pub enum AnswerFault {
    /// Reading or writing failed.
    #[error("the connection failed")]
    Connection(#[source] io::Error),
    /// The connection was closed before the end.
    #[error("the connection was closed before the end of the answer")]
    Closed,
    /// The head is no HTTP/1.1, or has too many fields.
    #[error("the head of the answer is malformed")]
    Head(#[from] httparse::Error),
    /// The head is larger than 64 kB.
    #[error("the head of the answer is too large")]
    HeadTooLarge,
    /// Two readers could disagree about where the body ends.
    #[error("the answer does not say clearly where it ends")]
    Framing(#[from] FramingFault),
    /// The upstream switched to a protocol that nobody asked for.
    #[error("the answer switches to another protocol")]
    Upgrade,
    /// The chunks of the body are malformed.
    #[error("the chunks of the answer are malformed")]
    Chunks,
}

impl From<Malformed> for AnswerFault {
    fn from(_: Malformed) -> Self {
        Self::Chunks
    }
}
