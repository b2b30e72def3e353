//! Power cuts at any moment: of the log and the store together, while both are
//! written by the engine itself.
//!
//! A child works on a disk that writes everything down, and is killed and opened
//! again a few times. Then the power is cut at random moments of that past: what
//! a disk could hold by then is made, opened by another child, and must have
//! everything that had been answered by then.
//!
//! `TUCKBOX_POWER_CUTS` says how many, `TUCKBOX_CRASH_SEED` repeats a run.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use tuckbox_resp::{Reply, cmd};

use crate::{
    Rng,
    child::{Child, Settings},
    disk::{Action, Disk, Kind, Place},
    link::Link,
    model::{Found, Name},
    rounds::{WRITERS, read_counters},
    trace::{self, Event, Platter},
    writer::Writer,
};

/// Of one past.
const CUTS_OF_A_PAST: u64 = 50;
const LIVES: usize = 4;

/// The reader's number among the connections.
const READER: u64 = WRITERS as u64;

#[test]
fn what_was_answered_survives_a_power_cut_at_any_moment() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let cuts = number("TUCKBOX_POWER_CUTS").unwrap_or(300);
    let seed = number("TUCKBOX_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("TUCKBOX_CRASH_SEED={seed}");
    let mut rng = Rng(seed);
    let mut figures = Figures::default();
    let started = Instant::now();
    while figures.cuts < cuts {
        if figures.pasts > 0 && figures.pasts.is_multiple_of(20) {
            println!("{figures:?} in {:?}", started.elapsed());
        }
        let past = Past::new(&mut rng, &mut figures, arm_some_fault);
        for _ in 0..CUTS_OF_A_PAST.min(cuts - figures.cuts) {
            past.cut(&mut rng, &mut figures).unwrap_or_else(|problem| panic!("{problem}"));
        }
    }
    println!("{figures:?} in {:?}", started.elapsed());
    assert!(figures.answered > figures.cuts, "hardly anything had been answered");
}

/// That a loss is found at all.
#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    for place in [Place::Log, Place::Store] {
        let mut rng = Rng(1);
        let mut figures = Figures::default();
        let lie = |disk: &Disk, _: &mut Rng| disk.always(place, Kind::Sync, Action::Lie);
        let mut lost = 0;
        for _ in 0..20 {
            let past = Past::new(&mut rng, &mut figures, lie);
            // What is not there at all makes the reader of an image panic.
            let mut cut = || catch_unwind(AssertUnwindSafe(|| past.cut(&mut rng, &mut figures)));
            lost += (0..5).filter(|_| !matches!(cut(), Ok(Ok(())))).count();
            if lost > 0 {
                break;
            }
        }
        assert!(lost > 0, "{place:?}: {figures:?}");
    }
}

#[test]
fn a_directory_that_was_being_made_can_be_opened() {
    let mut rng = Rng(3);
    let mut figures = Figures::default();
    let past = Past::new(&mut rng, &mut figures, |_, _| {});
    let made = past.answers[0];
    for at in (0..=made).cycle().take(4 * made) {
        past.cut_at(at, &mut rng, &mut figures).unwrap_or_else(|problem| panic!("{problem}"));
    }
}

/// When the write of a root fails, the disk may have it and may not. What is
/// written after a restart must be right in either case.
#[test]
fn the_root_of_a_commit_that_failed_does_not_come_back() {
    let mut rng = Rng(2);
    let mut figures = Figures::default();
    let (mut failures, mut cuts) = (0, 0);
    for _ in 0..8 {
        let lives = std::cell::Cell::new(0);
        let past = Past::new(&mut rng, &mut figures, |disk, rng| {
            if lives.replace(lives.get() + 1) == 0 {
                disk.once(Place::Store, Kind::Root, rng.below(2) as u32, Action::FailIo);
            }
        });
        let failed = past.events.iter().enumerate().find_map(|(at, event)| match event {
            Event::Write { file, failed: true, .. } => Some((at, *file)),
            _ => None,
        });
        let Some((failed, store)) = failed else { continue };
        failures += 1;
        // The next process' first checkpoints, page by page.
        let writes = past.events.iter().enumerate().skip(failed + 1).filter_map(|(at, event)| {
            matches!(event, Event::Write { file, .. } if *file == store).then_some(at + 1)
        });
        for at in writes.take(25) {
            past.cut_at(at, &mut rng, &mut figures).unwrap_or_else(|problem| panic!("{problem}"));
            cuts += 1;
        }
    }
    println!("{failures} failures, {cuts} cuts");
    assert!(failures > 0 && cuts > 10 * failures, "{failures} failures, {cuts} cuts");
}

