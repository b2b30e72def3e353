//! How often a request waits for the store, counted on the way there.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use tuckbox::Db;
use tuckbox_test_redis::RedisServer;

use crate::{browser::Browser, harness::start};

/// Stands between client and server, and counts how often the server was asked something after it
/// had answered.
#[derive(Default)]
struct Counter {
    trips: AtomicUsize,
    asked: AtomicBool,
}

impl Counter {
    /// Starts it before the server at `port`; the port at which it is reached instead.
    fn before(port: u16) -> (Arc<Self>, u16) {
        let counter = Arc::<Self>::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own_port = listener.local_addr().unwrap().port();
        let theirs = Arc::clone(&counter);
        thread::spawn(move || {
            // Ends with the test's process.
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let ends = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let counter = Arc::clone(&theirs);
                thread::spawn(move || {
                    pass(client, server, || {
                        if !counter.asked.swap(true, Ordering::SeqCst) {
                            counter.trips.fetch_add(1, Ordering::SeqCst);
                        }
                    });
                });
                let counter = Arc::clone(&theirs);
                thread::spawn(move || {
                    pass(ends.1, ends.0, || counter.asked.store(false, Ordering::SeqCst));
                });
            }
        });
        (counter, own_port)
    }

    /// Since the last time.
    fn take(&self) -> usize {
        self.trips.swap(0, Ordering::SeqCst)
    }
}

/// Hands on what comes, and says so before each part of it.
fn pass(mut from: TcpStream, mut to: TcpStream, says: impl Fn()) {
    to.set_nodelay(true).unwrap();
    let mut part = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut part) {
        says();
        if to.write_all(&part[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[tokio::test]
async fn no_request_waits_for_the_store_more_than_twice() {
    let Some(server) = RedisServer::start() else { return };
    let (counter, port) = Counter::before(server.port);
    let db = Db::open(&format!("redis://127.0.0.1:{port}")).await.unwrap();
    let mut browser = Browser::new(start(db).await);
    // The connection is made, and the server gets to know the scripts.
    browser.log_in("warm").await;
    browser.list().await;
    browser.post("/logout", "").await;
    counter.take();

    browser.get("/").await;
    assert_eq!(counter.take(), 0, "the page, logged out");
    browser.log_in("ada").await;
    assert_eq!(counter.take(), 1, "a login");
    browser.list().await;
    assert_eq!(counter.take(), 2, "a list");
    browser.mark("123").await;
    assert_eq!(counter.take(), 2, "a mark");
    browser.get("/").await;
    assert_eq!(counter.take(), 2, "the page");
    browser.log_in("grace").await;
    assert_eq!(counter.take(), 1, "a login over another");
    browser.post("/logout", "").await;
    assert_eq!(counter.take(), 1, "a logout");
}
