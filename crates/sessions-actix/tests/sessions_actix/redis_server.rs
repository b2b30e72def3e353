//! A Redis server of a test's own, and the stores that tests run on.

use tuckbox::{Db, Reply, cmd};
pub(crate) use tuckbox_test_redis::RedisServer;

/// Runs a test on every store that there is.
pub(crate) async fn on_every_store(test: impl AsyncFn(Db)) {
    test(Db::open("memory:").await.unwrap()).await;
    if let Some(server) = RedisServer::start() {
        test(Db::open(&server.url()).await.unwrap()).await;
    }
}

/// The keys of all sessions in the store: neither indexes nor marks of ended
/// sessions.
pub(crate) async fn keys(db: &Db) -> Vec<String> {
    let keys = db.call(cmd!("KEYS", "*")).await.unwrap().into_array().unwrap();
    let mut sessions = Vec::new();
    for key in keys.into_iter().map(text) {
        match db.call(cmd!("HEXISTS", &key, "token")).await {
            Ok(Reply::Integer(0)) | Err(_) => {}
            Ok(_) => sessions.push(key),
        }
    }
    sessions
}

/// The values of the one session in the store, in order, and `user` if somebody
/// is logged in: the fields that are not the session's own.
pub(crate) async fn its_fields(db: &Db) -> Vec<String> {
    let keys = keys(db).await;
    assert_eq!(keys.len(), 1, "{keys:?}");
    let pairs = db.call(cmd!("HGETALL", &keys[0])).await.unwrap().into_pairs().unwrap();
    let mut fields: Vec<_> = pairs.into_iter().map(|(field, _)| text(field)).collect();
    fields.retain(|field| field == "user" || field.starts_with("d:"));
    fields.sort();
    fields
}

fn text(reply: Reply) -> String {
    String::from_utf8_lossy(&reply.into_bytes().unwrap().unwrap()).into_owned()
}
