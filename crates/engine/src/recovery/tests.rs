//! What is run of the log's tail, and when.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;
use tuckbox_resp::{Command, ErrorReply, Reply, cmd, table};

use crate::{
    ManualClock, OpenError, Options, Stats, checkpoint, commands,
    database::{Call, Database},
    effects::Effects,
    files::Files,
    log::{Log, LogOptions, Position},
};

/// Unix time at which the tests' clocks start, in milliseconds.
const START: u64 = 1_000_000_000;

/// A database without a background, whose process can be made to crash.
pub(crate) struct Opened {
    pub(crate) database: Database,
    pub(crate) clock: ManualClock,
    dir: PathBuf,
    /// Where the directories of this and of all that follow it are.
    home: Arc<TempDir>,
    /// How often it crashed.
    crashes: usize,
}

impl Opened {
    /// An empty database.
    pub(crate) fn new() -> Self {
        let home = Arc::new(tempfile::tempdir().unwrap());
        let dir = home.path().join("0");
        let clock = ManualClock::at(START);
        let database = open(&dir, &clock).unwrap();
        Self { database, clock, dir, home, crashes: 0 }
    }

    /// The log and the store.
    pub(crate) fn files(&self) -> &Files {
        self.database.files.as_ref().unwrap()
    }

    /// Runs a transaction of commands, each on a logical database.
    pub(crate) fn transact(&self, commands: &[(usize, Command)]) -> Result<Vec<Reply>, ErrorReply> {
        let calls: Vec<Call> = commands.iter().map(|(db, command)| call(*db, command)).collect();
        let ran = self.database.run(&calls, true, |running| {
            calls.iter().map(|call| running.call(call)).collect::<Vec<_>>()
        });
        ran.map(|(replies, _)| replies)
    }

    /// Runs the words of `line` on logical database 0.
    pub(crate) fn run(&self, line: &str) -> Reply {
        self.transact(&[(0, words(line))])
            .map_or_else(Reply::Error, |mut replies| replies.remove(0))
    }

    /// Makes a checkpoint.
    pub(crate) fn save(&self) {
        let done = checkpoint::run(&self.database, self.files()).unwrap();
        self.files().log.trim(done.unwrap_or_default().position).unwrap();
    }

    /// The database as the next process finds it when this one is killed now.
    pub(crate) fn crash(self) -> Self {
        self.files().log.wait(self.files().log.last()).unwrap();
        let dir = self.home.path().join((self.crashes + 1).to_string());
        copy(&self.dir, &dir);
        let database = open(&dir, &self.clock).unwrap();
        let (clock, home) = (self.clock.clone(), Arc::clone(&self.home));
        Self { database, clock, dir, home, crashes: self.crashes + 1 }
    }

    /// How many effects of the log were not run yet.
    pub(crate) fn pending(&self) -> usize {
        self.database.lock().pending.as_ref().map_or(0, |pending| pending.len())
    }

    /// How often the store was read.
    fn reads(&self) -> u64 {
        self.files().records.reads()
    }
}

fn open(dir: &Path, clock: &ManualClock) -> Result<Database, OpenError> {
    std::fs::create_dir_all(dir.join("store")).unwrap();
    let options = Options {
        clock: Arc::new(clock.clone()),
        log_segment_bytes: 64 * 1024,
        part_bytes: 256,
        ..Options::default()
    };
    super::open(dir, options, 7)
}

/// Copies the files as a crash of the process would leave them.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

pub(crate) fn call(db: usize, command: &Command) -> Call {
    let spec = table::lookup(command.name()).unwrap();
    let handler = commands::handler(spec).unwrap();
    Call { spec, handler, command: command.clone(), db }
}

/// `line` as a command of words.
pub(crate) fn words(line: &str) -> Command {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    words.for_each(|word| command.push(word));
    command.build()
}

fn bulk(text: &str) -> Reply {
    Reply::bulk(text.as_bytes())
}

/// 300 keys in the store, and two effects on each of them in the log.
fn cold() -> Opened {
    let opened = Opened::new();
    for n in 0..300 {
        opened.run(&format!("SET key:{n} old"));
    }
    opened.save();
    for n in 0..300 {
        opened.run(&format!("APPEND key:{n} er"));
        opened.run(&format!("APPEND key:{n} still"));
    }
    opened.crash()
}

#[test]
fn opening_reads_no_key_and_a_command_runs_what_concerns_its_key() {
    let opened = cold();
    assert_eq!((opened.reads(), opened.pending()), (0, 600));
    assert_eq!(opened.run("GET key:7"), bulk("olderstill"));
    assert!((1..=2).contains(&opened.reads()), "{}", opened.reads());
    // Of so few keys hardly two have hashes that begin alike.
    let left = opened.pending();
    assert!((590..=598).contains(&left), "{left}");
    assert_eq!(opened.run("SET key:8 new"), Reply::OK);
    assert_eq!(opened.run("GET key:8"), bulk("new"));
    assert_eq!(opened.run("EXISTS key:9 key:10 none"), Reply::Integer(2));
    assert!((580..=592).contains(&opened.pending()), "{}", opened.pending());
}

