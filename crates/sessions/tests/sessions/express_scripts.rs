//! The scripts that read and write a session in the form of connect-redis.

use std::sync::LazyLock;

use tuckbox::{Db, Invocation, Reply, Script, cmd};
use tuckbox_sessions::express::{DEFAULT_TTL_SECONDS, end_mark};

use crate::redis_server::{all_keys, expires_in, on_every_store};

macro_rules! script {
    ($name:literal) => {
        LazyLock::new(|| Script::new(include_str!(concat!("../../src/express/", $name))))
    };
}

static READ: LazyLock<Script> = script!("read.lua");
static CREATE: LazyLock<Script> = script!("create.lua");
static SWAP: LazyLock<Script> = script!("swap.lua");
static END: LazyLock<Script> = script!("end.lua");

const KEY: &str = "sess:abc";
const HOUR: i64 = 3_600_000;
const ONE: &str = r#"{"cookie":{"originalMaxAge":3600000,"path":"/"},"n":1}"#;
const TWO: &str = r#"{"cookie":{"originalMaxAge":3600000,"path":"/"},"n":2}"#;
const THREE: &str = r#"{"cookie":{"originalMaxAge":3600000,"path":"/"},"n":3}"#;

fn on_session(script: &Script) -> Invocation {
    script.invoke().key(KEY).key(end_mark(KEY))
}

fn read() -> Invocation {
    on_session(&READ).arg(DEFAULT_TTL_SECONDS).arg(10)
}

fn swap(before: &str, after: &str) -> Invocation {
    on_session(&SWAP).arg(before).arg(after).arg(3600)
}

async fn set(db: &Db, text: &str, ms: i64) {
    db.call(cmd!("SET", KEY, text, "PX", ms)).await.unwrap();
}

async fn text(db: &Db) -> Reply {
    db.call(cmd!("GET", KEY)).await.unwrap()
}

fn bulk(text: &str) -> Reply {
    Reply::bulk(text.as_bytes())
}

async fn run(db: &Db, invocation: Invocation) -> Reply {
    db.eval(&invocation).await.unwrap()
}

/// What a read answers: the milliseconds left, and whether it moved the expiry.
async fn read_of(db: &Db, session: &str, ms: i64) -> (i64, bool) {
    set(db, session, ms).await;
    let answer = run(db, read()).await.into_array().unwrap();
    assert_eq!(answer[0], bulk(session));
    let left = answer[1].clone().into_integer().unwrap();
    let stored = expires_in(db, KEY).await;
    assert!((left - 10_000..=left).contains(&stored), "{stored} in the store, {left} answered");
    (left, answer[2] == Reply::Integer(1))
}

#[tokio::test]
async fn a_read_moves_the_expiry_when_that_is_due() {
    on_every_store(async |db| {
        assert_eq!(run(&db, read()).await, Reply::Null);
        let (left, moved) = read_of(&db, ONE, HOUR - HOUR / 20).await;
        assert!(!moved && left <= HOUR - HOUR / 20 && left > HOUR / 2);
        assert_eq!(read_of(&db, ONE, HOUR - HOUR / 5).await, (HOUR, true));
        let uneven = ONE.replace("3600000", "3599001");
        assert_eq!(read_of(&db, &uneven, HOUR / 2).await, (HOUR, true));
    })
    .await;
}