/// In one life of three a call fails, of the kind that must not be tried again.
fn arm_some_fault(disk: &Disk, rng: &mut Rng) {
    let faults = [
        (Place::Log, Kind::Write),
        (Place::Log, Kind::Sync),
        (Place::Store, Kind::Write),
        (Place::Store, Kind::Sync),
        (Place::Store, Kind::Root),
        (Place::Store, Kind::Root),
    ];
    if rng.below(3) == 0 {
        let (place, kind) = rng.pick(&faults);
        let pass = if place == Place::Log { 30 } else { 3 };
        disk.once(place, kind, rng.below(pass) as u32, Action::FailIo);
    }
}

#[derive(Debug, Default)]
struct Figures {
    pasts: u64,
    calls: u64,
    cuts: u64,
    /// Operations that had been answered before the cuts.
    answered: u64,
    opened_after_nothing: u64,
    checked_on: u64,
}

/// What was done to a disk, and who did it.
struct Past {
    events: Vec<Event>,
    /// Where in `events` something was answered.
    answers: Vec<usize>,
    writers: Vec<Writer>,
    /// What a reader saw of the writers' counters, in each life.
    seen: Vec<Vec<Vec<i64>>>,
}

fn settings(rng: &mut Rng) -> Settings {
    Settings {
        memory_limit: rng.pick(&[50_000, 256 << 20]),
        part_bytes: rng.pick(&[40, 300, 1920]),
        log_segment_bytes: rng.pick(&[64 << 10, 256 << 10]),
        checkpoint_log_bytes: rng.pick(&[10_000, 60_000]),
        checkpoint_interval_ms: rng.pick(&[1, 20, 5_000]),
    }
}

impl Past {
    /// `arm` is called in each life of the child, once its engine is open.
    fn new(rng: &mut Rng, figures: &mut Figures, arm: impl Fn(&Disk, &mut Rng)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::traced(root.path());
        let mut writers: Vec<_> =
            (0..WRITERS).map(|number| Writer::new(number, rng.next()).remembering()).collect();
        let mut seen = Vec::new();
        for life in 0..LIVES {
            let data = root.path().join("data");
            // Not through this process, whose calls are not written down.
            let mut child = Child::open_on(Some(&disk), &data, settings(rng));
            let mut link = child.connect();
            if life > 0 {
                check_and_go_on(&mut link, &mut writers);
            }
            arm(&disk, rng);
            let (stop, connector) = (AtomicBool::new(false), child.connector());
            seen.push(Vec::new());
            thread::scope(|scope| {
                let (stop, connector, seen) = (&stop, &connector, seen.last_mut().unwrap());
                scope.spawn(move || {
                    connector.connect().map(|link| read_until_gone(link, life, seen, stop))
                });
                for writer in &mut writers {
                    scope.spawn(move || connector.connect().map(|link| writer.run(link, stop)));
                }
                thread::sleep(Duration::from_millis(10 + rng.below(50)));
                if rng.below(4) > 0 {
                    end_at_some_call(&disk, &mut child, rng);
                }
                stop.store(true, Ordering::Relaxed);
            });
            if rng.below(2) == 0 && link.ask(&[cmd!("TEST.CLOSE")]).is_none() {
                child.wait_dead(Duration::from_secs(10));
            }
            child.kill();
            disk.heal();
        }
        let events = trace::read(&disk.trace());
        let is_answer = |event: &Event| matches!(event, Event::Answered { .. });
        let answers = (0..events.len()).filter(|&at| is_answer(&events[at])).collect();
        figures.pasts += 1;
        figures.calls += events.len() as u64;
        Self { events, answers, writers, seen }
    }

    /// Cuts the power at some moment and looks at what is left.
    fn cut(&self, rng: &mut Rng, figures: &mut Figures) -> Result<(), String> {
        let at = match rng.below(2) {
            0 => rng.below(self.events.len() as u64 + 1) as usize,
            // The reply is out, and the power goes.
            _ => rng.pick(&self.answers) + 1,
        };
        self.cut_at(at, rng, figures)
    }

