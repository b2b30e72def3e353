//! What is traced, at every level and by every crate, shows no secret.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the other tests use more of what they share")]

#[path = "../sessions/app.rs"]
mod app;
#[path = "../sessions/redis_server.rs"]
mod redis_server;

use std::{
    fmt::{Debug, Write as _},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tuckbox::{Db, Options, cmd};
use tuckbox_sessions::{Clock, Cookies, KeyRing};

use crate::{
    app::{Browser, app, plain},
    redis_server::{RedisServer, keys},
};

/// Keeps everything that is traced.
struct All(&'static Mutex<String>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl All {
    fn line(&self, metadata: &Metadata<'_>, fields: impl FnOnce(&mut Fields<'_>)) {
        let mut text = self.0.lock().unwrap();
        let _ = write!(text, "\n{} {}:", metadata.target(), metadata.name());
        fields(&mut Fields(&mut text));
    }
}

impl Subscriber for All {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        self.line(span.metadata(), |fields| span.record(fields));
        Id::from_u64(NEXT.fetch_add(1, Relaxed))
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.line(event.metadata(), |fields| event.record(fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

const PASSWORD: &str = "the-stores-password";
const VALUE: &str = "a-value-of-a-session";
const KEY: [u8; 32] = *b"the-secret-of-a-ring-of-32-bytes";

#[tokio::test]
async fn nothing_traced_shows_an_id_a_password_a_key_or_a_value() {
    static TRACED: Mutex<String> = Mutex::new(String::new());
    tracing::subscriber::set_global_default(All(&TRACED)).unwrap();
    let Some(mut server) = RedisServer::start() else { return };
    let open = Db::open(&server.url()).await.unwrap();
    open.call(cmd!("CONFIG", "SET", "requirepass", PASSWORD)).await.unwrap();
    let url = server.url().replace("redis://", &format!("redis://:{PASSWORD}@"));
    let options = Options { deadline: Duration::from_millis(500), ..Options::default() };
    let db = Db::open_with(&url, options.clone()).await.unwrap();
    let wrong = server.url().replace("redis://", &format!("redis://:not-{PASSWORD}@"));

    let mut secrets = vec![PASSWORD.to_owned(), VALUE.to_owned()];
    secrets.push(String::from_utf8(KEY.to_vec()).unwrap());
    let ring = KeyRing::single(KEY).unwrap();
    let sealed = plain().seal(ring.clone()).cookies(Cookies::plain().signed(ring));
    for config in [plain(), sealed] {
        let clock = Clock::fixed(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let config = config.clock(clock.clone()).renew_every(Some(Duration::from_secs(60)));
        let app = app(&db, config);
        let mut browser = Browser::logged_in(app.clone(), "ada").await;
        let first = browser.clone();
        let value = format!("/set/v/{VALUE}");
        for path in [&*value, "/count/n", "/count/v", "/get/v", "/append/l/x", "/swap/v/a/b"] {
            browser.visit(path).await;
        }
        clock.advance(Duration::from_secs(60));
        browser.visit("/user").await;
        let renewed = browser.clone();
        clock.advance(Duration::from_secs(60));
        // A value that is no JSON, and the alarm.
        for key in keys(&db).await {
            db.call(cmd!("HSET", &key, "d:v", format!("{VALUE}{{"))).await.unwrap();
        }
        browser.visit("/get/v").await;
        clock.advance(Duration::from_secs(30));
        first.clone().visit("/user").await;
        renewed.clone().visit("/logout").await;
        for known in [first, renewed, browser] {
            let id = known.id();
            secrets.extend([id[..20].to_owned(), id[20..52].to_owned()]);
        }
    }
    // A store that wants another password, and one that is away.
    if let Ok(db) = Db::open_with(&wrong, options).await {
        Browser::new(app(&db, plain())).visit(&format!("/set/v/{VALUE}")).await;
    }
    server.kill();
    let mut late = Browser::new(app(&db, plain()));
    late.cookie = Some(format!("session={}", "A".repeat(52)));
    secrets.push("A".repeat(20));
    for _ in 0..7 {
        late.visit(&format!("/set/v/{VALUE}")).await;
    }

    let traced = TRACED.lock().unwrap();
    for told in ["session renewed", "was used again", "was put aside", "was not saved"] {
        assert!(traced.contains(told), "{told} is not in {traced}");
    }
    for secret in secrets {
        assert!(!traced.contains(&secret), "{secret} is in {traced}");
    }
}
