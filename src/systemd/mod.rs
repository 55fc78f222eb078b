//! What does the service manager give and want? Sockets that it has opened, and word of how the
//! service is: the protocols of systemd, which others speak too.
//!
//! **Invariant:** the only reader of the variables that belong to them. Without a manager nothing
//! is read and nothing is said.

mod notify;
mod sockets;

pub use notify::ServiceManager;
pub use sockets::Sockets;
