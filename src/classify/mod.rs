//! Who asks for what? One request head becomes one [`RequestClass`], or is refused.

use crate::policy::endpoint::Endpoint;
use crate::sid::AccountKey;
use crate::sid::ServiceKey;

/// What the gateway has to know of a request to limit it. A small `Copy` value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestClass {
    /// The operation.
    pub endpoint: Endpoint,
    /// The caller.
    pub account: AccountKey,
    /// The service that the path names; none for `/v1/Services` itself.
    pub service: Option<ServiceKey>,
}
