//! Random workloads, power cuts anywhere: what was durable is there, in order.

use std::sync::Arc;

use super::*;
use crate::log::Shared;
use crate::log::writer::Writer;

/// What must be true of the log.
#[derive(Default)]
struct Model {
    /// Frame `n` has position `n + 1`.
    frames: Vec<Vec<u8>>,
    /// Positions up to here were reported durable.
    durable: Position,
    /// Positions up to here are in a checkpoint.
    checkpoint: Position,
}

struct Run {
    seed: u64,
    random: Random,
    disk: FakeDisk,
    model: Model,
    options: LogOptions,
    /// Frames of one length: old and new batches meet at the same offsets.
    frame_bytes: Option<usize>,
    life: u32,
}

/// How a life of the log ended.
enum End {
    Closed,
    Killed,
    PowerCut(FakeDisk),
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let durability = if random.one_in(3) { Durability::EverySec } else { Durability::Always };
        let options = LogOptions {
            segment_bytes: 4096 * (2 + random.below(20)),
            spare_segments: random.below(4) as usize,
            ..options(durability)
        };
        let frame_bytes = random.one_in(2).then(|| 10 + random.below(600) as usize);
        let (disk, model) = (FakeDisk::default(), Model::default());
        Self { seed, random, disk, model, options, frame_bytes, life: 0 }
    }

    /// Opens, checks, works and dies, a few times over.
    fn run(mut self) {
        for life in 0..3 + self.random.below(5) as u32 {
            self.life = life;
            if self.random.one_in(4) {
                self.arm(12);
            }
            let (shared, writer, last) = self.open();
            if let Some(image) = self.disk.take_image() {
                // The power went while the log was being opened.
                self.disk = image;
                continue;
            }
            self.model.frames.truncate(last as usize);
            self.model.frames.resize(last as usize, Vec::new());
            self.model.durable = last;
            match self.work(&shared, writer) {
                End::Closed | End::Killed => {}
                End::PowerCut(image) => self.disk = image,
            }
        }
        self.open();
    }

    fn arm(&mut self, within: u64) {
        let nth = self.random.below(within);
        self.disk.cut_power_at(nth, &mut self.random);
    }

    fn open(&mut self) -> (Arc<Shared>, Writer, Position) {
        let Model { frames, durable, checkpoint } = &self.model;
        let place = format!("seed {} life {}", self.seed, self.life);
        let disk = Arc::new(self.disk.clone());
        let mut recovery = match Recovery::on(disk, *checkpoint, self.options.clone()) {
            Ok(recovery) => recovery,
            Err(error) => panic!("{place}: {error}"),
        };
        let mut next = checkpoint + 1;
        loop {
            let frame = match recovery.next() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => panic!("{place}: {error}"),
            };
            let expected = frames.get(next as usize - 1);
            assert!(
                frame.position == next && expected.is_some_and(|known| known == frame.bytes),
                "{place}: frame {} is not the one that was appended",
                frame.position
            );
            next += 1;
        }
        assert!(next > *durable, "{place}: {durable} was durable, {} is the last", next - 1);
        let (shared, writer, recovered) = match recovery.into_parts() {
            Ok(parts) => parts,
            Err(error) => panic!("{place}: {error}"),
        };
        assert_eq!(recovered.last, next - 1, "{place}");
        (shared, writer, recovered.last)
    }

    fn work(&mut self, shared: &Shared, mut writer: Writer) -> End {
        if self.random.one_in(2) {
            self.arm(60);
        }
        for _ in 0..self.random.below(40) {
            self.step(shared, &mut writer);
            if let Some(image) = self.disk.take_image() {
                return End::PowerCut(image);
            }
            // Not before: a cut inside the step happened before it was reported.
            self.model.durable = self.model.durable.max(shared.progress.synced());
        }
        match self.random.below(3) {
            0 => {
                writer.finish().unwrap();
                match self.disk.take_image() {
                    Some(image) => End::PowerCut(image),
                    None => {
                        self.model.durable = self.model.frames.len() as Position;
                        End::Closed
                    }
                }
            }
            1 => End::Killed,
            _ => End::PowerCut(self.disk.cut_power(&mut self.random)),
        }
    }

    fn step(&mut self, shared: &Shared, writer: &mut Writer) {
        match self.random.below(8) {
            0..=3 => self.append(shared),
            4 | 5 => writer.commit().unwrap(),
            6 => writer.sync().unwrap(),
            _ if self.random.one_in(3) => {
                // A checkpoint can hold what the log has not synced yet.
                let appended = self.model.frames.len() as Position;
                let ahead = self.random.one_in(4);
                let limit = if ahead { appended } else { self.model.durable };
                let back = self.random.below(20);
                let position = limit.saturating_sub(back).max(self.model.checkpoint);
                self.model.checkpoint = position;
                self.model.durable = self.model.durable.max(position);
                shared.trim(position).unwrap();
            }
            _ => {}
        }
    }

    fn append(&mut self, shared: &Shared) {
        for _ in 0..=self.random.below(5) {
            let length = self.frame_bytes.unwrap_or_else(|| match self.random.below(40) {
                0 => 50_000,
                1..=5 => self.random.below(6000) as usize,
                _ => self.random.below(200) as usize,
            });
            let mut frame = vec![self.random.next() as u8; length];
            let mark = (self.model.frames.len() as u32, self.life);
            let mark = [mark.0.to_le_bytes(), mark.1.to_le_bytes()].concat();
            frame.iter_mut().zip(mark).for_each(|(byte, mark)| *byte = mark);
            let position = shared.queue.append(&frame, &shared.progress);
            self.model.frames.push(frame);
            assert_eq!(position, self.model.frames.len() as Position, "seed {}", self.seed);
        }
    }
}

#[test]
fn after_any_power_cut_what_was_durable_is_there() {
    (0..400).for_each(|seed| Run::new(seed).run());
}

#[test]
#[ignore = "minutes: for a change of the format or of recovery"]
fn after_very_many_power_cuts_what_was_durable_is_there() {
    (0..40_000).for_each(|seed| Run::new(seed).run());
}
