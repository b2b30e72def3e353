//! The stores that the tests run on.

use tuckbox::{Db, Reply, cmd};

/// Runs each of the named functions on every kind of store, with an empty one.
macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(tuckbox::Db::open("memory:").await.unwrap()).await;
            })*
        }

        mod file {
            $(#[tokio::test]
            async fn $name() {
                let dir = tempfile::tempdir().unwrap();
                let url = format!("file:{}", dir.path().join("data").display());
                let db = tuckbox::Db::open(&url).await.unwrap();
                super::$name(db.clone()).await;
                db.close().await.unwrap();
            })*
        }

        mod redis {
            $(#[tokio::test]
            async fn $name() {
                if let Some(server) = tuckbox_test_redis::RedisServer::start() {
                    super::$name(tuckbox::Db::open(&server.url()).await.unwrap()).await;
                }
            })*
        }
    };
}
pub(crate) use on_every_store;

/// The text in a reply.
pub(crate) fn text(reply: Reply) -> String {
    String::from_utf8(reply.into_bytes().unwrap().unwrap().to_vec()).unwrap()
}

/// All keys of the store, in order.
pub(crate) async fn keys(db: &Db) -> Vec<String> {
    let keys = db.call(cmd!("KEYS", "*")).await.unwrap().into_array().unwrap();
    let mut keys: Vec<String> = keys.into_iter().map(text).collect();
    keys.sort();
    keys
}

/// How long the key lives; -1 for ever, -2 when there is none.
pub(crate) async fn milliseconds_left(db: &Db, key: &str) -> i64 {
    db.call(cmd!("PTTL", key)).await.unwrap().into_integer().unwrap()
}
