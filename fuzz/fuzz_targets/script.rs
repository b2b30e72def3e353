//! Lua of any kind, run by an engine in memory with hardly any time and memory:
//! whatever a script tries, the engine goes on.

#![no_main]

use std::sync::LazyLock;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tuckbox_engine::{Engine, Options};
use tuckbox_resp::{Protocol, Reply, cmd, write_reply};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let options = Options {
        memory_limit: 16 << 20,
        script_time_ms: 20,
        script_memory: 1 << 20,
        random_seed: Some(1),
        ..Options::default()
    };
    Engine::in_memory(options).expect("an engine")
});

/// Looks at the world that a script sees.
const LOOK: &str = "local n = 0 for _ in pairs(_G) do n = n + 1 end
    return {n, type(redis.call), #KEYS, cjson.encode({1.25}), ('x'):rep(2), rawget(_G, 'x') == nil}";

/// What there is to be seen.
static WORLD: LazyLock<Reply> = LazyLock::new(|| {
    let engine = Engine::in_memory(Options::default()).expect("an engine");
    let reply = engine.connection().execute(&cmd!("EVAL", LOOK, 1, "h")).reply;
    assert!(matches!(reply, Reply::Array(_)));
    reply
});

fuzz_target!(|script: &[u8]| {
    let mut connection = ENGINE.connection();
    connection.execute(&cmd!("FLUSHALL"));
    connection.execute(&cmd!("HSET", "h", "a", 1, "b", "two"));
    connection.execute(&cmd!("SET", "s", "text"));
    let mut written = BytesMut::new();
    for command in ["EVAL", "EVAL_RO"] {
        let reply = connection.execute(&cmd!(command, script, 2, "h", "s", "x", 7)).reply;
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            written.clear();
            write_reply(&reply, protocol, &mut written);
        }
    }
    // The next script finds the world as it was. On a busy machine it may run out of its time.
    let look = || ENGINE.connection().execute(&cmd!("EVAL", LOOK, 1, "h")).reply;
    let reply = std::iter::repeat_with(look).take(50).find(|reply| !matches!(reply, Reply::Error(_)));
    assert_eq!(reply.as_ref(), Some(&*WORLD));
    let size = connection.execute(&cmd!("DBSIZE")).reply.into_integer().expect("an integer");
    let keys = connection.execute(&cmd!("KEYS", "*")).reply.into_array().expect("an array");
    assert!(keys.len() as i64 <= size);
});
