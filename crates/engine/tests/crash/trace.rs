//! What was done to a disk, call by call, and what a power cut at any moment
//! would leave of it.
//!
//! Certain after a power cut is what was synced before it: a file's bytes by a
//! sync of the file, names by a sync of their directory. Of everything since
//! then, any part can be there: none, all, or some sectors of some writes, later
//! ones without earlier ones. Names change in order, since a file system has a
//! journal for them. What a failed sync should have written is never certain
//! again, until it is written anew.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use tuckbox_resp::Command;

use crate::Rng;

/// The unit that a disk writes whole.
const SECTOR: usize = 512;
/// Bytes of a record before its data.
const HEAD_BYTES: usize = 32;
const MARK: u8 = 32;

/// One call, or one mark.
#[derive(Debug)]
pub(crate) enum Event {
    Write {
        file: u64,
        offset: usize,
        data: Vec<u8>,
        failed: bool,
    },
    Resize {
        file: u64,
        bytes: usize,
    },
    SyncBegins {
        file: u64,
    },
    SyncEnds {
        file: u64,
        failed: bool,
    },
    DirSyncBegins {
        name: PathBuf,
    },
    DirSyncEnds {
        name: PathBuf,
        failed: bool,
    },
    Create {
        file: u64,
        name: PathBuf,
    },
    MakeDir {
        name: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        name: PathBuf,
    },
    /// In a life of the child, so many commands of a connection are answered
    /// from here on.
    Answered {
        writer: u64,
        life: u64,
        commands: u64,
    },
}

/// Reads what was written down, in order.
pub(crate) fn read(trace: &Path) -> Vec<Event> {
    let bytes = fs::read(trace).unwrap();
    let mut rest = &bytes[..];
    let mut events = Vec::new();
    // The last record is cut short when the child was killed amid it.
    while let Some(length) = rest.first_chunk::<4>().map(|head| u32::from_ne_bytes(*head) as usize)
        && rest.len() >= length
    {
        let (record, behind) = rest.split_at(length);
        rest = behind;
        events.push(event(record));
    }
    events
}

fn event(record: &[u8]) -> Event {
    let number = |at: usize| u64::from_ne_bytes(record[at..at + 8].try_into().unwrap());
    let short = |at: usize| u32::from_ne_bytes(record[at..at + 4].try_into().unwrap()) as usize;
    let (kind, durable, failed) = (record[4], record[6], record[7] != 0);
    let (file, offset) = (number(8), number(16));
    let (first, second) = record[HEAD_BYTES..].split_at(short(24));
    assert_eq!(second.len(), short(28));
    let path = |bytes: &[u8]| PathBuf::from(std::str::from_utf8(bytes).unwrap());
    match kind {
        0..=3 => Event::Write { file, offset: offset as usize, data: first.to_vec(), failed },
        6 => Event::Create { file, name: path(first) },
        7 => Event::Rename { from: path(first), to: path(second) },
        8 => Event::Remove { name: path(first) },
        9 => Event::Resize { file, bytes: offset as usize },
        16 if durable == 0 => Event::SyncBegins { file },
        16 => Event::DirSyncBegins { name: path(first) },
        17 if durable == 0 => Event::SyncEnds { file, failed },
        17 => Event::DirSyncEnds { name: path(first), failed },
        18 => Event::MakeDir { name: path(first) },
        MARK => {
            Event::Answered { writer: file, life: offset >> 32, commands: offset & 0xffff_ffff }
        }
        kind => panic!("a record of kind {kind}"),
    }
}

/// Writes down between the calls which replies are about to be seen.
pub(crate) struct Marks {
    trace: Option<File>,
    writer: u64,
    life: u64,
    /// `None` until the connection has said whose it is.
    commands: Option<i64>,
}

impl Marks {
    /// For one connection of the child.
    pub(crate) fn from_environment() -> Self {
        let trace = std::env::var_os("TUCKBOX_DISK_TRACE");
        let trace = trace.map(|path| OpenOptions::new().append(true).open(path).unwrap());
        Self { trace, writer: 0, life: 0, commands: None }
    }

