mod dump;
mod effects;
mod expire;
mod scan;
mod transfer;
mod walk;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tuckbox_resp::{Command, Reply, cmd, table};

use crate::{
    commands::{self, Cold, Context},
    database::{Flushes, LOGICAL},
    effects::{Effects, Frame},
    memory::{Keyspace, KeyspaceId},
    random::Random,
    testing::Session,
};

/// Commands on keyspaces that lie open, with their effects told.
struct World {
    keyspaces: Vec<Keyspace>,
    flushes: Flushes,
    random: Random,
    effects: Effects,
    version: u64,
    now: u64,
    cold: Option<Cold>,
}

impl World {
    fn new() -> Self {
        let keyspaces = (0..LOGICAL as u32).map(|id| Keyspace::new(KeyspaceId(id), [9; 16]));
        Self {
            keyspaces: keyspaces.collect(),
            flushes: Flushes { next_id: LOGICAL as u32, ..Flushes::default() },
            random: Random::new(9),
            effects: Effects::new(true),
            version: 0,
            now: 1_000_000,
            cold: None,
        }
    }

    /// Runs `command` on logical database `db`; returns the reply and the
    /// effects.
    fn call(&mut self, db: usize, command: &Command) -> (Reply, Vec<(usize, Command)>) {
        self.version += 1;
        self.effects.begin(0, self.now);
        self.keyspaces[db].begin(self.version);
        let spec = table::lookup(command.name()).expect("a known command");
        let Some(commands::Runs::Data(handler)) = commands::handler(spec) else {
            panic!("a command on data")
        };
        let mut context = Context {
            draw: 0,
            keyspaces: &mut self.keyspaces,
            flushes: &mut self.flushes,
            db,
            version: self.version,
            other: None,
            now: self.now,
            random: &mut self.random,
            resp3: true,
            cold: self.cold.as_ref(),
            effects: &mut self.effects,
        };
        let reply = handler(&mut context, command).unwrap_or_else(Reply::Error);
        let frame = Frame::decode(self.effects.frame()).expect("a frame");
        assert_eq!(frame.effects.len(), self.effects.count());
        (reply, frame.effects)
    }

    /// Runs the words of `line` on logical database 0.
    fn run(&mut self, line: &str) -> Reply {
        self.call(0, &words(line)).0
    }

    /// Runs the words of `line`; gives the effects, each as words.
    fn effects(&mut self, line: &str) -> Vec<String> {
        let shown = |(db, command): (usize, Command)| {
            let words: Vec<_> = command.iter().map(String::from_utf8_lossy).collect();
            format!("{db}: {}", words.join(" "))
        };
        self.call(0, &words(line)).1.into_iter().map(shown).collect()
    }

    /// Watches `key` of logical database `db`.
    fn watch(&mut self, db: usize, key: &str) -> Arc<AtomicBool> {
        let flag = Arc::new(AtomicBool::new(false));
        self.keyspaces[db].watch(key.as_bytes(), Arc::clone(&flag));
        flag
    }
}

/// `line` as a command of words.
fn words(line: &str) -> Command {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    words.for_each(|word| command.push(word));
    command.build()
}

fn raised(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Relaxed)
}

fn bulk(text: &str) -> Reply {
    Reply::bulk(text.as_bytes())
}

fn simple(text: &'static str) -> Reply {
    Reply::Simple(text.into())
}

