//! Which replies have to wait for which writes.

use tuckbox_engine::{Connection, Engine, Options, Position};
use tuckbox_resp::{Command, Reply, cmd};

/// An engine with two connections: one that writes without waiting and one
/// that reads.
struct Pair {
    engine: Engine,
    writer: Connection,
    reader: Connection,
}

impl Pair {
    fn open(dir: &tempfile::TempDir) -> Self {
        let engine = Engine::open(dir.path(), Options::default()).unwrap();
        let (writer, reader) = (engine.connection(), engine.connection());
        let mut pair = Self { engine, writer, reader };
        pair.settled([
            cmd!("SET", "here", 1),
            cmd!("SET", "untouched", 1),
            cmd!("SET", "short", 1, "PX", 3_600_000),
            cmd!("HSET", "hash", "field", 1),
        ]);
        pair
    }

    /// Runs commands and waits for them.
    fn settled(&mut self, commands: impl IntoIterator<Item = Command>) {
        for command in commands {
            let executed = self.writer.execute(&command);
            assert!(!matches!(executed.reply, Reply::Error(_)), "{command:?}");
            self.engine.wait_durable(executed.position).unwrap();
        }
    }

    /// The position of a read after an unsynced write, and that of the write.
    ///
    /// The log may be quicker than the reader, which then has nothing to wait
    /// for: so it is tried until the reader is the quicker one. `undo` makes
    /// the write possible again.
    fn read_after(&mut self, write: &[Command], read: &Command, undo: &Command) -> Position {
        for _ in 0..100 {
            let mut written = Position::NONE;
            for command in write {
                written = self.writer.execute(command).position;
            }
            assert!(written > Position::NONE, "{write:?} changed nothing");
            let seen = self.reader.execute(read).position;
            self.engine.wait_durable(seen).unwrap();
            self.settled([undo.clone()]);
            assert!(seen == Position::NONE || seen == written, "{read:?}: {seen:?}, {written:?}");
            if seen > Position::NONE {
                return seen;
            }
        }
        Position::NONE
    }
}

#[test]
fn a_reply_that_tells_of_an_unsynced_write_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut pair = Pair::open(&dir);
    let set = [cmd!("SET", "here", 2)];
    let del = [cmd!("DEL", "here")];
    let new = [cmd!("SET", "new", 1)];
    let (back, gone) = (cmd!("SET", "here", 1), cmd!("DEL", "new"));
    let swap = [cmd!("SWAPDB", 0, 3)];
    let swapped = cmd!("SWAPDB", 3, 0);
    let cases: [(&str, &[Command], Command, &Command); 22] = [
        ("a value", &set, cmd!("GET", "here"), &back),
        ("a length", &set, cmd!("STRLEN", "here"), &back),
        ("one of many", &set, cmd!("MGET", "untouched", "here"), &back),
        ("a new key", &new, cmd!("EXISTS", "new"), &gone),
        ("a refused write", &new, cmd!("SETNX", "new", 2), &gone),
        ("a deleted key", &del, cmd!("GET", "here"), &back),
        ("a deleted key that is counted", &del, cmd!("EXISTS", "here", "untouched"), &back),
        ("a deleted key's type", &del, cmd!("TYPE", "here"), &back),
        ("a deletion that does nothing", &del, cmd!("UNLINK", "here"), &back),
        (
            "a rename",
            &[cmd!("RENAME", "here", "there")],
            cmd!("GET", "here"),
            &cmd!("RENAME", "there", "here"),
        ),
        (
            "a renamed key",
            &[cmd!("RENAME", "here", "there")],
            cmd!("GET", "there"),
            &cmd!("RENAME", "there", "here"),
        ),
        (
            "an expiry",
            &[cmd!("PEXPIRE", "here", 90_000)],
            cmd!("PTTL", "here"),
            &cmd!("PERSIST", "here"),
        ),
        (
            "a lost expiry",
            &[cmd!("PERSIST", "short")],
            cmd!("TTL", "short"),
            &cmd!("EXPIRE", "short", 3600),
        ),
        (
            "a field",
            &[cmd!("HSET", "hash", "field", 2)],
            cmd!("HGETALL", "hash"),
            &cmd!("HSET", "hash", "field", 1),
        ),
        (
            "a deleted hash",
            &[cmd!("HDEL", "hash", "field")],
            cmd!("HLEN", "hash"),
            &cmd!("HSET", "hash", "field", 1),
        ),
        ("the number of keys", &new, cmd!("DBSIZE"), &gone),
        ("the list of keys", &del, cmd!("KEYS", "*"), &back),
        ("a part of the list", &new, cmd!("SCAN", 0), &gone),
        ("a swap, by a key that is here now", &swap, cmd!("EXISTS", "here"), &swapped),
        ("a swap, by the number of keys", &swap, cmd!("DBSIZE"), &swapped),
        ("a copy", &[cmd!("COPY", "here", "new")], cmd!("GET", "new"), &gone),
        (
            "a move",
            &[cmd!("SET", "mv", 1), cmd!("MOVE", "mv", 5)],
            cmd!("GET", "mv"),
            &cmd!("FLUSHALL"),
        ),
    ];
    for (name, write, read, undo) in cases {
        let seen = pair.read_after(write, &read, undo);
        assert!(seen > Position::NONE, "{name}: {read:?} after {write:?} waits for nothing");
    }
}

#[test]
fn an_emptied_database_is_shown_when_that_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let mut pair = Pair::open(&dir);
    for read in [cmd!("GET", "here"), cmd!("DBSIZE"), cmd!("KEYS", "*"), cmd!("FLUSHDB")] {
        let seen = pair.read_after(&[cmd!("FLUSHDB")], &read, &cmd!("SET", "here", 1));
        assert!(seen > Position::NONE, "{read:?} after FLUSHDB waits for nothing");
    }
}

#[test]
fn a_reply_that_tells_of_nothing_unsynced_waits_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut pair = Pair::open(&dir);
    let value = vec![b'v'; 4 << 20];
    for command in [
        cmd!("GET", "untouched"),
        cmd!("HGETALL", "hash"),
        cmd!("PTTL", "short"),
        cmd!("MGET", "untouched", "short"),
        cmd!("PING"),
        cmd!("SELECT", 0),
    ] {
        let written = pair.writer.execute(&cmd!("SET", "large", &value[..])).position;
        assert_eq!(pair.reader.execute(&command).position, Position::NONE, "{command:?}");
        pair.engine.wait_durable(written).unwrap();
    }
    // What is durable is not waited for.
    assert_eq!(pair.reader.execute(&cmd!("GET", "large")).position, Position::NONE);
    assert_eq!(pair.reader.execute(&cmd!("DBSIZE")).position, Position::NONE);
}

#[test]
fn a_transaction_waits_for_what_any_of_its_reads_has_seen() {
    let dir = tempfile::tempdir().unwrap();
    let mut pair = Pair::open(&dir);
    for _ in 0..100 {
        for command in [cmd!("MULTI"), cmd!("GET", "here"), cmd!("GET", "untouched")] {
            pair.reader.execute(&command);
        }
        let written = pair.writer.execute(&cmd!("INCR", "here")).position;
        let seen = pair.reader.execute(&cmd!("EXEC")).position;
        pair.engine.wait_durable(written).unwrap();
        if seen > Position::NONE {
            assert_eq!(seen, written);
            return;
        }
    }
    panic!("EXEC waits for nothing");
}