    /// Cuts the power before event `at`.
    fn cut_at(&self, at: usize, rng: &mut Rng, figures: &mut Figures) -> Result<(), String> {
        let mut platter = Platter::default();
        let mut answered: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for event in &self.events[..at] {
            platter.apply(event);
            if let Event::Answered { writer, life, commands } = event {
                answered.insert(*writer, (*life, *commands));
            }
        }
        let left = tempfile::tempdir().unwrap();
        platter.leave(left.path(), rng);
        let data = left.path().join("data");
        figures.cuts += 1;
        figures.answered += answered.values().map(|(_, commands)| commands).sum::<u64>();
        figures.opened_after_nothing += u64::from(!data.exists());
        let go_on = rng.below(3) == 0;
        figures.checked_on += u64::from(go_on);
        self.check(&data, &answered, settings(rng), go_on).map_err(|problem| {
            // The files tell more than the message, if they are wanted.
            let kept = std::env::var_os("TUCKBOX_CRASH_SEED").map(|_| left.keep());
            format!("event {at} of {}, left in {kept:?}: {problem}", self.events.len())
        })
    }

    fn check(
        &self,
        data: &Path,
        answered: &BTreeMap<u64, (u64, u64)>,
        settings: Settings,
        go_on: bool,
    ) -> Result<(), String> {
        let mut child = Child::start(data, settings);
        child.wait_open()?;
        let mut link = child.connect();
        self.check_contents(&mut link, answered)?;
        if go_on {
            // What was found is kept: by the store, and by a log that goes on.
            for _ in 0..2 {
                assert_eq!(link.run(cmd!("SET", "another", 1)), Reply::OK);
                assert_eq!(link.run(cmd!("TEST.CHECKPOINT")), Reply::OK);
                child.kill();
                child = Child::start(data, settings);
                child.wait_open()?;
                link = child.connect();
                self.check_contents(&mut link, answered)?;
            }
        }
        Ok(())
    }

    fn check_contents(
        &self,
        link: &mut Link,
        answered: &BTreeMap<u64, (u64, u64)>,
    ) -> Result<(), String> {
        let expiring: Vec<Name> = self.writers.iter().flat_map(Writer::expiring).collect();
        let found = Found::read(link, &expiring).ok_or("the child died while it was asked")?;
        for (number, writer) in (0..).zip(&self.writers) {
            let (life, commands) = answered.get(&number).copied().unwrap_or_default();
            writer.check_at(&found, life, commands)?;
        }
        let Some((life, commands)) = answered.get(&READER) else { return Ok(()) };
        let readings = &self.seen[*life as usize];
        let last = (*commands as usize / WRITERS).min(readings.len());
        let counters = read_counters(link).ok_or("the child died while it was asked")?;
        if let Some(seen) = readings[..last].last()
            && seen.iter().zip(&counters).any(|(seen, counter)| seen > counter)
        {
            return Err(format!("{seen:?} was read, and now it is {counters:?}"));
        }
        Ok(())
    }
}

/// Checks what the life before has left.
fn check_and_go_on(link: &mut Link, writers: &mut [Writer]) {
    let expiring: Vec<Name> = writers.iter().flat_map(|writer| writer.expiring()).collect();
    let found = Found::read(link, &expiring).expect("a child that lives");
    for writer in writers {
        writer.check(&found).unwrap_or_else(|problem| panic!("{problem}"));
    }
}

/// Ends the child between two calls that seldom have anything between them.
fn end_at_some_call(disk: &Disk, child: &mut Child, rng: &mut Rng) {
    let places = [
        (Place::Log, Kind::Write),
        (Place::Log, Kind::Sync),
        (Place::Log, Kind::Rename),
        (Place::Store, Kind::Write),
        (Place::Store, Kind::Sync),
        (Place::Store, Kind::Root),
    ];
    let (place, kind) = rng.pick(&places);
    let action = rng.pick(&[Action::DieBefore, Action::DieAmid, Action::DieAfter]);
    disk.once(place, kind, rng.below(10) as u32, action);
    child.wait_dead(Duration::from_millis(300));
    child.kill();
}

/// Keeps everything that was seen.
fn read_until_gone(mut link: Link, life: usize, seen: &mut Vec<Vec<i64>>, stop: &AtomicBool) {
    if link.ask(&[cmd!("TEST.WRITER", READER, life)]).is_none() {
        return;
    }
    while !stop.load(Ordering::Relaxed)
        && let Some(counters) = read_counters(&mut link)
    {
        seen.push(counters);
    }
}
