//! What may come in? Messages with one reading, in good time.
//!
//! **Invariant:** the server's parser sees only heads that are beyond doubt, whole ones, one behind
//! the other; so what it settles on is what anybody would.

mod chunks;
mod conversation;
mod fault;
mod framing;
mod head;
mod http2;
mod patience;
mod stream;
#[cfg(test)]
mod tests;
mod walk;

pub use conversation::Conversation;
pub use conversation::Turn;
pub use fault::HeadFault;
pub use framing::Framing;
pub use framing::FramingFault;
pub use head::MAX_FIELDS;
pub use head::MAX_HEAD;
pub use http2::as_http1;
pub use http2::without_connection_fields;
pub use stream::ClientStream;
pub use stream::Protocol;
