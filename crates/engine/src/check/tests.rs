//! Directories that are as nobody would have written them, though every checksum
//! matches: each fault is named with its place, and left alone.

use std::path::Path;

use tuckbox_resp::{Command, cmd};

use super::*;
use crate::{
    Engine, Options,
    effects::Effects,
    memory::{IN_PARTS, Keyspace, KeyspaceId, Value},
    store::{Checkpoint, DatabaseMeta, Garbage, NewPart, PartRef, Store},
    types::{Hash, Items, Kind},
};

const FIELDS: u64 = 2000;
const HASH: u8 = Kind::Hash as u8;

/// A directory that was closed, with 22 keys; `large` is in parts.
fn filled(dir: &Path) {
    let engine = Engine::open(dir, Options::default()).unwrap();
    let mut connection = engine.connection();
    let mut run = |command: Command| drop(connection.execute(&command));
    for number in 0..20 {
        run(cmd!("SET", format!("key:{number}"), number));
    }
    run(cmd!("HSET", "small", "field", "value"));
    for number in 0..FIELDS {
        run(cmd!("HSET", "large", format!("field:{number}"), "some value"));
    }
    run(cmd!("PEXPIREAT", "key:7", 4_102_444_800_000_u64));
    engine.close().unwrap();
}

/// The store of such a directory, to be written to behind the engine's back.
struct Damage<'a> {
    store: &'a Store,
    checkpoint: Checkpoint<'a>,
    meta: DatabaseMeta,
    keyspace: Keyspace,
}

/// A head, and the payloads of the parts with their first and last places.
struct Large {
    head: Vec<u8>,
    parts: Vec<(u64, u64, Vec<u8>)>,
}

impl Damage<'_> {
    fn hash(&self, key: &str) -> u128 {
        self.keyspace.hash(key.as_bytes()).0
    }

    fn put_at(&mut self, hash: u128, key: &str, kind: u8, payload: &[u8]) {
        self.checkpoint.put(self.meta.keyspace, hash, key.as_bytes(), 0, kind, payload).unwrap();
    }

    /// Puts a record in the place of one.
    fn put(&mut self, key: &str, kind: u8, payload: &[u8]) {
        self.put_at(self.hash(key), key, kind, payload);
    }

    fn put_part(&mut self, value: u64, start: u64, until: u64, kind: u8, payload: &[u8]) {
        let part = NewPart { start, until, kind, payload };
        self.checkpoint.put_part(self.meta.keyspace, value, &part).unwrap();
    }

    /// The only value in parts: it has number 1.
    fn large(&self) -> Large {
        let keyspace = self.meta.keyspace;
        let head = self.store.read(keyspace, self.hash("large"), b"large", |record| {
            assert_eq!(record.kind, HASH | IN_PARTS);
            record.payload.to_vec()
        });
        let all = (0, u64::MAX);
        let payload = |part: PartRef<'_>| part.payload.to_vec();
        let parts = self.store.read_parts(keyspace, 1, all, usize::MAX, payload).unwrap().parts;
        assert!(parts.len() > 10);
        Large { head: head.unwrap().unwrap(), parts }
    }

    fn set_meta(&mut self, meta: DatabaseMeta) {
        self.checkpoint.set_meta(&meta).unwrap();
    }
}

/// A hash as it is stored, of one field.
fn stored(field: &str) -> Vec<u8> {
    let mut hash = Hash::default();
    hash.insert(field.as_bytes(), b"v");
    let mut stored = Vec::new();
    Value::Items(hash.into()).encode(&mut stored);
    stored
}

