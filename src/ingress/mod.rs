//! What may come in? Messages with one reading, in good time.

mod framing;

pub use framing::Framing;
pub use framing::FramingFault;