#[test]
fn a_key_that_is_watched_is_brought_up_to_date_first() {
    let opened = cold();
    let seen = opened.database.run_watched(&[], &[(0, b"key:3")], false, |_| ());
    seen.unwrap();
    assert!(opened.pending() <= 598);
}

#[test]
fn commands_on_all_keys_see_what_waits() {
    for (line, expected) in
        [("DBSIZE", Reply::Integer(301)), ("FLUSHALL", Reply::OK), ("SWAPDB 0 1", Reply::OK)]
    {
        let opened = cold();
        opened.run("SET another 1");
        assert_eq!(opened.run(line), expected);
        assert_eq!(opened.pending(), 0, "{line}");
        assert!(opened.database.lock().pending.is_none());
    }
    let opened = cold();
    let keys = opened.run("KEYS *").into_array().unwrap();
    assert_eq!(keys.len(), 300);
}

#[test]
fn counters_say_what_waits_and_wait_for_nothing() {
    let opened = cold();
    let stats = || Stats::of(&opened.database, &opened.database.lock());
    assert_eq!((stats().pending, stats().store_reads), (600, 0));
    opened.database.settle().unwrap();
    assert_eq!((stats().pending, stats().keys), (0, 300));
}

#[test]
fn keys_that_a_script_does_not_declare_are_brought_up_to_date() {
    let opened = cold();
    let script = |body: &str| {
        let eval = cmd!("EVAL", body, 0);
        opened.transact(&[(0, eval)]).unwrap().remove(0)
    };
    assert_eq!(script("return redis.call('GET', 'key:5')"), bulk("olderstill"));
    assert!(opened.pending() > 500);
    // A script that has written before: its frame goes on after the replay.
    script(
        "redis.call('SET', 'own', 1) redis.call('APPEND', 'key:6', '!') redis.call('INCR', 'own')",
    );
    let size = "redis.call('SET', 'own', 7) return redis.call('DBSIZE')";
    assert_eq!(script(size), Reply::Integer(301));
    assert_eq!(opened.pending(), 0);
    let again = opened.crash();
    assert_eq!(again.run("GET key:6"), bulk("olderstill!"));
    assert_eq!(again.run("GET own"), bulk("7"));
}

#[test]
fn commands_on_many_keys_wait_for_each_key_alone() {
    let opened = Opened::new();
    opened.run("MSET a 1 b 2 c 3 b 4");
    opened.run("DEL c d a");
    opened.run("SET d 5");
    opened.run("UNLINK d");
    let opened = opened.crash();
    assert_eq!(opened.pending(), 9);
    assert_eq!(opened.run("GET a"), Reply::Null);
    assert_eq!(opened.pending(), 7);
    assert_eq!(opened.run("GET b"), bulk("4"));
    assert_eq!(opened.pending(), 5);
    assert_eq!(opened.run("DBSIZE"), Reply::Integer(1));
}

#[test]
fn what_a_flush_undoes_is_not_run() {
    for (flush, left) in [("FLUSHALL", 1), ("FLUSHDB", 2)] {
        let opened = Opened::new();
        for n in 0..100 {
            opened.run(&format!("SET key:{n} old"));
        }
        opened.save();
        opened.transact(&[(5, words("SET other 1"))]).unwrap();
        for n in 0..200 {
            opened.run(&format!("SET key:{n} new"));
        }
        opened.run(flush);
        opened.run("SET key:1 last");
        let opened = opened.crash();
        assert_eq!((opened.reads(), opened.pending()), (0, left));
        assert_eq!(opened.run("GET key:2"), Reply::Null);
        assert_eq!(opened.run("GET key:1"), bulk("last"));
        assert_eq!(opened.run("DBSIZE"), Reply::Integer(1));
        opened.save();
        assert_eq!(opened.crash().run("DBSIZE"), Reply::Integer(1));
    }
}

