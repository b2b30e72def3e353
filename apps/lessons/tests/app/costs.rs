//! Store commands per request, as a Redis server gets them.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
};

use tuckbox::{Db, cmd};

use crate::{browser::Browser, harness::start, stores::RedisServer};

/// Sees what clients send to a Redis server.
struct Meter {
    db: Db,
    monitor: BufReader<TcpStream>,
}

impl Meter {
    async fn on(server: &RedisServer) -> Self {
        let mut tcp = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        tcp.write_all(b"MONITOR\r\n").unwrap();
        let mut meter = Self { db: server.db().await, monitor: BufReader::new(tcp) };
        assert_eq!(meter.line(), "+OK\r\n");
        meter
    }

    /// Asserts which commands the server got since the last time: their names
    /// and the kinds of their keys, in alphabetical order.
    #[track_caller]
    fn check(&mut self, expected: &[&str]) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move { assert_eq!(self.read().await, expected, "at {place}") }
    }

    async fn read(&mut self) -> Vec<String> {
        self.db.call(cmd!("ECHO", "until here")).await.unwrap();
        let mut sent = Vec::new();
        loop {
            let line = self.line();
            // +1700000000.123456 [0 127.0.0.1:40000] "name" "argument" …
            let words: Vec<_> = line.split('"').skip(1).step_by(2).collect();
            match words.as_slice() {
                ["ECHO", "until here", ..] => break,
                // What a connection begins with.
                ["HELLO" | "CLIENT", ..] => {}
                // What scripts do inside the server.
                _ if line.contains(" lua] ") => {}
                ["EVALSHA", _sha, "1", key, ..] => sent.push(format!("evalsha {}", kind(key))),
                [name, key, ..] => sent.push(format!("{} {}", name.to_lowercase(), kind(key))),
                _ => sent.push(line),
            }
        }
        sent.sort();
        sent
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.monitor.read_line(&mut line).unwrap(), 0, "the server hung up");
        line
    }
}

fn kind(key: &str) -> &str {
    key.split(':').next().unwrap_or(key)
}

#[tokio::test]
async fn requests_cost_what_is_promised() {
    let Some(server) = RedisServer::start() else { return };
    let mut browser = Browser::new(start(server.db().await).await);
    // The server gets to know the scripts.
    browser.log_in("warm").await;
    browser.list().await;
    browser.post("/logout", "").await;
    let mut meter = Meter::on(&server).await;

    browser.get("/").await;
    browser.assert_logged_out().await;
    browser.mark("123").await;
    browser.post("/logout", "").await;
    meter.check(&[]).await;

    browser.log_in("ada").await;
    meter.check(&["evalsha session", "evalsha sessions"]).await;
    browser.list().await;
    meter.check(&["evalsha session", "hgetall lessons"]).await;
    browser.mark("123").await;
    meter.check(&["evalsha session", "hset lessons"]).await;
    browser.mark("a%2Fb").await;
    meter.check(&["evalsha session"]).await;
    browser.get("/").await;
    meter.check(&["evalsha session", "hgetall lessons"]).await;
    browser.post("/page/mark-complete", "lessonSlug=124").await;
    meter.check(&["evalsha session", "hset lessons"]).await;

    // Over a session.
    browser.log_in("grace").await;
    meter.check(&["evalsha session", "evalsha sessions"]).await;
    let mut copy = browser.clone();
    browser.post("/logout", "").await;
    meter.check(&["evalsha session"]).await;
    copy.assert_logged_out().await;
    meter.check(&["evalsha session"]).await;
}
