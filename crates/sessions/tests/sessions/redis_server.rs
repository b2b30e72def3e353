//! A Redis server of a test's own, and the stores that tests run on.

use tuckbox::{Db, Reply, cmd};
use tuckbox_test_redis::Monitor;
pub(crate) use tuckbox_test_redis::RedisServer;

/// Runs a test on every store that there is.
pub(crate) async fn on_every_store(test: impl AsyncFn(Db)) {
    test(Db::open("memory:").await.unwrap()).await;
    if let Some(server) = RedisServer::start() {
        test(Db::open(&server.url()).await.unwrap()).await;
    }
}

/// All keys in the store.
pub(crate) async fn all_keys(db: &Db) -> Vec<String> {
    let keys = db.call(cmd!("KEYS", "*")).await.unwrap().into_array().unwrap();
    keys.into_iter().map(text).collect()
}

/// The keys of all sessions in the store: neither indexes nor marks of ended
/// sessions.
pub(crate) async fn keys(db: &Db) -> Vec<String> {
    let mut sessions = Vec::new();
    for key in all_keys(db).await {
        match db.call(cmd!("HEXISTS", &key, "token")).await {
            Ok(Reply::Integer(0)) | Err(_) => {}
            Ok(_) => sessions.push(key),
        }
    }
    sessions
}

/// The one session in the store: its key and its fields.
pub(crate) async fn the_session(db: &Db) -> (String, Vec<(String, String)>) {
    let mut keys = keys(db).await;
    assert_eq!(keys.len(), 1, "{keys:?}");
    let key = keys.remove(0);
    let pairs = db.call(cmd!("HGETALL", &key)).await.unwrap().into_pairs().unwrap();
    let mut fields: Vec<_> =
        pairs.into_iter().map(|(field, value)| (text(field), text(value))).collect();
    fields.sort();
    (key, fields)
}

/// The fields of the one session in the store that are not the layer's own, and
/// `user` if somebody is logged in, in order.
pub(crate) async fn its_fields(db: &Db) -> Vec<String> {
    const OWN: [&str; 7] = ["auth", "created", "prev", "reads", "renewed", "seen", "token"];
    let fields = the_session(db).await.1.into_iter().map(|(field, _)| field);
    fields.filter(|field| !OWN.contains(&&**field)).collect()
}

/// Milliseconds until the key expires.
pub(crate) async fn expires_in(db: &Db, key: &str) -> i64 {
    db.call(cmd!("PTTL", key)).await.unwrap().into_integer().unwrap()
}

fn text(reply: Reply) -> String {
    String::from_utf8_lossy(&reply.into_bytes().unwrap().unwrap()).into_owned()
}

/// Sees what a Redis server is asked to do.
pub(crate) struct Meter(Monitor);

impl Meter {
    pub(crate) fn on(server: &RedisServer) -> Self {
        Self(server.monitor())
    }

    /// The commands that clients send to the server during `work`, by name, in
    /// the order of their names. What scripts do there is not among them.
    pub(crate) async fn commands<T>(&mut self, work: impl Future<Output = T>) -> (Vec<String>, T) {
        let _ = self.0.sent();
        let result = work.await;
        let mut commands = self.0.sent();
        commands.sort();
        (commands, result)
    }
}
