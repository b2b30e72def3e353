//! Store commands per request, counted by the store.

use tuckbox::{Db, cmd};

use crate::{
    browser::Browser,
    harness::start,
    stores::{RedisServer, text},
};

struct Meter(Db);

impl Meter {
    /// Asserts which commands the server has executed since the last time, by
    /// name and in the order of their names.
    #[track_caller]
    fn check(&self, expected: &[&str]) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let executed = self.read().await;
            assert_eq!(executed, expected, "at {place}");
        }
    }

    async fn read(&self) -> Vec<String> {
        let info = text(self.0.call(cmd!("INFO", "commandstats")).await.unwrap());
        self.0.call(cmd!("CONFIG", "RESETSTAT")).await.unwrap();
        let mut executed = Vec::new();
        for line in info.lines() {
            let Some((name, figures)) =
                line.strip_prefix("cmdstat_").and_then(|line| line.split_once(":calls="))
            else {
                continue;
            };
            let calls: usize = figures.split(',').next().unwrap().parse().unwrap();
            // The meter's own.
            if !["config|resetstat", "info"].contains(&name) {
                executed.extend(std::iter::repeat_n(name.to_owned(), calls));
            }
        }
        executed.sort();
        executed
    }
}

#[tokio::test]
async fn requests_cost_what_is_promised() {
    let Some(server) = RedisServer::start() else { return };
    let app = server.db().await;
    app.call(cmd!("PING")).await.unwrap();
    let meter = Meter(server.db().await);
    let mut browser = Browser::new(start(app).await);
    meter.read().await;

    browser.get("/").await;
    browser.assert_logged_out().await;
    browser.mark("123").await;
    meter.check(&[]).await;

    browser.log_in("ada").await;
    meter.check(&["hset", "pexpire"]).await;
    browser.list().await;
    meter.check(&["hgetall", "hgetall"]).await;
    browser.mark("123").await;
    meter.check(&["hgetall", "hset"]).await;
    browser.mark("a%2Fb").await;
    meter.check(&["hgetall"]).await;
    browser.get("/").await;
    meter.check(&["hgetall", "hgetall"]).await;
    browser.post("/page/mark-complete", "lessonSlug=124").await;
    meter.check(&["hgetall", "hset"]).await;

    browser.log_in("grace").await;
    meter.check(&["del", "hgetall", "hset", "pexpire"]).await;
    browser.post("/logout", "").await;
    meter.check(&["del"]).await;
}