/// The texts of an array of bulk strings, sorted.
fn texts(reply: Reply) -> Vec<String> {
    let text = |item: Reply| {
        let bytes = item.into_bytes().expect("a string").expect("not null");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut texts: Vec<String> =
        reply.into_array().expect("an array").into_iter().map(text).collect();
    texts.sort();
    texts
}

#[test]
fn keys_are_counted_as_often_as_they_are_named() {
    let mut session = Session::new();
    session.run("SET a 1");
    session.run("SET b 1");
    assert_eq!(session.run("EXISTS a a b c"), Reply::Integer(3));
    assert_eq!(session.run("TOUCH a a b c"), Reply::Integer(3));
    assert_eq!(session.run("DEL a a c"), Reply::Integer(1));
    assert_eq!(session.run("UNLINK a b"), Reply::Integer(1));
    assert_eq!(session.run("DBSIZE"), Reply::Integer(0));
}

#[test]
fn a_type_has_a_name() {
    let mut session = Session::new();
    session.run("SET s 1");
    session.run("HSET h f v");
    assert_eq!(session.run("TYPE s"), simple("string"));
    assert_eq!(session.run("TYPE h"), simple("hash"));
    assert_eq!(session.run("TYPE none"), simple("none"));
}

#[test]
fn an_object_tells_its_encoding() {
    let mut session = Session::new();
    session.run("SET int 12");
    session.run("SET embstr text");
    session.call(cmd!("SET", "raw", "x".repeat(45)));
    for encoding in ["int", "embstr", "raw"] {
        assert_eq!(session.run(&format!("OBJECT ENCODING {encoding}")), bulk(encoding));
    }
    assert_eq!(session.run("object refcount int"), Reply::Integer(1));
    assert_eq!(session.run("OBJECT IDLETIME int"), Reply::Integer(0));
    assert!(session.error("OBJECT FREQ int").starts_with("ERR An LFU maxmemory policy is not"));
    for subcommand in ["ENCODING", "REFCOUNT", "IDLETIME", "FREQ"] {
        assert_eq!(session.run(&format!("OBJECT {subcommand} none")), Reply::Null);
    }
    assert!(matches!(session.run("OBJECT HELP"), Reply::Array(_)));
}

#[test]
fn memory_usage_grows_with_the_value() {
    let mut session = Session::new();
    session.run("SET small x");
    session.call(cmd!("SET", "large", "x".repeat(5_000)));
    let small = session.run("MEMORY USAGE small").into_integer().unwrap();
    let large = session.run("MEMORY USAGE large SAMPLES 0").into_integer().unwrap();
    assert!(small > 64 && large > 5_000 && large < 6_000, "{small} {large}");
    assert_eq!(session.run("MEMORY USAGE none"), Reply::Null);
    assert_eq!(session.error("MEMORY USAGE small SAMPLES"), "ERR syntax error");
    assert_eq!(session.error("MEMORY USAGE small SAMPLES -1"), "ERR syntax error");
    assert_eq!(session.error("MEMORY USAGE small OTHER 1"), "ERR syntax error");
    assert_eq!(
        session.error("MEMORY USAGE small SAMPLES x"),
        "ERR value is not an integer or out of range"
    );
}

#[test]
fn there_is_nothing_to_sort_and_that_is_said() {
    let mut session = Session::new();
    session.run("SET s 1");
    session.run("HSET h f v");
    for command in ["SORT", "SORT_RO"] {
        assert_eq!(
            session.run(&format!("{command} none BY x GET # DESC ALPHA")),
            Reply::Array(vec![])
        );
        assert!(session.error(&format!("{command} s")).starts_with("WRONGTYPE "));
        assert!(session.error(&format!("{command} h ASC LIMIT 0 1")).starts_with("WRONGTYPE "));
        for wrong in ["OTHER", "LIMIT 1", "BY", "GET", "STORE"] {
            assert_eq!(session.error(&format!("{command} s {wrong}")), "ERR syntax error");
        }
        let wrong = session.error(&format!("{command} s LIMIT 0 x"));
        assert_eq!(wrong, "ERR value is not an integer or out of range");
    }
    assert_eq!(session.error("SORT_RO none STORE s"), "ERR syntax error");
    assert!(session.error("SORT h STORE s").starts_with("WRONGTYPE "));
    assert_eq!(session.run("EXISTS s"), Reply::Integer(1));
    assert_eq!(session.run("SORT none STORE h STORE s"), Reply::Integer(0));
    assert_eq!(session.run("EXISTS s h"), Reply::Integer(1));
}

#[test]
fn no_replica_has_anything() {
    let mut session = Session::new();
    assert_eq!(session.run("WAIT 1 1000"), Reply::Integer(0));
    let only_here = Reply::Array(vec![Reply::Integer(1), Reply::Integer(0)]);
    assert_eq!(session.run("WAITAOF 1 0 0"), only_here);
    assert_eq!(session.error("WAIT x 0"), "ERR value is not an integer or out of range");
    assert_eq!(session.error("WAIT 0 x"), "ERR timeout is not an integer or out of range");
    assert_eq!(session.error("WAIT 0 -1"), "ERR timeout is negative");
    assert_eq!(
        session.error("WAITAOF 2 0 0"),
        "ERR value is out of range, value must between 0 and 1"
    );
    assert_eq!(session.error("WAITAOF 0 -1 0"), "ERR value is out of range, must be positive");
    assert!(
        session.error("MIGRATE host 6379 key 0 100").starts_with("ERR MIGRATE is not available")
    );
}
