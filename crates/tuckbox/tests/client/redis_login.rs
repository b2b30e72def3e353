//! Logging in to Redis, and what becomes of secrets.
use crate::support::fake::FakeServer;
use tuckbox::{Db, Error, Reply, cmd};
use tuckbox_test_redis::RedisServer;

const PASSWORD: &str = "hunter2";

fn assert_reply(error: &Error, code: &str) {
    assert!(matches!(error, Error::Reply(reply) if reply.code() == code), "{error}");
    assert!(!format!("{error} {error:?}").contains(PASSWORD));
    assert!(!error.is_transient() && !error.maybe_applied());
}

#[tokio::test]
async fn the_password_of_the_url_logs_in_and_is_never_shown() {
    let Some(server) = RedisServer::start_with(&["--requirepass", PASSWORD]) else { return };
    for credentials in [":hunter2", "default:hunter2", ":hunte%722"] {
        let url = format!("redis://{credentials}@127.0.0.1:{}/3", server.port);
        let db = Db::open(&url).await.unwrap();
        assert_eq!(db.call(cmd!("SET", "key", 1)).await.unwrap(), Reply::OK);
        assert_eq!(format!("{db:?}"), format!("Db(redis://127.0.0.1:{}/3)", server.port));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_is_reached_by_the_path_of_its_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("redis.sock").display().to_string();
    let args = ["--unixsocket", &path, "--requirepass", PASSWORD];
    let Some(mut server) = RedisServer::start_with(&args) else { return };
    let db = Db::open(&format!("redis+unix://:{PASSWORD}@{path}?db=3")).await.unwrap();
    for _ in 0..2 {
        assert_eq!(db.call(cmd!("INCR", "key")).await.unwrap(), Reply::Integer(1));
        server.restart();
        // So long that the next call looks at the connection first.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(format!("{db:?}"), format!("Db(redis+unix://{path}?db=3)"));
    server.kill();
    let error = db.call(cmd!("GET", "key")).await.unwrap_err();
    assert!(error.to_string().contains(&path), "{error}");
}

#[tokio::test]
async fn a_wrong_or_missing_password_is_the_servers_error() {
    let Some(server) = RedisServer::start_with(&["--requirepass", PASSWORD]) else { return };
    let wrong = format!("redis://:not-hunter2@127.0.0.1:{}", server.port);
    let error = Db::open(&wrong).await.unwrap().call(cmd!("PING")).await.unwrap_err();
    assert_reply(&error, "WRONGPASS");
    let old = format!("{wrong}?protocol=resp2");
    let error = Db::open(&old).await.unwrap().call(cmd!("PING")).await.unwrap_err();
    assert_reply(&error, "WRONGPASS");
    let error = Db::open(&server.url()).await.unwrap().call(cmd!("PING")).await.unwrap_err();
    assert_reply(&error, "NOAUTH");
}

#[tokio::test]
async fn the_database_number_of_the_url_is_selected() {
    let Some(server) = RedisServer::start() else { return };
    let third = Db::open(&format!("{}/3", server.url())).await.unwrap();
    third.call(cmd!("SET", "key", "third")).await.unwrap();
    assert_eq!(
        Db::open(&server.url()).await.unwrap().call(cmd!("GET", "key")).await.unwrap(),
        Reply::Null
    );
    let error = Db::open(&format!("{}/99", server.url())).await.unwrap();
    assert_reply(&error.call(cmd!("PING")).await.unwrap_err(), "ERR");
}

#[tokio::test]
async fn pairs_are_read_from_a_resp2_server_too() {
    let Some(server) = RedisServer::start_with(&["--requirepass", PASSWORD]) else { return };
    let url = format!("redis://:{PASSWORD}@127.0.0.1:{}/1?protocol=resp2", server.port);
    let db = Db::open(&url).await.unwrap();
    db.call(cmd!("HSET", "hash", "field", "value")).await.unwrap();
    let reply = db.call(cmd!("HGETALL", "hash")).await.unwrap();
    assert!(matches!(reply, Reply::Array(_)), "not RESP2: {reply:?}");
    let pair = (Reply::bulk(b"field"), Reply::bulk(b"value"));
    assert_eq!(reply.into_pairs().unwrap(), [pair]);
    assert_eq!(db.call(cmd!("GET", "missing")).await.unwrap(), Reply::Null);
}

#[tokio::test]
async fn a_server_without_hello_is_spoken_to_in_resp2() {
    let server = FakeServer::start(|_, peer| {
        assert_eq!(peer.read().unwrap().name(), b"HELLO");
        assert_eq!(peer.read().unwrap().name(), b"SELECT");
        peer.write(b"-ERR unknown command 'HELLO'\r\n-NOAUTH Authentication required.\r\n");
        assert_eq!(peer.read().unwrap(), cmd!("AUTH", "ada", PASSWORD));
        assert_eq!(peer.read().unwrap(), cmd!("SELECT", 2));
        peer.write(b"+OK\r\n+OK\r\n");
        assert_eq!(peer.read().unwrap(), cmd!("GET", "key"));
        peer.write(b"$-1\r\n");
    });
    let url = format!("redis://ada:{PASSWORD}@127.0.0.1:{}/2", server.port);
    let db = Db::open(&url).await.unwrap();
    assert_eq!(db.call(cmd!("GET", "key")).await.unwrap(), Reply::Null);
}

#[tokio::test]
async fn urls_that_cannot_be_opened_say_why_without_their_secrets() {
    for url in ["ftp://:hunter2@host", "hunter2:x", "hunter2", "redis://:hunter2@host:port"] {
        let error = Db::open(url).await.unwrap_err();
        assert!(matches!(error, Error::Url(_)), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains(PASSWORD), "{error}");
    }
    #[cfg(not(feature = "redis-tls"))]
    {
        let error = Db::open("rediss://:hunter2@host").await.unwrap_err();
        assert!(error.to_string().contains("redis-tls"), "{error}");
    }
}