/// Has `damage` done, and looks for `told`; nothing but damage may be told of.
#[track_caller]
fn assert_told(told: &str, damage: impl FnOnce(&mut Damage<'_>)) {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    assert_eq!(check(dir.path(), false, None).unwrap().exit_code(), 0);
    {
        let store = Store::open(&dir.path().join("store")).unwrap();
        let meta = store.meta().unwrap()[0];
        let keyspace = Keyspace::new(KeyspaceId(meta.keyspace), meta.seed);
        let checkpoint = store.checkpoint().unwrap();
        let mut doing = Damage { store: &store, checkpoint, meta, keyspace };
        damage(&mut doing);
        doing.checkpoint.commit().unwrap();
    }
    for repair in [false, true] {
        let report = check(dir.path(), repair, None).unwrap();
        let text = report.to_string();
        assert_eq!((report.severity(), report.exit_code()), (Severity::Damage, 4), "{text}");
        assert!(text.contains(told) && text.contains("data.mdb: "), "{told}: {text}");
        assert!(!text.contains("key:7") && !text.contains("some value"), "{text}");
    }
}

#[test]
fn a_record_of_an_unknown_type_is_told() {
    assert_told("its type is not known to this version", |damage| damage.put("key:3", 77, b"?"));
    assert_told("its type is kept in no parts", |damage| {
        damage.put("key:3", Kind::Str as u8 | IN_PARTS, &[1; 32]);
    });
}

#[test]
fn a_hash_that_cannot_be_read_is_told_with_its_record() {
    assert_told("its value cannot be decoded", |damage| damage.put("small", HASH, &[0, 5, b'f']));
    assert_told("its value has no items", |damage| damage.put("small", HASH, &[0]));
    let twice = [&stored("field")[..], &stored("field")[1..]].concat();
    assert_told("an item twice", |damage| damage.put("small", HASH, &twice));
    // Too long to be packed: there the second one would win.
    let long: Vec<u8> = [1].into_iter().chain(stored("field")[1..].repeat(400)).collect();
    assert_told("an item twice", |damage| damage.put("small", HASH, &long));
}

#[test]
fn a_record_that_lies_where_its_key_is_not_looked_for_is_told() {
    assert_told("its key has another hash", |damage| {
        let elsewhere = damage.hash("another") ^ 1;
        damage.put_at(elsewhere, "another", Kind::Str as u8, b"v");
        damage.set_meta(DatabaseMeta { keys: damage.meta.keys + 1, ..damage.meta });
    });
}

#[test]
fn a_head_that_does_not_fit_its_parts_is_told() {
    assert_told("2000 items are in its parts, not 2001", |damage| {
        let mut head = damage.large().head;
        head[8..16].copy_from_slice(&(FIELDS + 1).to_le_bytes());
        damage.put("large", HASH | IN_PARTS, &head);
    });
    assert_told("a number that was never given out", |damage| {
        let mut head = damage.large().head;
        head[0] = 200;
        damage.put("large", HASH | IN_PARTS, &head);
    });
    assert_told("another record has the same parts", |damage| {
        let head = damage.large().head;
        damage.put("small", HASH | IN_PARTS, &head);
    });
    assert_told("its value cannot be decoded", |damage| {
        let head = damage.large().head;
        damage.put("large", HASH | IN_PARTS, &head[..31]);
    });
}

#[test]
fn a_part_that_is_lost_or_belongs_to_nothing_is_told() {
    assert_told("items are in its parts, not 2000", |damage| {
        let (start, ..) = damage.large().parts[3];
        let deleted = damage.checkpoint.delete_part(damage.meta.keyspace, 1, start).unwrap();
        assert!(deleted);
    });
    assert_told("part 0:99:0000000000000007: it belongs to no record", |damage| {
        damage.put_part(99, 7, 9, HASH, &stored("field"));
    });
    assert_told("it belongs to no record", |damage| damage.put("large", Kind::Str as u8, b"v"));
}

#[test]
fn a_part_that_is_not_what_it_should_be_is_told() {
    assert_told("it is of another type than the value it belongs to", |damage| {
        let (start, until, _) = damage.large().parts[2];
        damage.put_part(1, start, until, Kind::Str as u8, b"text");
    });
    assert_told("its value cannot be decoded", |damage| {
        let (start, until, payload) = damage.large().parts.swap_remove(2);
        damage.put_part(1, start, until, HASH, &payload[..payload.len() - 1]);
    });
    assert_told("it has items that lie elsewhere", |damage| {
        let mut parts = damage.large().parts;
        let (other, (start, until, _)) = (parts.swap_remove(5).2, parts[2].clone());
        damage.put_part(1, start, until, HASH, &other);
    });
    assert_told("it overlaps with the part before", |damage| {
        let (start, _, payload) = damage.large().parts.swap_remove(2);
        damage.put_part(1, start, u64::MAX, HASH, &payload);
    });
}

#[test]
fn what_is_remembered_of_a_database_is_compared_with_what_is_there() {
    assert_told("database 0 should have 23 keys and has 22", |damage| {
        damage.set_meta(DatabaseMeta { keys: 23, ..damage.meta });
    });
    assert_told("database 5: another database has the same keyspace", |damage| {
        damage.set_meta(DatabaseMeta { index: 5, ..damage.meta });
    });
    assert_told("keyspace 0 with 22 keys belongs to no database", |damage| {
        damage.set_meta(DatabaseMeta { keyspace: 4000, keys: 0, ..damage.meta });
    });
    assert_told("its keyspace is on the list of what is removed", |damage| {
        damage.checkpoint.drop_later(Garbage::Keyspace(damage.meta.keyspace)).unwrap();
    });
}

#[test]
fn many_faults_of_a_kind_hide_no_other_and_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    {
        let store = Store::open(&dir.path().join("store")).unwrap();
        let keyspace = store.meta().unwrap()[0].keyspace;
        let mut checkpoint = store.checkpoint().unwrap();
        for value in 100..1100 {
            let part = NewPart { start: 0, until: 9, kind: HASH, payload: b"?" };
            checkpoint.put_part(keyspace, value, &part).unwrap();
        }
        let part = NewPart { start: 0, until: 9, kind: 100, payload: b"?" };
        checkpoint.put_part(keyspace, 2000, &part).unwrap();
        checkpoint.commit().unwrap();
    }
    let text = check(dir.path(), false, None).unwrap().to_string();
    assert!(text.contains("part 0:2000:0000000000000000: its type is not known"), "{text}");
    assert!(text.contains("and 980 times more: its value has no items"), "{text}");
    assert!(text.lines().count() < 80, "{text}");
}

