//! URLs that come from a source: asked when needed, and again when refused.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::support::{
    fake::{FakeServer, Peer},
    patient,
    vault::Vault,
};
use tokio::sync::Semaphore;
use tuckbox::{Db, Error, Options, Refresh, Reply, Script, cmd};
use tuckbox_test_redis::RedisServer;

const OLD: &str = "hunter2";
const NEW: &str = "hunter3";
const ONCE: [Refresh; 1] = [Refresh::Cached];
const TWICE: [Refresh; 2] = [Refresh::Cached, Refresh::Again];

/// A server whose password can be changed.
struct Guarded {
    server: RedisServer,
    /// Stays logged in.
    admin: Db,
}

impl Guarded {
    async fn start() -> Option<Self> {
        let server = RedisServer::start_with(&["--requirepass", OLD])?;
        let admin = Db::open_with(&url(server.port, OLD), patient()).await.unwrap();
        Some(Self { server, admin })
    }

    fn url(&self, password: &str) -> String {
        url(self.server.port, password)
    }

    async fn set_password(&self, password: &str) {
        self.admin.call(cmd!("CONFIG", "SET", "requirepass", password)).await.unwrap();
    }

    /// Ends all other connections.
    async fn hang_up(&self) {
        self.admin.call(cmd!("CLIENT", "KILL", "TYPE", "normal")).await.unwrap();
        // So long that the next call looks at its connection first.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    /// How many connections it has had.
    async fn connections(&self) -> u64 {
        let info = self.admin.call(cmd!("INFO", "stats")).await.unwrap().into_bytes().unwrap();
        let info = String::from_utf8_lossy(&info.unwrap()).into_owned();
        let count = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        count.unwrap().parse().unwrap()
    }
}

fn url(port: u16, password: &str) -> String {
    format!("redis://:{password}@127.0.0.1:{port}")
}

async fn count(db: &Db) -> Result<i64, Error> {
    Ok(db.call(cmd!("INCR", "key")).await?.into_integer()?)
}

/// Runs all of `calls` side by side on this thread.
async fn together<F: Future<Output: Send> + Send + 'static>(
    calls: impl Iterator<Item = F>,
) -> Vec<F::Output> {
    let tasks: Vec<_> = calls.map(tokio::spawn).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

fn assert_no_secret(text: &str) {
    assert!(!text.contains(OLD) && !text.contains(NEW), "{text}");
}

fn is_refused(error: &Error) -> bool {
    matches!(error, Error::Reply(reply) if reply.code() == "WRONGPASS")
}

#[tokio::test]
async fn the_source_is_asked_once_by_the_first_of_many_calls() {
    let Some(guarded) = Guarded::start().await else { return };
    let vault = Vault::new(format!("  {}/3\n", guarded.url(OLD)));
    let db = vault.db(patient());
    assert_eq!(format!("{db:?}"), "Db(a URL that is not known yet)");
    assert_eq!(vault.asked(), []);
    let before = guarded.connections().await;
    let call = |_| {
        let db = db.clone();
        async move { count(&db).await.unwrap() }
    };
    assert_eq!(together((0..50).map(call)).await.len(), 50);
    assert_eq!(count(&db).await.unwrap(), 51);
    assert_eq!(vault.asked(), ONCE);
    assert_eq!(guarded.connections().await - before, 1);
    assert_eq!(format!("{db:?}"), format!("Db(redis://127.0.0.1:{}/3)", guarded.server.port));
}

#[tokio::test]
async fn a_changed_password_costs_one_question_and_no_call_fails() {
    let Some(guarded) = Guarded::start().await else { return };
    for query in ["", "?protocol=resp2"] {
        guarded.set_password(OLD).await;
        let vault = Vault::new(guarded.url(OLD) + query);
        let db = vault.db(Options { deadline: Duration::ZERO, ..patient() });
        let db = db.with_deadline(patient().deadline);
        guarded.admin.call(cmd!("DEL", "key")).await.unwrap();
        let add = Script::new("return redis.call('INCR', KEYS[1])");
        let incr = || vec![cmd!("INCR", "key")];
        let mut passwords = [NEW, OLD].into_iter().cycle();
        for (n, wanted) in (1..).zip(["call", "pipeline", "transaction", "eval", "eval_all"]) {
            if n > 1 {
                // Within that time it may not be asked again.
                tokio::time::sleep(Duration::from_millis(100)).await;
                let password = passwords.next().unwrap();
                guarded.set_password(password).await;
                vault.set(guarded.url(password) + query);
                guarded.hang_up().await;
            }
            let (before, asked) = (guarded.connections().await, vault.asked().len());
            let reply = match wanted {
                "call" => db.call(cmd!("INCR", "key")).await.unwrap(),
                "pipeline" => db.pipeline(incr()).await.unwrap().remove(0),
                "transaction" => db.transaction(incr()).await.unwrap().remove(0),
                "eval" => db.eval(&add.invoke().key("key")).await.unwrap(),
                _ => db.eval_all(&[add.invoke().key("key")]).await.unwrap().remove(0),
            };
            assert_eq!(reply, Reply::Integer(n), "{wanted}");
            assert_eq!(vault.asked().len() - asked, 1, "{wanted}");
            // The refused one and the new one.
            let wanted_connections = if n > 1 { 2 } else { 1 };
            assert_eq!(guarded.connections().await - before, wanted_connections, "{wanted}");
        }
        let asked = vault.asked();
        assert_eq!(asked[..2], TWICE);
        assert!(asked[1..].iter().all(|refresh| *refresh == Refresh::Again), "{asked:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_logged_in_goes_on_with_the_old_password() {
    let Some(guarded) = Guarded::start().await else { return };
    let vault = Vault::new(guarded.url(OLD));
    let db = vault.db(patient());
    assert_eq!(count(&db).await.unwrap(), 1);
    guarded.set_password(NEW).await;
    assert_eq!(count(&db).await.unwrap(), 2);
    assert_eq!(vault.asked(), ONCE);
}

#[tokio::test]
async fn many_calls_that_are_refused_share_one_login_and_one_question() {
    let Some(guarded) = Guarded::start().await else { return };
    let vault = Vault::new(guarded.url(OLD));
    let db = vault.db(patient());
    assert_eq!(count(&db).await.unwrap(), 1);
    guarded.set_password(NEW).await;
    vault.set(guarded.url(NEW));
    guarded.hang_up().await;
    let before = guarded.connections().await;
    let call = |_| {
        let db = db.clone();
        async move { count(&db).await.unwrap() }
    };
    let mut counts = together((0..50).map(call)).await;
    counts.sort_unstable();
    assert_eq!(counts, (2..52).collect::<Vec<_>>(), "each was applied once");
    assert_eq!(vault.asked(), TWICE);
    assert_eq!(guarded.connections().await - before, 2);
}

#[tokio::test]
async fn while_the_source_names_the_refused_url_the_servers_error_stands() {
    let Some(guarded) = Guarded::start().await else { return };
    guarded.set_password(NEW).await;
    let vault = Vault::new(guarded.url(OLD));
    let db = vault.db(patient());
    let begin = Instant::now();
    for _ in 0..20 {
        let error = count(&db).await.unwrap_err();
        assert!(is_refused(&error) && !error.maybe_applied(), "{error:?}");
        assert_no_secret(&format!("{error} {error:?} {db:?}"));
    }
    let most = 2 + begin.elapsed().as_millis() / 100;
    let asked = vault.asked();
    assert!(asked.starts_with(&TWICE) && asked.len() as u128 <= most, "{asked:?}, {most}");
    // It is found without a restart once it is there.
    vault.set(guarded.url(NEW));
    until_ok(&db).await;
    assert_eq!(count(&db).await.unwrap(), 2);
}

/// Repeats a call until it succeeds, the first time it is applied.
async fn until_ok(db: &Db) {
    let begin = Instant::now();
    while let Err(error) = count(db).await {
        assert!(begin.elapsed() < Duration::from_secs(60), "{error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_source_that_fails_says_why_and_is_asked_again() {
    let Some(guarded) = Guarded::start().await else { return };
    let vault = Vault::new("");
    vault.fail("the parameter /shop/redis is not there");
    let db = vault.db(patient());
    let begin = Instant::now();
    for _ in 0..20 {
        let error = count(&db).await.unwrap_err();
        assert!(matches!(&error, Error::Source { refusal: None, .. }), "{error:?}");
        assert!(error.is_transient() && !error.maybe_applied());
        let text = "there is no usable URL of the store: the parameter /shop/redis is not there";
        assert_eq!(error.to_string(), text);
    }
    let most = 1 + begin.elapsed().as_millis() / 100;
    assert!(vault.asked().len() as u128 <= most, "{:?}, {most}", vault.asked());
    vault.set(guarded.url(OLD));
    until_ok(&db).await;
    assert_eq!(count(&db).await.unwrap(), 2);
    assert!(vault.asked().iter().all(|refresh| *refresh == Refresh::Cached));
}

#[tokio::test]
async fn a_source_that_fails_after_a_refusal_says_both() {
    let Some(guarded) = Guarded::start().await else { return };
    let vault = Vault::new(guarded.url(OLD));
    let db = vault.db(patient());
    assert_eq!(count(&db).await.unwrap(), 1);
    guarded.set_password(NEW).await;
    vault.fail("access denied");
    guarded.hang_up().await;
    let error = count(&db).await.unwrap_err();
    assert!(matches!(&error, Error::Source { refusal: Some(_), .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("WRONGPASS") && text.ends_with("access denied"), "{text}");
    assert_no_secret(&format!("{text} {error:?} {db:?}"));
    // The server's word may be the one that was wrong.
    guarded.set_password(OLD).await;
    assert_eq!(count(&db).await.unwrap(), 2);
}

#[tokio::test]
async fn what_is_no_url_is_not_shown_and_looked_for_again() {
    for (url, problem) in [
        ("hunter2", "has no scheme"),
        ("redis://:hunter2@host:port", "the port is not a number"),
        ("memory:", "give them to Db::open"),
        ("FILE:./hunter2", "give them to Db::open"),
    ] {
        let vault = Vault::new(url);
        let db = vault.db(patient());
        let error = count(&db).await.unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
        assert_no_secret(&format!("{error} {error:?} {db:?}"));
        let begin = Instant::now();
        while vault.asked().len() < 2 {
            assert!(begin.elapsed() < Duration::from_secs(60));
            count(&db).await.unwrap_err();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(vault.asked(), TWICE);
    }
}

/// A source that answers once it may, and how often it was asked.
fn slow(url: String, may: &Arc<Semaphore>, options: Options) -> (Db, Arc<AtomicUsize>) {
    let (may, asked) = (Arc::clone(may), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&asked);
    let source = move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        let (may, url) = (Arc::clone(&may), url.clone());
        async move { may.acquire().await.map(|_| url) }
    };
    (Db::from_source(source, options), asked)
}

#[tokio::test]
async fn a_source_is_waited_for_so_long_and_answers_a_later_call() {
    let Some(guarded) = Guarded::start().await else { return };
    let may = Arc::new(Semaphore::new(0));
    let limit = Duration::from_millis(50);
    let options = Options { source_timeout: limit, ..patient() };
    let (db, asked) = slow(guarded.url(OLD), &may, options);
    let begin = Instant::now();
    let call = |_| {
        let db = db.clone();
        async move { count(&db).await.unwrap_err() }
    };
    for error in together((0..5).map(call)).await {
        assert!(matches!(error, Error::Source { refusal: None, .. }), "{error:?}");
        assert!(error.to_string().ends_with("no answer within 50 ms"), "{error}");
    }
    let took = begin.elapsed();
    assert!(took >= limit && took < Duration::from_secs(10), "{took:?}");
    // The question outlives the calls that put it.
    may.add_permits(1);
    assert_eq!(count(&db).await.unwrap(), 1);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_deadline_begins_when_the_source_has_answered() {
    let Some(guarded) = Guarded::start().await else { return };
    let (deadline, url) = (Duration::from_secs(2), guarded.url(OLD));
    let source = move |_| {
        let url = url.clone();
        async move {
            tokio::time::sleep(deadline).await;
            Ok::<_, Error>(url)
        }
    };
    let db = Db::from_source(source, Options { source_timeout: deadline * 30, ..patient() });
    assert_eq!(count(&db.with_deadline(deadline)).await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_old_is_asked_for_again_and_holds_while_there_is_no_answer() {
    let Some(guarded) = Guarded::start().await else { return };
    let vault = Vault::new(format!("{}/3", guarded.url(OLD)));
    let db = vault.db(Options { source_max_age: Duration::ZERO, ..patient() });
    assert_eq!(count(&db).await.unwrap(), 1);
    assert_eq!(count(&db).await.unwrap(), 2);
    vault.set(format!("{}/4", guarded.url(OLD)));
    assert_eq!(count(&db).await.unwrap(), 1);
    vault.fail("away");
    assert_eq!(count(&db).await.unwrap(), 2);
    assert_eq!(vault.asked(), [Refresh::Cached; 4]);
}

#[tokio::test]
async fn a_source_that_panics_is_asked_anew() {
    let Some(guarded) = Guarded::start().await else { return };
    let (url, first) = (guarded.url(OLD), AtomicUsize::new(0));
    let source = move |_| {
        let (url, number) = (url.clone(), first.fetch_add(1, Ordering::Relaxed));
        async move {
            tokio::task::yield_now().await;
            assert!(number > 0, "the first time");
            Ok::<_, Error>(url)
        }
    };
    let db = Db::from_source(source, patient());
    let panics = db.clone();
    assert!(tokio::spawn(async move { count(&panics).await }).await.unwrap_err().is_panic());
    assert_eq!(count(&db).await.unwrap(), 1);
}

/// Answers everything with `reply` after the login.
fn always(reply: &'static [u8]) -> FakeServer {
    FakeServer::start(move |_, peer: &mut Peer| {
        peer.greet();
        while peer.read().is_some() {
            peer.write(reply);
        }
    })
}

const NOAUTH: &[u8] = b"-NOAUTH Authentication required.\r\n";

#[tokio::test]
async fn an_established_connection_that_is_refused_is_left() {
    let (first, second) = (always(NOAUTH), always(b":7\r\n"));
    let urls = [first.url(), second.url()];
    let source = move |refresh| {
        let url = urls[usize::from(refresh == Refresh::Again)].clone();
        async move { Ok::<_, Error>(url) }
    };
    let db = Db::from_source(source, patient());
    assert_eq!(count(&db).await.unwrap(), 7);
    assert_eq!((first.seen(), second.seen()), (vec!["INCR key".into()], vec!["INCR key".into()]));
    assert_eq!(format!("{db:?}"), format!("Db({})", second.url()));
}

#[tokio::test]
async fn a_script_is_not_repeated_for_what_it_may_have_said_itself() {
    let (first, second) = (always(NOAUTH), always(b":7\r\n"));
    let vault = Vault::new(first.url());
    let db = vault.db(patient());
    let script = Script::new("return redis.error_reply('NOAUTH Authentication required.')");
    let error = db.eval(&script.invoke()).await.unwrap_err();
    assert!(matches!(&error, Error::Reply(reply) if reply.code() == "NOAUTH"), "{error}");
    vault.set(second.url());
    until_ok(&db).await;
    assert_eq!(first.seen()[0], format!("EVALSHA {} 0", script.sha()));
    assert_eq!(second.seen(), ["INCR key"]);
    assert!(vault.asked().starts_with(&TWICE), "{:?}", vault.asked());
}

#[tokio::test]
async fn after_close_nothing_is_asked_and_who_waits_is_told() {
    let vault = Vault::new("redis://127.0.0.1:1");
    let db = vault.db(patient());
    db.close().await.unwrap();
    assert!(matches!(count(&db).await.unwrap_err(), Error::Closed));
    assert_eq!(vault.asked(), []);

    let may = Arc::new(Semaphore::new(0));
    let (db, asked) = slow("redis://127.0.0.1:1".to_owned(), &may, patient());
    let waits = db.clone();
    let waiting = tokio::spawn(async move { count(&waits).await });
    while asked.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    db.close().await.unwrap();
    may.add_permits(1);
    assert!(matches!(waiting.await.unwrap().unwrap_err(), Error::Closed));
}

#[tokio::test]
async fn own_connections_ask_on_their_own_from_the_url_that_is_known() {
    let Some(guarded) = Guarded::start().await else { return };
    let vault = Vault::new(guarded.url(OLD));
    let db = vault.db(patient());
    let early = db.with_own_connections();
    assert_eq!(count(&db).await.unwrap(), 1);
    let late = db.with_own_connections();
    assert_eq!(count(&late).await.unwrap(), 2);
    assert_eq!(vault.asked(), ONCE);
    assert_eq!(count(&early).await.unwrap(), 3);
    assert_eq!(vault.asked().len(), 2);
    guarded.set_password(NEW).await;
    vault.set(guarded.url(NEW));
    guarded.hang_up().await;
    for (n, db) in (4..).zip([&db, &early, &late]) {
        assert_eq!(count(db).await.unwrap(), n);
    }
    assert_eq!(vault.asked().len(), 5);
}
