//! Atomics, locks and the map of windows, or what loom knows when the models are checked.
//!
//! The configuration flag has a name of our own: under `--cfg loom` tokio leaves out
//! `tokio::net`, and hyper-util no longer compiles.

#[cfg(not(gateway_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(gateway_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};

#[cfg(not(gateway_loom))]
pub(crate) use dashmap::{DashMap, Entry};

#[cfg(gateway_loom)]
mod map;
#[cfg(gateway_loom)]
pub(crate) use map::{DashMap, Entry};
