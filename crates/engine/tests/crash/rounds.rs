//! Kills at random moments, round after round on one directory.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use tuckbox_resp::{Reply, cmd};

use crate::{
    Rng,
    child::{Child, Settings},
    link::Link,
    model::{Found, Name},
    writer::{SWAPPER, Writer},
};

const WRITERS: usize = SWAPPER + 1;

/// What was done and found.
#[derive(Debug, Default)]
struct Figures {
    rounds: u64,
    kills: u64,
    kills_while_opening: u64,
    closes: u64,
    acknowledged: u64,
    in_doubt_done: u64,
    keys: u64,
}

#[test]
fn every_acknowledged_write_survives_kills_at_random_moments() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let rounds = number("TUCKBOX_CRASH_ROUNDS").unwrap_or(220);
    let seed = number("TUCKBOX_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("TUCKBOX_CRASH_SEED={seed}");
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::new(seed);
    let started = Instant::now();
    for round in 0..rounds {
        if let Err(problem) = run.round(&dir.path().join("data")) {
            // The files tell more than the message.
            let kept = dir.keep();
            panic!("seed {seed}, round {round}, files in {}: {problem}", kept.display());
        }
    }
    println!("{:?} in {:?}", run.figures, started.elapsed());
    assert!(run.figures.acknowledged > rounds, "hardly anything was written");
}

/// All writers, over all rounds.
struct Run {
    rng: Rng,
    writers: Vec<Writer>,
    /// What a reader has seen of the writers' counters, over all rounds.
    seen: Vec<i64>,
    figures: Figures,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let writers = (0..WRITERS).map(|number| Writer::new(number, rng.next())).collect();
        Self { rng, writers, seen: vec![0; WRITERS], figures: Figures::default() }
    }

    /// Opens, checks what the rounds before have left, writes, and ends the
    /// child, mostly by a kill.
    fn round(&mut self, dir: &Path) -> Result<(), String> {
        let rng = &mut self.rng;
        let settings = Settings {
            memory_limit: rng.pick(&[50_000, 1 << 20, 256 << 20]),
            checkpoint_log_bytes: rng.pick(&[10_000, 200_000, 8 << 20]),
            checkpoint_interval_ms: rng.pick(&[1, 20, 5_000]),
        };
        self.figures.rounds += 1;
        if rng.below(8) == 0 {
            let mut child = Child::start(dir, settings);
            thread::sleep(Duration::from_micros(rng.below(25_000)));
            child.kill();
            self.figures.kills_while_opening += 1;
            return Ok(());
        }
        let mut child = Child::start(dir, settings);
        child.wait_open()?;
        let mut link = child.connect();
        self.check(&mut link)?;
        if self.rng.below(10) == 0 {
            let done = link.run(cmd!("TEST.CHECKPOINT"));
            assert_eq!(done, Reply::OK);
            self.check(&mut link)?;
        }
        self.write_and_end(&mut child, link)
    }

    fn check(&mut self, link: &mut Link) -> Result<(), String> {
        let expiring: Vec<Name> = self.writers.iter().flat_map(Writer::expiring).collect();
        let found = Found::read(link, &expiring).ok_or("the child died while it was asked")?;
        for writer in &mut self.writers {
            self.figures.in_doubt_done += writer.check(&found)? as u64;
        }
        self.figures.keys += found.items.len() as u64;
        let counters = read_counters(link).ok_or("the child died while it was asked")?;
        for (number, (seen, counter)) in self.seen.iter().zip(counters).enumerate() {
            if counter < *seen {
                return Err(format!("{seen} of writer {number} was read, and now it is {counter}"));
            }
        }
        Ok(())
    }

    fn write_and_end(&mut self, child: &mut Child, mut link: Link) -> Result<(), String> {
        let close = self.rng.below(12) == 0;
        let span = Duration::from_millis(5 + self.rng.below(60));
        let into_the_close = Duration::from_micros(self.rng.below(20_000));
        let stop = AtomicBool::new(false);
        let before: u64 = self.writers.iter().map(|writer| writer.acknowledged).sum();
        thread::scope(|scope| {
            let reader = child.connect();
            let (seen, stop) = (&mut self.seen, &stop);
            scope.spawn(move || read_until_gone(reader, seen, stop));
            for writer in &mut self.writers {
                let link = child.connect();
                scope.spawn(move || writer.run(link, stop));
            }
            thread::sleep(span);
            if close {
                stop.store(true, Ordering::Relaxed);
            } else {
                child.kill();
            }
        });
        let after: u64 = self.writers.iter().map(|writer| writer.acknowledged).sum();
        self.figures.acknowledged += after - before;
        if !close {
            self.figures.kills += 1;
            return Ok(());
        }
        // Every second close is cut off on its way.
        self.figures.closes += 1;
        link.send(&[cmd!("TEST.CLOSE")]).map_err(|error| error.to_string())?;
        if self.figures.closes.is_multiple_of(2) {
            thread::sleep(into_the_close);
            child.kill();
        } else {
            child.wait();
        }
        Ok(())
    }
}

fn read_counters(link: &mut Link) -> Option<Vec<i64>> {
    let counters = (0..WRITERS).map(|number| cmd!("GET", Writer::counter(number)));
    let replies = link.ask(&counters.collect::<Vec<_>>())?;
    let counter = |reply: Reply| {
        let bytes = reply.into_bytes().expect("a string");
        bytes.map_or(0, |digits| std::str::from_utf8(&digits).unwrap().parse().unwrap())
    };
    Some(replies.into_iter().map(counter).collect())
}

/// Keeps the highest counters that the engine has shown.
fn read_until_gone(mut link: Link, seen: &mut [i64], stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed)
        && let Some(counters) = read_counters(&mut link)
    {
        for (seen, counter) in seen.iter_mut().zip(counters) {
            assert!(counter >= *seen, "a counter went back from {seen} to {counter}");
            *seen = counter;
        }
    }
}
