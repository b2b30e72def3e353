//! Reading everything to see whether it is whole, and mending what follows from the rest.

mod problems;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};

use heed::RoTxn;

use super::parts::{PartPlace, PartRef};
use super::record::{Expiry, Place, StoredRecord};
use super::{DatabaseMeta, Garbage, IN_PARTS, Store, StoreError};

pub(crate) use self::problems::Problems;

/// Entries of the expiry index that are mended at once.
const MENDED_AT_ONCE: usize = 10_000;

/// Knows what payloads mean. The store does not look into them, so whoever has it checked says what they hold.
///
/// Each error says what is wrong, as "its value …": the place is put before it.
pub(crate) trait Contents {
    /// What the record of `key` in `keyspace` holds; its checksums match.
    fn record(
        &self,
        keyspace: u32,
        hash: u128,
        key: &[u8],
        kind: u8,
        payload: &[u8],
    ) -> Result<Content, &'static str>;

    /// How many items a part of `value` holds; its checksum matches.
    fn part(&self, keyspace: u32, part: &PartRef<'_>) -> Result<u64, &'static str>;
}

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Everything.
    Whole,
    /// The head of a value in parts: its identity, and how many items are in the parts.
    Head { value: u64, items: u64 },
}

/// What [`Store::check`] found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckReport {
    /// Records of the databases: those of keyspaces being removed do not count.
    pub(crate) records: u64,
    /// Those of them that expire.
    pub(crate) expiring: u64,
    /// Those of them that stand for values in parts.
    pub(crate) values: u64,
    /// Parts of these.
    pub(crate) parts: u64,
    /// The log position that the records stand for.
    pub(crate) position: u64,
    /// What is wrong, but for the expiry index.
    pub(crate) problems: Problems,
    /// Where the expiry index does not agree with the records. It follows from them, so [`Store::mend`] can put it right.
    pub(crate) index: Problems,
}

/// A value in parts, while its parts are looked at.
struct Tally {
    /// Of the record of its key.
    hash: u128,
    kind: u8,
    /// By the record of its key.
    items: u64,
    /// In its parts.
    found: u64,
}

/// The values in parts, by keyspace and identity: some 80 bytes for each, which has, or once had, 15 KiB itself.
type Tallies = BTreeMap<(u32, u64), Tally>;

impl Store {
    /// Reads every record, part and entry: all checksums match, `contents` makes sense of all payloads, the expiry index agrees
    /// with the records both ways, each database has the number of keys it should, and parts do not overlap, belong to a record
    /// and have together the items that it says.
    ///
    /// Takes as long as reading the file, and one snapshot for all of it: checkpoints go on, but make the file grow meanwhile.
    /// Takes no memory to speak of but for a [`Tally`] of each value in parts.
    ///
    /// # Errors
    /// Only if the tree cannot be walked. What is wrong with the records is in the report.
    pub(crate) fn check(&self, contents: &dyn Contents) -> Result<CheckReport, StoreError> {
        let txn = self.read_txn()?;
        let databases = self.meta_in(&txn)?;
        let garbage: BTreeSet<Garbage> = self.garbage_in(&txn)?.into_iter().collect();
        let position = databases.iter().map(|meta| meta.position).max().unwrap_or(0);
        let mut report = CheckReport { position, ..CheckReport::default() };
        check_databases(&databases, &garbage, &mut report);
        let mut check = Check { store: self, txn: &txn, garbage, contents, report: &mut report };
        let mut values = Tallies::new();
        let mut keys = check.records(&mut values)?;
        check.parts(&mut values)?;
        check.expiry()?;
        for ((keyspace, _), tally) in values {
            if tally.items != tally.found {
                let place = Place { keyspace, hash: tally.hash };
                let numbers =
                    format!("{place}: {} items are in its parts, not {}", tally.found, tally.items);
                report
                    .problems
                    .add("the parts of a value do not have the items that they should", numbers);
            }
        }
        for meta in databases {
            let found = keys.remove(&meta.keyspace).unwrap_or(0);
            if found != meta.keys {
                let DatabaseMeta { index, keys, .. } = meta;
                let numbers = format!("database {index} should have {keys} keys and has {found}");
                report.problems.add("a database does not have the keys that it should", numbers);
            }
        }
        for (keyspace, found) in keys {
            let numbers = format!("keyspace {keyspace} with {found} keys belongs to no database");
            report.problems.add("a keyspace belongs to no database", numbers);
        }
        Ok(report)
    }

