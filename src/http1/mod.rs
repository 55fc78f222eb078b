//! How does one speak HTTP/1.1 with a client? Its requests come out one behind the other, and each
//! answer goes in before the next request comes out (RFC 9112).
//!
//! **Invariant:** a byte is read as part of one message only: what is left of a body that nobody
//! wanted is never looked at as a request, and nothing is behind a head that was refused. Nobody
//! waits for ever: for a head, for the next request, or for a client to take its answer.

mod answer;
mod body;
mod connection;
mod outbox;
#[cfg(test)]
mod tests;
mod wire;
mod workbench;

pub use answer::SendError;
pub use body::BodyError;
pub use body::RequestBody;
pub use connection::Connection;
pub use connection::NoRequest;
pub use connection::Protocol;
pub use workbench::Workbench;
