//! Requests that use one session at the same time.

use std::{collections::HashSet, sync::Arc};

use actix_web::{App, web};
use tokio::{sync::Semaphore, task::JoinSet};
use tuckbox::Db;
use tuckbox_sessions_actix::{Session, SessionError};

use crate::{
    app::{Server, plain, routes, sessions},
    browser::{Browser, Visit},
    redis_server::{keys, on_every_store},
};

#[tokio::test]
async fn each_of_many_counts_at_the_same_time_is_counted() {
    on_every_store(async |db: Db| {
        let sessions = sessions(&db, plain());
        // Workers are threads: two, to count on both at once.
        let app = move || App::new().wrap(sessions.clone()).configure(routes);
        let server = Server::run(2, app);
        let mut browser = Browser::logged_in(&server, "ada").await;
        let mut requests = JoinSet::new();
        for _ in 0..32 {
            let mut browser = browser.clone();
            requests.spawn(async move { browser.body("/count/n").await.parse::<u32>().unwrap() });
        }
        let counts: HashSet<u32> = requests.join_all().await.into_iter().collect();
        assert_eq!(counts, (1..=32).collect());
        assert_eq!(browser.body("/count/n").await, "33");
    })
    .await;
}

/// A server with `/slow`, which reads the session, waits to be let on and then
/// sets a value.
struct Slow {
    server: Server,
    at_work: Arc<Semaphore>,
    go_on: Arc<Semaphore>,
}

impl Slow {
    fn start(db: &Db) -> Self {
        let (at_work, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let gates = (at_work.clone(), go_on.clone());
        let server = Server::start(sessions(db, plain()), move |config| {
            let (at_work, go_on) = gates.clone();
            let handler = move |session: Session| {
                let (at_work, go_on) = (at_work.clone(), go_on.clone());
                async move {
                    session.user().await?;
                    at_work.add_permits(1);
                    go_on.acquire().await.unwrap().forget();
                    session.insert("slow", "1").await?;
                    Ok::<_, SessionError>("saved, said the handler")
                }
            };
            config.route("/slow", web::to(handler));
        });
        Self { server, at_work, go_on }
    }

    /// Runs the slow request around `others`.
    async fn around(&self, browser: &Browser, others: impl Future) -> Visit {
        let mut slow = browser.clone();
        let meanwhile = async {
            self.at_work.acquire().await.unwrap().forget();
            others.await;
            self.go_on.add_permits(1);
        };
        tokio::join!(slow.visit("/slow"), meanwhile).0
    }
}

#[tokio::test]
async fn writes_of_different_keys_both_survive() {
    on_every_store(async |db: Db| {
        let slow = Slow::start(&db);
        let mut browser = Browser::logged_in(&slow.server, "ada").await;
        let mut other = browser.clone();
        let visit = slow.around(&browser, other.visit("/set/fast/2")).await;
        assert_eq!((visit.status, &*visit.body), (200, "saved, said the handler"));
        assert_eq!(browser.body("/get/fast").await, "2");
        assert_eq!(browser.body("/get/slow").await, "1");
    })
    .await;
}

#[tokio::test]
async fn a_logout_is_not_undone_by_a_write_in_flight() {
    on_every_store(async |db: Db| {
        let slow = Slow::start(&db);
        let mut browser = Browser::logged_in(&slow.server, "ada").await;
        let mut other = browser.clone();
        let visit = slow.around(&browser, other.visit("/logout")).await;
        assert_eq!((visit.status, &*visit.body), (409, ""));
        assert_eq!((visit.set_cookie(), visit.headers("retry-after").len()), (None, 0));
        assert_eq!(browser.body("/user").await, "nobody");
        assert!(keys(&db).await.is_empty());
    })
    .await;
}
