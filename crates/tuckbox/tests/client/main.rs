//! The client against real servers, and against fake ones for what a real one
//! does too rarely. Without redis-server installed, what needs one is skipped,
//! unless `TUCKBOX_REQUIRE_REDIS=1` is set.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod every_transport;
#[cfg(feature = "redis-cluster")]
mod redis_cluster;
#[cfg(feature = "redis-cluster")]
mod redis_cluster_fake;
#[cfg(feature = "redis")]
mod redis_faults;
#[cfg(feature = "redis")]
mod redis_freeze;
#[cfg(feature = "redis")]
mod redis_login;
#[cfg(feature = "redis-cluster")]
mod redis_sentinel;
#[cfg(feature = "redis")]
mod redis_source;
#[cfg(feature = "redis-tls")]
mod redis_tls;
#[cfg(feature = "redis")]
mod scripts;
#[cfg(feature = "redis")]
mod support;