    /// Whose connection this is: `TEST.WRITER writer life`.
    pub(crate) fn begin(&mut self, command: &Command) {
        let number = |at: usize| std::str::from_utf8(&command[at]).unwrap().parse().unwrap();
        (self.writer, self.life) = (number(1), number(2));
        // This command is not counted.
        self.commands = Some(-1);
    }

    /// What comes now is no answer.
    pub(crate) fn end(&mut self) {
        self.trace = None;
    }

    /// So many more replies go out now.
    pub(crate) fn answered(&mut self, replies: usize) {
        let (Some(trace), Some(commands)) = (&mut self.trace, &mut self.commands) else { return };
        *commands += replies as i64;
        let mut record = [0; HEAD_BYTES];
        record[..4].copy_from_slice(&(HEAD_BYTES as u32).to_ne_bytes());
        record[4] = MARK;
        record[8..16].copy_from_slice(&self.writer.to_ne_bytes());
        record[16..24].copy_from_slice(&((self.life << 32) | *commands as u64).to_ne_bytes());
        trace.write_all(&record).unwrap();
    }
}

/// A disk at one moment.
#[derive(Default)]
pub(crate) struct Platter {
    files: BTreeMap<u64, Contents>,
    dirs: BTreeMap<PathBuf, Dir>,
}

#[derive(Default)]
struct Contents {
    /// As processes see it.
    seen: Vec<u8>,
    /// As it certainly is.
    synced: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
    /// How many of those the sync under way is about.
    syncing: usize,
    /// Sectors that a failed sync was about: each may have been written or not.
    doubtful: BTreeMap<usize, Vec<u8>>,
}

/// The names in a directory.
#[derive(Default)]
struct Dir {
    now: Names,
    synced: Names,
    unsynced: Vec<Names>,
    syncing: usize,
}

type Names = BTreeMap<PathBuf, Named>;

#[derive(Clone, Copy, Debug)]
enum Named {
    File(u64),
    Dir,
}

impl Platter {
    /// Does what was done.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Write { file, offset, data, failed } => {
                let contents = self.files.entry(*file).or_default();
                put(&mut contents.seen, *offset, data);
                contents.unsynced.push((*offset, data.clone()));
                if *failed {
                    contents.syncing = contents.unsynced.len();
                    contents.end_sync(true);
                }
            }
            Event::Resize { file, bytes } => {
                let contents = self.files.entry(*file).or_default();
                contents.seen.resize(*bytes, 0);
                assert!(contents.synced.len() <= *bytes, "a file is cut");
            }
            Event::SyncBegins { file } => {
                let contents = self.files.entry(*file).or_default();
                contents.syncing = contents.unsynced.len();
            }
            Event::SyncEnds { file, failed } => {
                self.files.entry(*file).or_default().end_sync(*failed);
            }
            Event::DirSyncBegins { name } => {
                let dir = self.dirs.entry(name.clone()).or_default();
                dir.syncing = dir.unsynced.len();
            }
            Event::DirSyncEnds { name, failed } => {
                let dir = self.dirs.entry(name.clone()).or_default();
                let synced = dir.unsynced.drain(..dir.syncing).next_back();
                if let (Some(synced), false) = (synced, failed) {
                    dir.synced = synced;
                }
            }
            Event::Create { file, name } => {
                self.files.insert(*file, Contents::default());
                self.rename(name, |names| names.insert(name.clone(), Named::File(*file)));
            }
            Event::MakeDir { name } => {
                self.rename(name, |names| names.insert(name.clone(), Named::Dir));
            }
            Event::Rename { from, to } => self.rename(from, |names| {
                let named = names.remove(from)?;
                names.insert(to.clone(), named)
            }),
            Event::Remove { name } => self.rename(name, |names| names.remove(name)),
            Event::Answered { .. } => {}
        }
    }

    fn rename(&mut self, name: &Path, change: impl FnOnce(&mut Names) -> Option<Named>) {
        let dir = self.dirs.entry(name.parent().unwrap().to_owned()).or_default();
        change(&mut dir.now);
        dir.unsynced.push(dir.now.clone());
    }

    /// Writes what a power cut now would leave to the empty directory `to`.
    pub(crate) fn leave(&self, to: &Path, rng: &mut Rng) {
        // Nothing, everything, or any mix of sectors reached the platters.
        let luck = rng.below(5);
        self.leave_dir(Path::new(""), to, luck, rng);
    }

    fn leave_dir(&self, name: &Path, to: &Path, luck: u64, rng: &mut Rng) {
        let Some(dir) = self.dirs.get(name) else { return };
        let kept = match luck {
            0 => 0,
            1 => dir.unsynced.len(),
            _ => rng.below(dir.unsynced.len() as u64 + 1) as usize,
        };
        let names = dir.unsynced[..kept].last().unwrap_or(&dir.synced);
        for (name, named) in names {
            let path = to.join(name);
            match named {
                Named::Dir => {
                    fs::create_dir(path).unwrap();
                    self.leave_dir(name, to, luck, rng);
                }
                Named::File(file) => {
                    let contents = self.files.get(file).map(|file| file.left(luck, rng));
                    write_sparsely(&path, &contents.unwrap_or_default());
                }
            }
        }
    }
}

