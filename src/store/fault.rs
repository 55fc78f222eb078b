//! Why is there no answer? A closed list: what a server or a library says is not passed on.

use redis::RedisError;

/// Why the store did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing came in time.
    #[error("no answer in time")]
    Late,
    /// There is no connection, and none can be made.
    #[error("it cannot be reached")]
    Unreachable,
    /// The TLS handshake failed.
    #[error("its certificate is not accepted, or it speaks no TLS")]
    Tls,
    /// It does not accept the credentials, or they may not call what is needed.
    #[error("it does not accept the credentials, or they may not do what is needed")]
    Forbidden,
    /// The file with the password cannot be read.
    #[error("the file with the credentials cannot be read")]
    NoPassword,
    /// It is a replica, is loading its data, has lost its quorum, or belongs to another node.
    #[error("it is not, or not yet, the primary of this data")]
    NotPrimary,
    /// No server was found that could be it.
    #[error("nobody knows the primary")]
    NotFound,
    /// It answers what the library does not.
    #[error("its answer makes no sense")]
    Nonsense,
    /// It refuses for another reason.
    #[error("it refuses")]
    Refused,
}

impl Fault {
    /// Whether the function that was called is not there.
    pub(super) fn is_no_function(error: &RedisError) -> bool {
        // It has no code of its own, as NOSCRIPT has (Redis 7 and 8, Valkey 7 and 8).
        error.code() == Some("NOSCRIPT")
            || error.detail().is_some_and(|detail| detail.contains("unction not found"))
            || error.to_string().contains("unction not found")
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        const NOT_PRIMARY: [&str; 11] = [
            "READONLY",
            "LOADING",
            "MASTERDOWN",
            "NOREPLICAS",
            "CLUSTERDOWN",
            "MOVED",
            "ASK",
            "TRYAGAIN",
            "CROSSSLOT",
            "BUSY",
            "UNBLOCKED",
        ];
        match error.code() {
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => Self::Forbidden,
            Some(code) if NOT_PRIMARY.contains(&code) => Self::NotPrimary,
            _ if error.is_timeout() => Self::Late,
            _ if error.is_io_error() || error.is_connection_dropped() => Self::Unreachable,
            _ => Self::Refused,
        }
    }
}
