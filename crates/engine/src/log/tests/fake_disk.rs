//! A disk in memory that knows what a power cut would leave, and that fails and
//! stalls when it is told to.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::Random;
use crate::log::disk::{Disk, DiskFile};

/// The unit a disk writes whole.
const SECTOR: usize = 512;

#[derive(Clone, Default)]
pub(super) struct FakeDisk {
    shared: Arc<(Mutex<Contents>, Condvar)>,
}

#[derive(Clone, Default)]
struct Contents {
    names: BTreeMap<String, u64>,
    synced_names: BTreeMap<String, u64>,
    unsynced_names: Vec<NameChange>,
    files: BTreeMap<u64, FileContents>,
    created: u64,
    faults: Faults,
    counts: Counts,
    /// Changes left until the power cut, and its seed.
    crash: Option<(u64, u64)>,
    image: Option<Box<Contents>>,
}

#[derive(Clone, Default)]
struct FileContents {
    /// As processes see it.
    bytes: Vec<u8>,
    /// As the platters have it.
    synced: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
}

#[derive(Clone)]
enum NameChange {
    Put(String, u64),
    Rename(String, String),
    Remove(String),
}

/// What is to go wrong.
#[derive(Clone, Default)]
pub(super) struct Faults {
    pub(super) failing_writes: bool,
    /// A failed write stores this much first.
    pub(super) failing_after: usize,
    /// A failed sync forgets what it should have written, as Linux does.
    pub(super) failing_syncs: bool,
    /// At most this many bytes per write and read.
    pub(super) short: Option<usize>,
    /// Bytes that all files may have together.
    pub(super) space: Option<usize>,
    pub(super) syncs_block: bool,
    /// No file can be opened or made.
    pub(super) no_files: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) syncs_begun: u64,
    pub(super) syncs: u64,
    pub(super) writes: u64,
    pub(super) refused_for_space: u64,
    pub(super) refused_for_files: u64,
}

impl FakeDisk {
    pub(super) fn set_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.shared.0.lock().faults);
        self.shared.1.notify_all();
    }

    pub(super) fn counts(&self) -> Counts {
        self.shared.0.lock().counts
    }

    /// Blocks until the counts are as wanted; fails when that never happens.
    pub(super) fn wait_until(&self, reached: impl Fn(Counts) -> bool) {
        let mut contents = self.shared.0.lock();
        while !reached(contents.counts) {
            let waited = self.shared.1.wait_for(&mut contents, Duration::from_secs(30));
            if waited.timed_out() {
                // Or the log could not be dropped.
                contents.faults.syncs_block = false;
                self.shared.1.notify_all();
                panic!("still {:?}", contents.counts);
            }
        }
    }

    /// The bytes of a file, to be damaged.
    pub(super) fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut contents = self.shared.0.lock();
        let number = contents.names[name];
        edit(&mut contents.files.get_mut(&number).unwrap().bytes);
    }

    /// A disk of the same contents that shares nothing with this one.
    pub(super) fn copy(&self) -> Self {
        Self { shared: Arc::new((Mutex::new(self.shared.0.lock().clone()), Condvar::new())) }
    }

    /// What a power cut now would leave.
    pub(super) fn cut_power(&self, random: &mut Random) -> Self {
        let image = self.shared.0.lock().cut_power(random);
        Self { shared: Arc::new((Mutex::new(image), Condvar::new())) }
    }

    /// Takes what a power cut in the middle of the `nth` change from now leaves.
    pub(super) fn cut_power_at(&self, nth: u64, random: &mut Random) {
        self.shared.0.lock().crash = Some((nth, random.next()));
    }

    /// The disk after that power cut, when it has happened.
    pub(super) fn take_image(&self) -> Option<Self> {
        let image = self.shared.0.lock().image.take()?;
        Some(Self { shared: Arc::new((Mutex::new(*image), Condvar::new())) })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.shared.0.lock().names.keys().cloned().collect()
    }

    /// Bytes that a power cut could still lose.
    pub(super) fn unsynced_bytes(&self) -> usize {
        let contents = self.shared.0.lock();
        let writes = contents.files.values().flat_map(|file| &file.unsynced);
        writes.map(|(_, bytes)| bytes.len()).sum()
    }

    fn take_descriptor(&self) -> io::Result<()> {
        let mut contents = self.shared.0.lock();
        if !contents.faults.no_files {
            return Ok(());
        }
        contents.counts.refused_for_files += 1;
        self.shared.1.notify_all();
        Err(rustix::io::Errno::MFILE.into())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Contents) -> T) -> T {
        let mut contents = self.shared.0.lock();
        let result = change(&mut contents);
        contents.count_down();
        result
    }
}

