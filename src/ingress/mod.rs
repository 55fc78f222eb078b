//! What may come in? Messages with one reading.
//!
//! **Invariant:** what has two readings is refused, never repaired; so what is handed on is what
//! anybody would have read. No byte is read here, and no clock: both is done in `http1`.

mod alias;
mod chunks;
mod fault;
mod framing;
mod head;
mod http2;

pub(crate) use chunks::Chunks;
pub(crate) use chunks::Malformed;
pub(crate) use chunks::Piece;
pub use fault::HeadFault;
pub use framing::Framing;
pub use framing::FramingFault;
pub use head::Head;
pub(crate) use head::MAX_HEAD;
pub use http2::as_http1;
pub use http2::without_connection_fields;
