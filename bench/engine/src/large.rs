//! Databases that are larger than the memory they may take: point reads and writes, what the
//! process holds, and the first answer after a start.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command as Process, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tuckbox_engine::{Connection, Durability, Engine, Options};
use tuckbox_resp::{Command, cmd};

use crate::{
    failure::{Failure, accepted},
    keys::Numbers,
};

/// What the engine may keep in memory.
const LIMIT: usize = 256 << 20;
const KEYS: u64 = 20_000_000;
const FIELDS: u64 = 5_000_000;
/// Bytes of a value: with their names, both make 2 GB.
const KEY_VALUE: usize = 80;
const FIELD_VALUE: usize = 385;
/// Calls of a kind that are measured.
const CALLS: usize = 200_000;
/// Keys that are read all the time while everything is gone through.
const HOT: u64 = 10_000;
/// Sizes of the databases that are started.
const STARTS: [u64; 3] = [10_000, 1_000_000, KEYS];
/// Starts of each kind, of which the median counts.
const TIMES: usize = 10;
/// Writers at work before the process is killed.
const WRITE_BEFORE_KILL: Duration = Duration::from_secs(2);
/// Bytes after which the memory is looked at.
const LOOK_EVERY: u64 = 4096;

/// What has a name and a value: keys, or the fields of one hash.
#[derive(Clone, Copy)]
enum Items {
    Keys,
    Fields,
}

impl Items {
    fn set(self, number: u64) -> Command {
        match self {
            Self::Keys => cmd!("SET", name(number), value(number, KEY_VALUE)),
            Self::Fields => cmd!("HSET", "large", name(number), value(number, FIELD_VALUE)),
        }
    }

    fn get(self, number: u64) -> Command {
        match self {
            Self::Keys => cmd!("GET", name(number)),
            Self::Fields => cmd!("HGET", "large", name(number)),
        }
    }
}

/// Twenty bytes.
fn name(number: u64) -> String {
    format!("key:{number:016}")
}

fn value(number: u64, bytes: usize) -> Vec<u8> {
    let mut numbers = Numbers(number);
    std::iter::repeat_with(|| numbers.next().to_le_bytes()).flatten().take(bytes).collect()
}

fn options() -> Options {
    Options { memory_limit: LIMIT, durability: Durability::EverySec, ..Options::default() }
}

/// The largest anonymous memory that this process was seen to have, in KiB.
#[derive(Default)]
struct Most {
    kib: u64,
    looks: u64,
}

impl Most {
    fn look(&mut self) -> Result<(), Failure> {
        self.looks += 1;
        if self.looks.is_multiple_of(LOOK_EVERY) {
            self.kib = self.kib.max(anonymous_kib()?);
        }
        Ok(())
    }
}

fn anonymous_kib() -> Result<u64, Failure> {
    status("RssAnon:")
}

fn status(name: &str) -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other("no figures of this process's memory").into())
}

/// All of it; fills databases in `dir` of up to 2 GB, 10 GB on the disk.
/// `share`: a part of the data, to try it.
pub(crate) fn measure(dir: &Path, share: u64) -> Result<Value, Failure> {
    let idle = anonymous_kib()?;
    let per_key = bytes_per_key(dir)?;
    let (all_keys, all_fields) = (KEYS / share, FIELDS / share);
    let keys = of_items(&dir.join("keys"), Items::Keys, all_keys)?;
    let mut starts = Vec::new();
    for count in STARTS.map(|count| count.min(all_keys)) {
        let is_there = count == all_keys;
        let place = if is_there { dir.join("keys") } else { dir.join(count.to_string()) };
        if !is_there {
            let engine = Engine::open(&place, options())?;
            fill(&mut engine.connection(), Items::Keys, count, &mut Most::default())?;
            engine.close()?;
        }
        starts.push(start(&place, count)?);
        if !is_there {
            fs::remove_dir_all(&place)?;
        }
    }
    fs::remove_dir_all(dir.join("keys"))?;
    let fields = of_items(&dir.join("fields"), Items::Fields, all_fields)?;
    fs::remove_dir_all(dir.join("fields"))?;
    Ok(json!({
        "limit_bytes": LIMIT, "idle_kib": idle, "calls": CALLS, "hot": HOT, "times": TIMES,
        "keys": keys, "fields": fields, "starts": starts, "bytes_per_key": per_key,
    }))
}