    /// Makes the expiry index agree with the records again, in one checkpoint. Takes the memory of some thousand entries.
    ///
    /// # Errors
    /// As [`put`](super::Checkpoint::put); the store is as it was then.
    pub(crate) fn mend(&self) -> Result<(), StoreError> {
        let mut checkpoint = self.checkpoint()?;
        let garbage: BTreeSet<Garbage> = self.garbage_in(&checkpoint.txn)?.into_iter().collect();
        let expiry = self.tables.expiry;
        let mut last = None;
        loop {
            let stale = some(|found| self.each_stale(&checkpoint.txn, &garbage, last, found))?;
            for entry in &stale {
                let deleted = expiry.delete(&mut checkpoint.txn, &entry.to_bytes());
                deleted.map_err(|error| self.write_fault(error))?;
            }
            last = stale.last().copied();
            if stale.len() < MENDED_AT_ONCE {
                break;
            }
        }
        let mut last = None;
        loop {
            let missing = some(|found| self.each_missing(&checkpoint.txn, &garbage, last, found))?;
            for entry in &missing {
                let put = expiry.put(&mut checkpoint.txn, &entry.to_bytes(), &[]);
                put.map_err(|error| self.write_fault(error))?;
            }
            last = missing.last().map(|entry| entry.place);
            if missing.len() < MENDED_AT_ONCE {
                break;
            }
        }
        checkpoint.commit()
    }

