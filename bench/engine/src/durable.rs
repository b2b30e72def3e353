//! How many durable writes a second, beside what the disk does for one writer alone.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{runtime, task::JoinSet};
use tuckbox_engine::{Engine, Options};
use tuckbox_resp::{Command, cmd};

use crate::{
    failure::{Failure, accepted},
    keys::{VALUE_BYTES, value},
};

const WRITERS: u64 = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);
const APPEND: [u8; 4096] = [b'a'; 4096];

/// Each way of writing in turns, so that all meet the same disk.
pub(crate) fn measure(dir: &Path) -> Result<Value, Failure> {
    let engine = Engine::open(dir.join("engine"), Options::default())?;
    let (mut alone, mut tasks, mut threads) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(syncs_per_second(&dir.join("alone"))?);
        tasks.push(by_tasks(&engine)?);
        threads.push(by_threads(&engine)?);
    }
    engine.close()?;
    let case = |writers: String, rates: &[f64]| {
        let ratios = rates.iter().zip(&alone).map(|(rate, alone)| rate / alone);
        json!({
            "writers": writers,
            "writes_per_second": median(rates.iter().copied()),
            "ratio": median(ratios),
        })
    };
    Ok(json!({
        "writers": WRITERS,
        "value_bytes": VALUE_BYTES,
        "rounds": ROUNDS,
        "seconds": ROUND.as_secs_f64(),
        "syncs_per_second": median(alone.iter().copied()),
        "cases": [
            case(format!("{WRITERS} tasks of one thread, `always`"), &tasks),
            case(format!("{WRITERS} threads, `always`"), &threads),
        ],
    }))
}

/// The disk's own rate: append 4 KiB, `fdatasync`, one after the other.
fn syncs_per_second(path: &Path) -> Result<f64, Failure> {
    let mut file: File = OpenOptions::new().create(true).append(true).open(path)?;
    let rate = rate_of(|| {
        file.write_all(&APPEND)?;
        file.sync_data()?;
        Ok(())
    })?;
    fs::remove_file(path)?;
    Ok(rate)
}

fn by_tasks(engine: &Engine) -> Result<f64, Failure> {
    let runtime = runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let began = Instant::now();
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let engine = engine.clone();
            writers.spawn(async move {
                let mut connection = engine.connection();
                let mut done = 0;
                while began.elapsed() < ROUND {
                    let executed = connection.execute(&write(writer, done));
                    accepted(executed.reply)?;
                    engine.durable(executed.position).await?;
                    done += 1;
                }
                Ok::<u64, Failure>(done)
            });
        }
        let mut done = 0;
        while let Some(writer) = writers.join_next().await {
            done += writer.map_err(|_| Failure::Writer)??;
        }
        Ok(done as f64 / began.elapsed().as_secs_f64())
    })
}

fn by_threads(engine: &Engine) -> Result<f64, Failure> {
    let began = Instant::now();
    let work = |writer: u64| {
        let mut connection = engine.connection();
        let mut done = 0;
        while began.elapsed() < ROUND {
            let executed = connection.execute(&write(writer, done));
            accepted(executed.reply)?;
            engine.wait_durable(executed.position)?;
            done += 1;
        }
        Ok::<u64, Failure>(done)
    };
    let done = thread::scope(|scope| {
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| scope.spawn(move || work(writer))).collect();
        let counts =
            writers.into_iter().map(|writer| writer.join().map_err(|_| Failure::Writer)?);
        counts.sum::<Result<u64, Failure>>()
    })?;
    Ok(done as f64 / began.elapsed().as_secs_f64())
}

/// Every writer has a thousand keys of its own, so that the database stays the same size.
fn write(writer: u64, number: u64) -> Command {
    cmd!("SET", format!("key:{writer}:{}", number % 1000), &value(number))
}

fn rate_of(mut work: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let began = Instant::now();
    let mut done = 0.0;
    while began.elapsed() < ROUND {
        work()?;
        done += 1.0;
    }
    Ok(done / began.elapsed().as_secs_f64())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