/// Asks another process, whose memory is all free when it ends.
fn bytes_per_key(dir: &Path) -> Result<u64, Failure> {
    let (mut child, mut answers) = child("bytes-per-key", dir, 0)?;
    let mut line = String::new();
    answers.read_line(&mut line)?;
    child.wait()?;
    line.trim().parse().map_err(|_| Failure::Writer)
}

/// Bytes that this process takes for each of a million keys of 20 bytes with values of 100.
pub(crate) fn per_key() -> Result<(), Failure> {
    const COUNT: u64 = 1_000_000;
    let engine = Engine::in_memory(Options { memory_limit: 8 << 30, ..Options::default() })?;
    let mut connection = engine.connection();
    let before = anonymous_kib()?;
    for number in 0..COUNT {
        let set = cmd!("SET", name(number), value(number, 100));
        accepted(connection.execute(&set).reply)?;
    }
    writeln!(io::stdout(), "{}", (anonymous_kib()? - before) * 1024 / COUNT)?;
    Ok(())
}

/// Puts items into an empty engine, in random order.
fn fill(
    connection: &mut Connection,
    items: Items,
    count: u64,
    most: &mut Most,
) -> Result<(), Failure> {
    // Steps of a number that shares no factor with the count meet every one.
    let step = 7_368_787;
    for number in 0..count {
        accepted(connection.execute(&items.set(number * step % count)).reply)?;
        most.look()?;
    }
    Ok(())
}

fn of_items(dir: &Path, items: Items, count: u64) -> Result<Value, Failure> {
    let engine = Engine::open(dir, options())?;
    let mut connection = engine.connection();
    let mut filling = Most::default();
    let began = Instant::now();
    fill(&mut connection, items, count, &mut filling)?;
    engine.checkpoint()?;
    let seconds = began.elapsed().as_secs_f64();
    let mut working = Most::default();
    let (mut reads, mut writes) = (Vec::with_capacity(CALLS), Vec::with_capacity(CALLS));
    let mut numbers = Numbers(7);
    for _ in 0..CALLS {
        reads.push(timed(&mut connection, &items.get(numbers.below(count)))?);
        writes.push(timed(&mut connection, &items.set(numbers.below(count)))?);
        working.look()?;
    }
    let (accounted, end_kib) = (engine.stats().memory, anonymous_kib()?);
    let hot = hot_set(&mut connection, items, count, &mut working)?;
    let one = one_change(&engine, &mut connection, items, count / 2)?;
    drop(connection);
    engine.close()?;
    Ok(json!({
        "count": count,
        "fill_seconds": seconds,
        "fill_most_kib": filling.kib,
        "most_kib": working.kib,
        "counted_bytes": accounted,
        "end_kib": end_kib,
        "read": times(reads),
        "write": times(writes),
        "hot": hot,
        "one_change_bytes": one,
        "store_bytes": fs::metadata(dir.join("store/data.mdb"))?.len(),
    }))
}

fn timed(connection: &mut Connection, command: &Command) -> Result<Duration, Failure> {
    let began = Instant::now();
    let reply = connection.execute(command).reply;
    let time = began.elapsed();
    accepted(reply)?;
    Ok(time)
}

fn times(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |part: f64| {
        let index = (times.len() as f64 * part) as usize;
        times[index.min(times.len() - 1)].as_nanos() as u64
    };
    json!({ "median_ns": at(0.5), "p99_ns": at(0.99), "p999_ns": at(0.999) })
}

/// Reads a few items again and again, alone and while everything is gone through.
fn hot_set(
    connection: &mut Connection,
    items: Items,
    count: u64,
    most: &mut Most,
) -> Result<Value, Failure> {
    let mut numbers = Numbers(11);
    let mut hot = |connection: &mut Connection, most: &mut Most| {
        most.look()?;
        timed(connection, &items.get(numbers.below(HOT) * (count / HOT)))
    };
    for _ in 0..HOT * 20 {
        hot(connection, most)?;
    }
    let mut alone = Vec::new();
    for _ in 0..CALLS {
        alone.push(hot(connection, most)?);
    }
    let mut during = Vec::new();
    let (mut cursor, mut found) = ("0".to_owned(), 0);
    loop {
        let step = match items {
            Items::Keys => cmd!("SCAN", &cursor, "COUNT", 200),
            Items::Fields => cmd!("HSCAN", "large", &cursor, "COUNT", 200),
        };
        let [next, keys] = <[_; 2]>::try_from(
            accepted(connection.execute(&step).reply)?.into_array().unwrap_or_default(),
        )
        .map_err(|_| io::Error::other("a scan answers two things"))?;
        found += keys.into_array().unwrap_or_default().len() as u64;
        cursor = next
            .into_bytes()
            .ok()
            .flatten()
            .map_or_else(String::new, |bytes| String::from_utf8_lossy(&bytes).into_owned());
        for _ in 0..20 {
            during.push(hot(connection, most)?);
        }
        if cursor == "0" {
            break;
        }
    }
    Ok(json!({ "alone": times(alone), "during": times(during), "scanned": found }))
}