impl Contents {
    /// Called when a change was made but is not synced.
    fn count_down(&mut self) {
        match &mut self.crash {
            Some((0, seed)) => {
                let mut random = Random(*seed);
                self.crash = None;
                self.image = Some(Box::new(self.cut_power(&mut random)));
            }
            Some((left, _)) => *left -= 1,
            None => {}
        }
    }

    fn cut_power(&self, random: &mut Random) -> Self {
        let mut names = self.synced_names.clone();
        // A journal keeps the order of names' changes.
        let kept = random.below(self.unsynced_names.len() as u64 + 1) as usize;
        self.unsynced_names[..kept].iter().for_each(|change| change.apply(&mut names));
        let mut files = self.files.clone();
        files.retain(|number, _| names.values().any(|named| named == number));
        // Nothing, everything, or any mix of sectors reached the platters.
        let luck = random.below(4);
        for file in files.values_mut() {
            file.cut_power(luck, random);
        }
        let synced_names = names.clone();
        Self { names, synced_names, files, created: self.created, ..Self::default() }
    }

    fn used(&self) -> usize {
        self.files.values().map(|file| file.bytes.len()).sum()
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Put(name, number) => _ = names.insert(name.clone(), *number),
            Self::Remove(name) => _ = names.remove(name),
            Self::Rename(from, to) => {
                if let Some(number) = names.remove(from) {
                    names.insert(to.clone(), number);
                }
            }
        }
    }
}