#[tokio::test]
async fn a_read_finds_the_age_wherever_it_is_written() {
    on_every_store(async |db| {
        const DAY: i64 = 24 * HOUR;
        for (session, left, moved) in [
            (r#"{"cookie":{"originalMaxAge":null,"expires":null}}"#, DAY, true),
            (r#"{"cookie":{}}"#, DAY, true),
            (r#"{"cookie":{"originalMaxAge":7200000}}"#, 2 * HOUR, true),
            (r#"{"7":0, "cookie" : {"path":"/","originalMaxAge":7.2e6}}"#, 2 * HOUR, true),
            // An application's value that looks like it.
            (
                r#"{"a":"\"cookie\":{\"originalMaxAge\":1,","cookie":{"originalMaxAge":7200000}}"#,
                2 * HOUR,
                true,
            ),
            // JavaScript cuts texts in the middle of a character.
            (r#"{"cookie":{"originalMaxAge":7200000},"a":"\ud83d"}"#, 2 * HOUR, true),
            (r#"{"a":"\ud83d","cookie":{"originalMaxAge":7200000}}"#, HOUR, false),
            (r#"{"cookie":{"originalMaxAge":-1}}"#, HOUR, false),
            (r#"{"cookie":{"originalMaxAge":99999999999999999999}}"#, HOUR, false),
            (r#"{"cookie":{"originalMaxAge":1nul}}"#, HOUR, false),
            (r#"{"cookie":null}"#, HOUR, false),
            ("[1]", HOUR, false),
            ("not JSON", HOUR, false),
        ] {
            let (answer, was_moved) = read_of(&db, session, HOUR).await;
            assert_eq!(was_moved, moved, "{session}");
            assert!((left - 10_000..=left).contains(&answer), "{session}: {answer}");
        }
        db.call(cmd!("SET", KEY, ONE)).await.unwrap();
        let for_ever = [bulk(ONE), Reply::Integer(-1), Reply::Integer(0)];
        assert_eq!(run(&db, read()).await, Reply::Array(for_ever.into()));
    })
    .await;
}

#[tokio::test]
async fn a_new_session_takes_nobodys_place() {
    on_every_store(async |db| {
        let create = |text| CREATE.invoke().key(KEY).arg(text).arg(3600);
        assert_eq!(run(&db, create(ONE)).await, Reply::Integer(1));
        assert!((HOUR - 10_000..=HOUR).contains(&expires_in(&db, KEY).await));
        assert_eq!(run(&db, create(ONE)).await, Reply::Integer(1));
        assert_eq!(run(&db, create(TWO)).await, Reply::Integer(0));
        assert_eq!(text(&db).await, bulk(ONE));
    })
    .await;
}

#[tokio::test]
async fn a_write_over_another_ones_write_is_refused_with_what_is_there() {
    on_every_store(async |db| {
        set(&db, ONE, HOUR / 2).await;
        assert_eq!(run(&db, swap(ONE, TWO)).await, Reply::Integer(1));
        assert!((HOUR - 10_000..=HOUR).contains(&expires_in(&db, KEY).await));
        assert_eq!(run(&db, swap(ONE, THREE)).await, bulk(TWO));
        // Another request counted from one to two as well: it has not counted.
        assert_eq!(run(&db, swap(ONE, TWO)).await, bulk(TWO));
        assert_eq!(run(&db, swap(TWO, THREE)).await, Reply::Integer(1));
        assert_eq!(text(&db).await, bulk(THREE));
    })
    .await;
}

#[tokio::test]
async fn a_write_that_comes_after_the_end_is_refused() {
    on_every_store(async |db| {
        set(&db, ONE, HOUR).await;
        assert_eq!(run(&db, on_session(&END).arg(60)).await, bulk(ONE));
        assert_eq!(run(&db, swap(ONE, TWO)).await, Reply::Null);
        assert_eq!(text(&db).await, Reply::Null);
        // Express deleted it: there is no mark.
        db.call(cmd!("DEL", end_mark(KEY))).await.unwrap();
        assert_eq!(run(&db, swap(ONE, TWO)).await, Reply::Null);
        assert_eq!(all_keys(&db).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_session_that_express_wrote_after_its_end_stays_ended() {
    on_every_store(async |db| {
        for later in [read(), swap(ONE, TWO)] {
            set(&db, ONE, HOUR).await;
            assert_eq!(run(&db, on_session(&END).arg(60)).await, bulk(ONE));
            set(&db, ONE, HOUR).await;
            assert_eq!(run(&db, later).await, Reply::Null);
            assert_eq!(text(&db).await, Reply::Null);
        }
        assert_eq!(all_keys(&db).await, [end_mark(KEY)]);
    })
    .await;
}

#[tokio::test]
async fn the_mark_of_an_end_stays_as_long_as_the_session_would_have() {
    on_every_store(async |db| {
        let mark = end_mark(KEY);
        for (session, least, kept) in [(HOUR, 60, HOUR), (1000, 60, 60_000)] {
            set(&db, ONE, session).await;
            run(&db, on_session(&END).arg(least)).await;
            let left = expires_in(&db, &mark).await;
            assert!((kept - 10_000..=kept).contains(&left), "{left}");
        }
        db.call(cmd!("DEL", &mark)).await.unwrap();
        assert_eq!(run(&db, on_session(&END).arg(60)).await, Reply::Null);
        assert!(expires_in(&db, &mark).await > 50_000);
    })
    .await;
}