#[test]
fn what_concerns_several_keys_is_run_in_its_order() {
    let opened = Opened::new();
    opened.run("SET a 1");
    opened.run("HSET h f v");
    opened.save();
    opened.run("APPEND a 2");
    opened.run("RENAME a b");
    opened.run("APPEND b 3");
    opened.run("COPY b c");
    opened.run("APPEND c 4");
    opened.run("MOVE h 3");
    opened.transact(&[(3, words("HSET h g w"))]).unwrap();
    opened.run("SWAPDB 0 3");
    opened.run("HDEL h f");
    let opened = opened.crash();
    assert_eq!(opened.pending(), 1, "what comes after the last one waits");
    assert_eq!(opened.run("HGET h f"), Reply::Null);
    assert_eq!(opened.run("HLEN h"), Reply::Integer(1));
    let get = |key: &str| opened.transact(&[(3, cmd!("GET", key))]).unwrap().remove(0);
    assert_eq!([get("a"), get("b"), get("c")], [Reply::Null, bulk("123"), bulk("1234")]);
}

#[test]
fn replies_wait_for_what_was_written_since_and_not_for_what_was_recovered() {
    let opened = Opened::new();
    opened.run("SET a 1");
    opened.save();
    opened.run("APPEND a 2");
    opened.run("SET t 1");
    opened.run("DEL t");
    let opened = opened.crash();
    let log = &opened.files().log;
    // The position that the reply has to wait for: 0 when it need not.
    let of = |line: &str| opened.database.execute(&call(0, &words(line)), true).1;
    // Nothing is synced for a while.
    log.cork();
    of("SET own 1");
    let last = of("DEL own");
    assert_eq!(of("GET a"), 0);
    opened.database.settle().unwrap();
    for line in ["DBSIZE", "GET own"] {
        assert!(of(line) == last || log.is_durable(last), "{line}");
    }
    log.uncork();
}

#[test]
fn a_checkpoint_comes_after_everything_was_run() {
    let opened = cold();
    opened.save();
    assert_eq!(opened.pending(), 0);
    let opened = opened.crash();
    assert_eq!(opened.run("GET key:299"), bulk("olderstill"));
    assert_eq!(opened.run("DBSIZE"), Reply::Integer(300));
}

#[test]
fn a_chain_longer_than_a_slice_is_run_whole() {
    let opened = Opened::new();
    for _ in 0..1_000 {
        opened.run("INCR n");
    }
    let opened = opened.crash();
    opened.database.settle_some(opened.files()).unwrap();
    let left = opened.pending();
    assert!((1..1_000).contains(&left), "{left}");
    assert_eq!(opened.run("GET n"), bulk("1000"));
    assert_eq!(opened.pending(), 0);
}

// ---- Logs that no engine has written ----

/// Frames in the log of an empty database, each of effects on logical databases.
fn forged(frames: &[&[(usize, &str)]]) -> (PathBuf, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let options = LogOptions::new(crate::Durability::Always, 1);
    let (log, _) = Log::open(&dir.join("log"), 0, options).unwrap().start().unwrap();
    for frame in frames {
        let mut effects = Effects::new(true);
        effects.begin(0, START);
        for (db, line) in *frame {
            effects.push(*db, words(line).iter());
        }
        log.append(effects.frame());
    }
    log.close().unwrap();
    (dir, home)
}

#[test]
fn a_log_that_cannot_be_replayed_is_refused() {
    for effect in [
        (0, "NOSUCHCOMMAND k"),
        (16, "SET k v"),
        (0, "SET k"),
        (0, "MSET k v l"),
        (0, "PING"),
        (0, "RENAME none other"),
        (0, "FLUSHALL NONSENSE"),
    ] {
        let (dir, _home) = forged(&[&[(0, "SET a 1")], &[(0, "SET b 1"), effect]]);
        let refused: Position = match open(&dir, &ManualClock::at(START)) {
            Err(OpenError::Frame { position, .. }) => position,
            other => panic!("{effect:?}: {other:?}"),
        };
        assert_eq!(refused, 2, "{effect:?}");
    }
}

#[test]
fn an_effect_that_fails_later_stops_everything_and_the_log_stays() {
    let (dir, home) = forged(&[&[(0, "SET a 1"), (0, "SET s text")], &[(0, "HSET s f v")]]);
    for _ in 0..2 {
        let clock = ManualClock::at(START);
        let database = open(&dir, &clock).unwrap();
        let home = Arc::new(tempfile::tempdir_in(home.path()).unwrap());
        let opened = Opened { database, clock, dir: dir.clone(), home, crashes: 0 };
        assert_eq!(opened.run("GET a"), bulk("1"));
        for line in ["GET s", "GET a", "SET a 2", "DBSIZE", "GET none"] {
            let Reply::Error(error) = opened.run(line) else { panic!("{line}") };
            assert!(error.text().contains("could not be applied"), "{line}: {error:?}");
        }
        let saved = checkpoint::run(&opened.database, opened.files());
        assert!(saved.unwrap_err().to_string().contains("frame 2"));
        assert!(opened.files().checkpoint_failure().unwrap().contains("frame 2"));
        opened.files().log.close().unwrap();
        opened.files().records.close();
    }
}