impl FileContents {
    fn write(target: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
        if target.len() < offset + bytes.len() {
            target.resize(offset + bytes.len(), 0);
        }
        target[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn sync(&mut self) {
        self.synced.resize(self.bytes.len().max(self.synced.len()), 0);
        for (offset, bytes) in self.unsynced.drain(..) {
            Self::write(&mut self.synced, offset, &bytes);
        }
    }

    fn cut_power(&mut self, luck: u64, random: &mut Random) {
        let mut left = std::mem::take(&mut self.synced);
        let grown = self.bytes.len().saturating_sub(left.len()) as u64;
        let length = left.len() + random.below(grown + 1) as usize;
        left.resize(length, 0);
        // For each sector, how many of its writes happened.
        let mut versions: BTreeMap<usize, Vec<Vec<(usize, u8)>>> = BTreeMap::new();
        for (offset, bytes) in self.unsynced.drain(..) {
            let mut at = 0;
            while at < bytes.len() {
                let sector = (offset + at) / SECTOR;
                let end = ((sector + 1) * SECTOR - offset).min(bytes.len());
                let part = (at..end).map(|index| (offset + index, bytes[index])).collect();
                versions.entry(sector).or_default().push(part);
                at = end;
            }
        }
        for writes in versions.into_values() {
            let count = writes.len() as u64;
            let happened = match luck {
                0 => 0,
                1 => count,
                _ => random.below(count + 1),
            };
            for (place, byte) in writes.into_iter().take(happened as usize).flatten() {
                if place < left.len() {
                    left[place] = byte;
                }
            }
        }
        self.bytes = left.clone();
        self.synced = left;
    }
}

fn no_space() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

struct FakeFile {
    disk: FakeDisk,
    number: u64,
}

impl Disk for FakeDisk {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("log").join(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.take_descriptor()?;
        let number = self.change(|contents| {
            contents.created += 1;
            let number = contents.created;
            contents.files.insert(number, FileContents::default());
            contents.names.insert(name.to_owned(), number);
            contents.unsynced_names.push(NameChange::Put(name.to_owned(), number));
            number
        });
        Ok(Box::new(FakeFile { disk: self.clone(), number }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.take_descriptor()?;
        let number = self.shared.0.lock().names.get(name).copied();
        let number = number.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(FakeFile { disk: self.clone(), number }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(|contents| {
            let number = contents.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            contents.names.insert(to.to_owned(), number);
            let change = NameChange::Rename(from.to_owned(), to.to_owned());
            contents.unsynced_names.push(change);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(|contents| {
            let number = contents.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
            contents.unsynced_names.push(NameChange::Remove(name.to_owned()));
            // Kept while a power cut could bring the name back; empty for space.
            if !contents.synced_names.values().any(|named| *named == number) {
                contents.files.remove(&number);
            }
            Ok(())
        })
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.change(|_| ());
        let mut contents = self.shared.0.lock();
        contents.synced_names = contents.names.clone();
        contents.unsynced_names.clear();
        let named = contents.names.clone();
        contents.files.retain(|number, _| named.values().any(|kept| kept == number));
        Ok(())
    }
}

impl FakeFile {
    fn with<T>(&self, contents: &mut Contents, act: impl FnOnce(&mut FileContents) -> T) -> T {
        // A removed file lives on, unreachable, for those that have it open.
        act(contents.files.entry(self.number).or_default())
    }
}

impl DiskFile for FakeFile {
    fn len(&self) -> io::Result<u64> {
        let mut contents = self.disk.shared.0.lock();
        Ok(self.with(&mut contents, |file| file.bytes.len() as u64))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut contents = self.disk.shared.0.lock();
        let most = contents.faults.short.unwrap_or(usize::MAX);
        self.with(&mut contents, |file| {
            let rest = file.bytes.get(offset as usize..).unwrap_or_default();
            let length = rest.len().min(buf.len()).min(most);
            buf[..length].copy_from_slice(&rest[..length]);
            Ok(length)
        })
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.disk.change(|contents| {
            contents.counts.writes += 1;
            let faults = contents.faults.clone();
            let mut length = buf.len().min(faults.short.unwrap_or(usize::MAX));
            if faults.failing_writes {
                length = length.min(faults.failing_after);
            }
            self.with(contents, |file| {
                FileContents::write(&mut file.bytes, offset as usize, &buf[..length]);
                file.unsynced.push((offset as usize, buf[..length].to_vec()));
            });
            if faults.failing_writes {
                return Err(io::Error::other("injected: write"));
            }
            Ok(length)
        })
    }

    fn allocate(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.disk.change(|contents| {
            let end = (offset + bytes) as usize;
            let length = self.with(contents, |file| file.bytes.len());
            let needed = contents.used() + end.saturating_sub(length);
            if contents.faults.space.is_some_and(|space| needed > space) {
                contents.counts.refused_for_space += 1;
                self.disk.shared.1.notify_all();
                return Err(no_space());
            }
            self.with(contents, |file| file.bytes.resize(end.max(length), 0));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let (lock, changed) = &*self.disk.shared;
        self.disk.change(|contents| contents.counts.syncs_begun += 1);
        changed.notify_all();
        let mut contents = lock.lock();
        while contents.faults.syncs_block {
            changed.wait(&mut contents);
        }
        if contents.faults.failing_syncs {
            self.with(&mut contents, |file| file.unsynced.clear());
            return Err(io::Error::other("injected: sync"));
        }
        self.with(&mut contents, FileContents::sync);
        contents.counts.syncs += 1;
        drop(contents);
        changed.notify_all();
        Ok(())
    }
}