impl Contents {
    fn end_sync(&mut self, failed: bool) {
        let ended: Vec<_> = self.unsynced.drain(..self.syncing.min(self.unsynced.len())).collect();
        self.syncing = 0;
        for (offset, data) in ended {
            for sector in offset / SECTOR..(offset + data.len()).div_ceil(SECTOR) {
                if failed {
                    let end = ((sector + 1) * SECTOR).min(self.seen.len());
                    let seen = self.seen[sector * SECTOR..end].to_vec();
                    self.doubtful.insert(sector, seen);
                } else {
                    self.doubtful.remove(&sector);
                }
            }
            if !failed {
                put(&mut self.synced, offset, &data);
            }
        }
    }

    /// The bytes after a power cut.
    fn left(&self, luck: u64, rng: &mut Rng) -> Vec<u8> {
        let mut left = self.synced.clone();
        let grown = self.seen.len().saturating_sub(left.len()) as u64;
        let grown = if luck == 1 { grown } else { rng.below(grown + 1) };
        left.resize(left.len() + grown as usize, 0);
        for (sector, bytes) in &self.doubtful {
            if rng.below(2) == 0 && sector * SECTOR < left.len() {
                let end = (sector * SECTOR + bytes.len()).min(left.len());
                let from = sector * SECTOR;
                left[from..end].copy_from_slice(&bytes[..end - from]);
            }
        }
        // For each sector, the parts of writes to it in order.
        let mut parts: BTreeMap<usize, Vec<(usize, &[u8])>> = BTreeMap::new();
        for (offset, data) in &self.unsynced {
            let mut at = 0;
            while at < data.len() {
                let sector = (offset + at) / SECTOR;
                let end = ((sector + 1) * SECTOR - offset).min(data.len());
                parts.entry(sector).or_default().push((offset + at, &data[at..end]));
                at = end;
            }
        }
        for writes in parts.into_values() {
            let done = match luck {
                0 => 0,
                1 => writes.len(),
                // Of a long run of writes, most or few.
                2 => (rng.below(20) == 0) as usize * writes.len(),
                3 => (rng.below(20) > 0) as usize * writes.len(),
                _ => rng.below(writes.len() as u64 + 1) as usize,
            };
            for (place, data) in &writes[..done] {
                let end = (place + data.len()).min(left.len());
                if *place < end {
                    left[*place..end].copy_from_slice(&data[..end - place]);
                }
            }
        }
        left
    }
}

fn put(target: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if target.len() < offset + data.len() {
        target.resize(offset + data.len(), 0);
    }
    target[offset..offset + data.len()].copy_from_slice(data);
}

fn write_sparsely(path: &Path, bytes: &[u8]) {
    let file = File::create(path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    for (number, page) in bytes.chunks(4096).enumerate() {
        if page.iter().any(|&byte| byte != 0) {
            file.write_all_at(page, number as u64 * 4096).unwrap();
        }
    }
}