    /// Shows `found` the entries of the index behind `after` with which no record agrees.
    fn each_stale(
        &self,
        txn: &RoTxn<'_>,
        garbage: &BTreeSet<Garbage>,
        after: Option<Expiry>,
        found: &mut dyn FnMut(Expiry) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let after = after.map(Expiry::to_bytes);
        let bounds = (after_or_all(after.as_ref().map(|after| &after[..])), Bound::Unbounded);
        for entry in self.tables.expiry.range(txn, &bounds).map_err(|error| self.fault(error))? {
            let (key, _) = entry.map_err(|error| self.fault(error))?;
            let entry = self.expiry(key)?;
            if garbage.contains(&Garbage::Keyspace(entry.place.keyspace)) {
                continue;
            }
            let record = self.tables.records.get(txn, &entry.place.to_bytes());
            // Of a damaged record nobody knows when it expires.
            let agrees = record.map_err(|error| self.fault(error))?.is_some_and(|record| {
                StoredRecord::parse(entry.place, record)
                    .map_or(true, |record| record.expire_at == entry.at)
            });
            if !agrees && found(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Shows `found` the entries that the index should have for the records behind `after`, and has not.
    fn each_missing(
        &self,
        txn: &RoTxn<'_>,
        garbage: &BTreeSet<Garbage>,
        after: Option<Place>,
        found: &mut dyn FnMut(Expiry) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let after = after.map(Place::to_bytes);
        let bounds = (after_or_all(after.as_ref().map(|after| &after[..])), Bound::Unbounded);
        for entry in self.tables.records.range(txn, &bounds).map_err(|error| self.fault(error))? {
            let (key, value) = entry.map_err(|error| self.fault(error))?;
            let place = self.place(key)?;
            if garbage.contains(&Garbage::Keyspace(place.keyspace)) {
                continue;
            }
            let record = StoredRecord::parse(place, value).ok();
            if let Some(entry) = record.and_then(|record| record.expiry(place))
                && !self.is_indexed(txn, entry)?
                && found(entry).is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn is_indexed(&self, txn: &RoTxn<'_>, entry: Expiry) -> Result<bool, StoreError> {
        let found = self.tables.expiry.get(txn, &entry.to_bytes());
        Ok(found.map_err(|error| self.fault(error))?.is_some())
    }
}

/// The first entries that a walk finds.
fn some(
    walk: impl FnOnce(&mut dyn FnMut(Expiry) -> ControlFlow<()>) -> Result<(), StoreError>,
) -> Result<Vec<Expiry>, StoreError> {
    let mut found = Vec::new();
    walk(&mut |entry| {
        found.push(entry);
        if found.len() < MENDED_AT_ONCE {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    Ok(found)
}

fn after_or_all(after: Option<&[u8]>) -> Bound<&[u8]> {
    after.map_or(Bound::Unbounded, Bound::Excluded)
}

/// No two databases have one keyspace, and none is being removed.
fn check_databases(
    databases: &[DatabaseMeta],
    garbage: &BTreeSet<Garbage>,
    report: &mut CheckReport,
) {
    let mut used = BTreeSet::new();
    for DatabaseMeta { index, keyspace, .. } in databases {
        if !used.insert(keyspace) {
            report
                .problems
                .at(format!("database {index}"), "another database has the same keyspace");
        }
        if garbage.contains(&Garbage::Keyspace(*keyspace)) {
            report
                .problems
                .at(format!("database {index}"), "its keyspace is on the list of what is removed");
        }
    }
}

/// One reading of everything.
struct Check<'a> {
    store: &'a Store,
    txn: &'a RoTxn<'a>,
    garbage: BTreeSet<Garbage>,
    contents: &'a dyn Contents,
    report: &'a mut CheckReport,
}

impl Check<'_> {
    /// Returns the number of records in each keyspace.
    fn records(&mut self, values: &mut Tallies) -> Result<BTreeMap<u32, u64>, StoreError> {
        let Self { store, txn, .. } = *self;
        let mut keys = BTreeMap::new();
        let mut last: &[u8] = &[];
        for entry in store.tables.records.iter(txn).map_err(|error| store.fault(error))? {
            let (key, value) = entry.map_err(|error| store.fault(error))?;
            let Some(place) = Place::from_bytes(key) else {
                self.report.problems.at("the table of records", "a key has the wrong length");
                continue;
            };
            if key <= last {
                self.report.problems.at(place, "it is not where its key belongs in the tree");
            }
            last = key;
            if self.garbage.contains(&Garbage::Keyspace(place.keyspace)) {
                continue;
            }
            self.report.records += 1;
            *keys.entry(place.keyspace).or_insert(0) += 1;
            if let Err(problem) = self.record(place, value, values)? {
                self.report.problems.at(place, problem);
            }
        }
        Ok(keys)
    }

    /// The inner error is what is wrong with the record.
    fn record(
        &mut self,
        place: Place,
        value: &[u8],
        values: &mut Tallies,
    ) -> Result<Result<(), &'static str>, StoreError> {
        let record = match StoredRecord::parse(place, value) {
            Ok(record) => record,
            Err(problem) => return Ok(Err(problem)),
        };
        if let Some(entry) = record.expiry(place) {
            self.report.expiring += 1;
            if !self.store.is_indexed(self.txn, entry)? {
                self.report.index.at(place, "it expires and is not in the expiry index");
            }
        }
        let content = record.payload().and_then(|payload| {
            self.contents.record(place.keyspace, place.hash, record.key, record.kind, payload)
        });
        let (value, items) = match content {
            Ok(Content::Head { value, items }) => (value, items),
            Ok(Content::Whole) => return Ok(Ok(())),
            Err(problem) => return Ok(Err(problem)),
        };
        self.report.values += 1;
        let tally = Tally { hash: place.hash, kind: record.kind & !IN_PARTS, items, found: 0 };
        let taken = values.insert((place.keyspace, value), tally).is_some();
        if taken { Ok(Err("another record has the same parts")) } else { Ok(Ok(())) }
    }

    fn parts(&mut self, values: &mut Tallies) -> Result<(), StoreError> {
        let Self { store, txn, .. } = *self;
        let mut before: Option<(u32, u64, u64)> = None;
        for entry in store.tables.parts.iter(txn).map_err(|error| store.fault(error))? {
            let (key, bytes) = entry.map_err(|error| store.fault(error))?;
            let Some(place) = PartPlace::from_bytes(key) else {
                self.report.problems.at("the table of parts", "a key has the wrong length");
                continue;
            };
            let PartPlace { keyspace, value, .. } = place;
            if self.garbage.contains(&Garbage::Keyspace(keyspace))
                || self.garbage.contains(&Garbage::Value(keyspace, value))
            {
                continue;
            }
            self.report.parts += 1;
            let mut tally = values.get_mut(&(keyspace, value));
            if tally.is_none() {
                self.report.problems.at(place, "it belongs to no record");
            }
            let part = match PartRef::parse(place, bytes) {
                Ok(part) => part,
                Err(problem) => {
                    self.report.problems.at(place, problem);
                    continue;
                }
            };
            let overlaps = before.is_some_and(|(of, value_of, until)| {
                (of, value_of) == (keyspace, value) && until >= part.start
            });
            if overlaps || part.until < part.start {
                self.report.problems.at(place, "it overlaps with the part before");
            }
            before = Some((keyspace, value, part.until));
            if tally.as_ref().is_some_and(|tally| tally.kind != part.kind) {
                self.report
                    .problems
                    .at(place, "it is of another type than the value it belongs to");
            }
            match self.contents.part(keyspace, &part) {
                Ok(items) => tally.iter_mut().for_each(|tally| tally.found += items),
                Err(problem) => self.report.problems.at(place, problem),
            }
        }
        Ok(())
    }

    fn expiry(&mut self) -> Result<(), StoreError> {
        let Self { store, txn, .. } = *self;
        let report = &mut *self.report;
        store.each_stale(txn, &self.garbage, None, &mut |entry| {
            report.index.at(entry.place, "the expiry index holds it with another time");
            ControlFlow::Continue(())
        })
    }
}
