//! Kills at random moments and at named steps, round after round on one directory.
//!
//! `TUCKBOX_CRASH_ROUNDS` says how many, `TUCKBOX_CRASH_SEED` repeats a run.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use tuckbox_resp::{Reply, cmd};

use crate::{
    Rng,
    child::{Child, Connector, Settings},
    disk::Disk,
    link::Link,
    model::{Found, Name},
    steps::{STEPS, Step},
    writer::{SWAPPER, Writer},
};

pub(crate) const WRITERS: usize = SWAPPER + 1;

/// A child that has not come to its step after so long is killed where it is.
const STEP_PATIENCE: Duration = Duration::from_secs(3);

/// What was done and found.
#[derive(Debug, Default)]
struct Figures {
    rounds: u64,
    kills: u64,
    kills_while_opening: u64,
    kills_at_steps: BTreeMap<&'static str, u64>,
    steps_not_met: u64,
    closes: u64,
    acknowledged: u64,
    in_doubt_done: u64,
    keys: u64,
}

#[test]
fn every_acknowledged_write_survives_kills_at_any_moment() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let rounds = number("TUCKBOX_CRASH_ROUNDS").unwrap_or(220);
    let seed = number("TUCKBOX_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("TUCKBOX_CRASH_SEED={seed}");
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::new(seed);
    let started = Instant::now();
    for round in 0..rounds {
        if round > 0 && round.is_multiple_of(1000) {
            println!("{round} rounds in {:?}", started.elapsed());
        }
        if let Err(problem) = run.round(&dir.path().join("data")) {
            // The files tell more than the message.
            let kept = dir.keep();
            panic!("seed {seed}, round {round}, files in {}: {problem}", kept.display());
        }
    }
    println!("{:#?} in {:?}", run.figures, started.elapsed());
    assert!(run.figures.acknowledged > rounds, "hardly anything was written");
    let met = |step: &Step| step.rare || run.figures.kills_at_steps.contains_key(step.name);
    let missed: Vec<_> = STEPS.iter().filter(|step| !met(step)).map(|step| step.name).collect();
    // Each step comes up every `2 * STEPS.len()` rounds.
    assert!(missed.is_empty() || rounds < 200, "never killed {missed:?}");
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
    /// child, mostly by a kill: in every second round at one of the steps.
    fn round(&mut self, dir: &Path) -> Result<(), String> {
        let rng = &mut self.rng;
        let settings = Settings {
            memory_limit: rng.pick(&[50_000, 1 << 20, 256 << 20]),
            part_bytes: rng.pick(&[40, 300, 1920]),
            log_segment_bytes: rng.pick(&[64 << 10, 256 << 10, 16 << 20]),
            checkpoint_log_bytes: rng.pick(&[10_000, 200_000, 8 << 20]),
            checkpoint_interval_ms: rng.pick(&[1, 20, 5_000]),
        };
        self.figures.rounds += 1;
        if self.figures.rounds.is_multiple_of(2) {
            let step = STEPS[(self.figures.rounds / 2) as usize % STEPS.len()];
            return self.round_to(&step, dir, settings);
        }
        if rng.below(8) == 0 {
            let mut child = Child::start(dir, settings);
            thread::sleep(Duration::from_micros(rng.below(25_000)));
            child.kill();
            self.figures.kills_while_opening += 1;
            return Ok(());
        }
        let mut child = Child::open(dir, settings);
        let mut link = child.connect();
        self.check(&mut link)?;
        if self.rng.below(10) == 0 {
            let done = link.run(cmd!("TEST.CHECKPOINT"));
            assert_eq!(done, Reply::OK);
            self.check(&mut link)?;
        }
        self.write_and_end(&mut child, link)
    }

    /// A round that ends at `step`.
    fn round_to(&mut self, step: &Step, dir: &Path, settings: Settings) -> Result<(), String> {
        // Checkpoints and new segments come soon.
        let settings = Settings {
            log_segment_bytes: 64 << 10,
            checkpoint_log_bytes: 20_000,
            checkpoint_interval_ms: 10,
            ..settings
        };
        std::fs::create_dir_all(dir).unwrap();
        let disk = Disk::new(dir.parent().unwrap());
        if step.opening {
            step.arm(&disk, None, &mut self.rng);
        }
        let mut child = Child::start_on(Some(&disk), dir, settings);
        let opened = child.wait_open();
        disk.heal();
        let opened = opened.and_then(|()| {
            let mut link = child.connector().connect().ok_or("the child is gone")?;
            self.check(&mut link)?;
            Ok(link)
        });
        let mut link = match opened {
            Ok(link) => link,
            // At its step, or at the next such call, right behind the opening.
            Err(_) if disk.was_deadly() => {
                *self.figures.kills_at_steps.entry(step.name).or_default() += 1;
                return Ok(());
            }
            Err(problem) => return Err(problem),
        };
        if !step.opening {
            step.arm(&disk, Some(&mut link), &mut self.rng);
        }
        let mut died = false;
        self.write_until(&child.connector(), || {
            died = !step.opening && child.wait_dead(STEP_PATIENCE);
            child.kill();
        });
        self.figures.kills += 1;
        if died {
            *self.figures.kills_at_steps.entry(step.name).or_default() += 1;
        } else {
            self.figures.steps_not_met += 1;
        }
        Ok(())
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

    /// Has all writers write, and a reader read, while `end` brings about their end.
    fn write_until(&mut self, connector: &Connector, end: impl FnOnce()) {
        let before: u64 = self.writers.iter().map(|writer| writer.acknowledged).sum();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let (seen, stop) = (&mut self.seen, &stop);
            scope.spawn(move || connector.connect().map(|link| read_until_gone(link, seen, stop)));
            for writer in &mut self.writers {
                scope.spawn(move || connector.connect().map(|link| writer.run(link, stop)));
            }
            end();
            // Where the child lives on, they finish what they have begun.
            stop.store(true, Ordering::Relaxed);
        });
        let after: u64 = self.writers.iter().map(|writer| writer.acknowledged).sum();
        self.figures.acknowledged += after - before;
    }

    fn write_and_end(&mut self, child: &mut Child, mut link: Link) -> Result<(), String> {
        let close = self.rng.below(12) == 0;
        let span = Duration::from_millis(5 + self.rng.below(60));
        let into_the_close = Duration::from_micros(self.rng.below(20_000));
        self.write_until(&child.connector(), || {
            thread::sleep(span);
            if !close {
                child.kill();
            }
        });
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

/// `None` when the child dies, or cannot promise what it shows.
pub(crate) fn read_counters(link: &mut Link) -> Option<Vec<i64>> {
    let counters = (0..WRITERS).map(|number| cmd!("GET", Writer::counter(number)));
    let replies = link.ask(&counters.collect::<Vec<_>>())?;
    let counter = |reply: Reply| {
        let bytes = reply.into_bytes().ok()?;
        Some(bytes.map_or(0, |digits| std::str::from_utf8(&digits).unwrap().parse().unwrap()))
    };
    replies.into_iter().map(counter).collect()
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