/// Bytes that a checkpoint gives to the store after one item was changed.
fn one_change(
    engine: &Engine,
    connection: &mut Connection,
    items: Items,
    number: u64,
) -> Result<u64, Failure> {
    engine.checkpoint()?;
    accepted(connection.execute(&items.set(number)).reply)?;
    let before = written()?;
    engine.checkpoint()?;
    Ok(written()? - before)
}

fn written() -> Result<u64, Failure> {
    let io = fs::read_to_string("/proc/thread-self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    let number = line.and_then(|line| line.parse().ok());
    number.ok_or_else(|| io::Error::other("no figures of this thread's writes").into())
}

/// Starts a process on the data again and again: after it ended in order, and after it was
/// killed while it wrote.
fn start(dir: &Path, keys: u64) -> Result<Value, Failure> {
    let median = |prepare: &dyn Fn() -> Result<(), Failure>| -> Result<f64, Failure> {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            prepare()?;
            times.push(first_answer(dir, keys)?.as_secs_f64() * 1e3);
        }
        times.sort_unstable_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    };
    let clean = median(&|| Ok(()))?;
    let killed = median(&|| kill_while_writing(dir, keys))?;
    Ok(json!({ "keys": keys, "clean_ms": clean, "killed_ms": killed }))
}

/// Another process of this program, whose answers are read.
fn child(
    role: &str,
    dir: &Path,
    keys: u64,
) -> Result<(Child, BufReader<std::process::ChildStdout>), Failure> {
    let mut child = Process::new(env::current_exe()?)
        .args([role.as_ref(), dir.as_os_str(), keys.to_string().as_ref()])
        .stdout(Stdio::piped())
        .stdin(Stdio::piped())
        .spawn()?;
    let answers = child.stdout.take().ok_or(Failure::Writer)?;
    Ok((child, BufReader::new(answers)))
}

/// From the start of a process to its answer to a `GET`.
fn first_answer(dir: &Path, keys: u64) -> Result<Duration, Failure> {
    let began = Instant::now();
    let (mut child, mut answers) = child("first-answer", dir, keys)?;
    let mut line = String::new();
    answers.read_line(&mut line)?;
    let time = began.elapsed();
    child.wait()?;
    if line == "found\n" { Ok(time) } else { Err(Failure::Writer) }
}

fn kill_while_writing(dir: &Path, keys: u64) -> Result<(), Failure> {
    let (mut child, mut answers) = child("write", dir, keys)?;
    let mut line = String::new();
    answers.read_line(&mut line)?;
    std::thread::sleep(WRITE_BEFORE_KILL);
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// The process that [`first_answer`] starts.
pub(crate) fn answer_once(dir: &Path, keys: u64) -> Result<(), Failure> {
    let engine = Engine::open(dir, options())?;
    let mut connection = engine.connection();
    let reply = accepted(connection.execute(&Items::Keys.get(keys / 3)).reply)?;
    if reply.into_bytes().ok().flatten().is_some() {
        writeln!(io::stdout(), "found")?;
    }
    drop(connection);
    Ok(engine.close()?)
}

/// The process that [`kill_while_writing`] ends.
pub(crate) fn write_on(dir: &Path, keys: u64) -> Result<(), Failure> {
    let engine = Engine::open(dir, options())?;
    let mut connection = engine.connection();
    writeln!(io::stdout(), "open")?;
    let mut numbers = Numbers(u64::from(std::process::id()));
    loop {
        let number = numbers.below(keys);
        accepted(connection.execute(&Items::Keys.set(number)).reply)?;
    }
}
