//! Where do the links in an answer lead? To the gateway's public URL instead of the upstream, so
//! that whoever follows them (the official SDKs follow `meta.next_page_url` as it stands) comes
//! back through the gateway.
//!
//! Rewritten are, where they begin with an address of the upstream: `url` of the object at the top
//! and of the objects in its lists, all that is in their `links`, and in `meta` of the object at
//! the top `url` and what ends in `_page_url`. Nothing else of a text is touched.
//!
//! **Invariant:** nothing is delayed but what may yet become an address of the upstream, and
//! nothing is lost: what is no JSON, from where it is none, passes byte for byte.

mod answer;
mod candidates;
mod json;
mod relinking;
mod rewriter;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use answer::Untouched;
pub use answer::begin;
pub use relinking::Relinking;
pub use rewriter::Rewriter;

use crate::policy::endpoint::Endpoint;
use crate::policy::public_url::PublicUrl;
use crate::policy::upstream::Upstream;

/// What links in the answers of this endpoint are rewritten to; none where they stay as they
/// are: no public URL is set, or it is no operation of the API.
pub fn public_url(upstream: &Upstream, endpoint: Endpoint) -> Option<&Arc<PublicUrl>> {
    endpoint.operation().and(upstream.public_url.as_ref())
}