/// Appends a frame to the log of a closed directory, and reads it.
#[track_caller]
fn assert_frame_told(told: Option<&str>, frame: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let position = check(dir.path(), false, None).unwrap().log.unwrap().last;
    let options = LogOptions::new(Durability::Always, 0);
    let (log, _) = Log::open(&dir.path().join("log"), position, options).unwrap().start().unwrap();
    log.append(frame);
    log.append(frame);
    log.close().unwrap();
    for repair in [false, true] {
        let report = check(dir.path(), repair, None).unwrap();
        let text = report.to_string();
        assert_eq!(report.log.unwrap().frames, 2, "{text}");
        let Some(told) = told else {
            assert_eq!(report.exit_code(), 0, "{text}");
            continue;
        };
        assert_eq!(report.exit_code(), 4, "{text}");
        let first = format!("2 frames cannot be replayed, the first at position {}", position + 1);
        assert!(text.contains(&first) && text.contains(told), "{text}");
    }
    // Opening agrees.
    let opened = Engine::open(dir.path(), Options::default());
    assert_eq!(opened.is_ok(), told.is_none(), "{opened:?}");
}

fn frame(database: u32, db: usize, command: &Command) -> Vec<u8> {
    let mut effects = Effects::new(true);
    effects.begin(database, 1_700_000_000_000);
    effects.push(db, command.iter());
    effects.frame().to_vec()
}

#[test]
fn a_frame_of_the_log_that_cannot_be_replayed_is_told() {
    assert_frame_told(None, &frame(0, 15, &cmd!("SET", "key", "value")));
    assert_frame_told(Some("it cannot be decoded"), &[0xff; 40]);
    assert_frame_told(Some("of another database"), &frame(1, 0, &cmd!("SET", "key", "value")));
    let beyond = frame(0, LOGICAL, &cmd!("SET", "key", "value"));
    assert_frame_told(Some("a logical database that does not exist"), &beyond);
    let unknown = frame(0, 0, &cmd!("FROBNICATE", "key"));
    assert_frame_told(Some("a command that this version does not know"), &unknown);
    assert_frame_told(Some("no engine would have written"), &frame(0, 0, &cmd!("SET", "key")));
}
