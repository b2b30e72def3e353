//! Real and fake servers for the tests.
pub(crate) mod fake;
pub(crate) mod vault;

use std::time::Duration;

use tuckbox::{Db, Options};

pub(crate) async fn open(url: &str, options: Options) -> Db {
    Db::open_with(url, options).await.unwrap()
}

/// Where no server listens, now and later: a free port may be another test's
/// in a moment.
#[cfg(feature = "redis-cluster")]
pub(crate) const NOBODY: &str = "127.0.0.1:1";

/// For what must not depend on how busy the machine is.
pub(crate) fn patient() -> Options {
    let long = Duration::from_secs(30);
    Options { deadline: long, connect_timeout: long, ..Options::default() }
}
