//! What every test of the whole gateway needs: an upstream that records, a gateway on a free
//! port with a clock that is turned by hand, and a client.

pub(crate) mod client;
pub(crate) mod gateway;
pub(crate) mod tls;
pub(crate) mod upstream;

pub(crate) use client::Reply;
pub(crate) use client::Request;
pub(crate) use gateway::Gateway;
pub(crate) use upstream::Upstream;

/// An account, and the value of `Authorization` for it.
pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// A service.
pub(crate) const SERVICE: &str = "KS0000000000000000000000000000000a";
/// Another service.
pub(crate) const OTHER_SERVICE: &str = "KS0000000000000000000000000000000b";
/// `/v1/Services/{SERVICE}` and what comes behind it.
pub(crate) fn service_path(rest: &str) -> String {
    format!("/v1/Services/{SERVICE}{rest}")
}
