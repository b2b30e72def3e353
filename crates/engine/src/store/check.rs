//! Reading everything to see whether it is whole, and mending what follows from the rest.

use std::collections::{BTreeMap, BTreeSet};

use heed::RoTxn;

use super::parts::PartRef;
use super::record::{Expiry, StoredRecord};
use super::{Garbage, IN_PARTS, Store, StoreError};

/// Problems that a report tells in words. All are counted.
const PROBLEMS_MAX: usize = 100;

/// What [`Store::check`] found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckReport {
    /// Records of the databases: those of keyspaces being removed do not count.
    pub(crate) records: u64,
    /// Those of them that expire.
    pub(crate) expiring: u64,
    /// Parts of the values of these.
    pub(crate) parts: u64,
    /// The log position that the records stand for.
    pub(crate) position: u64,
    /// The first problems, a sentence each, without keys and values.
    pub(crate) problems: Vec<String>,
    /// All problems, those of the index too. 0: the store is whole.
    pub(crate) problems_total: u64,
    /// Where the expiry index does not agree with the records.
    pub(crate) index: Disagreement,
}

/// What the expiry index should have and has not, and the other way round. It follows from the records, so it can be mended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Disagreement {
    missing: Vec<[u8; Expiry::BYTES]>,
    stale: Vec<[u8; Expiry::BYTES]>,
}

impl Disagreement {
    /// How many entries are wrong.
    pub(crate) fn len(&self) -> u64 {
        (self.missing.len() + self.stale.len()) as u64
    }
}

impl CheckReport {
    fn problem(&mut self, problem: String) {
        self.problems_total += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}

impl Store {
    /// Reads every record, part and entry: all checksums match, the expiry index agrees with the records both ways, each
    /// database has the number of keys it should, and parts do not overlap and belong to a record.
    ///
    /// Takes as long as reading the file, and one snapshot for all of it: checkpoints go on, but make the file grow meanwhile.
    ///
    /// # Errors
    /// Only if the tree cannot be walked. What is wrong with the records is in the report.
    pub(crate) fn check(&self) -> Result<CheckReport, StoreError> {
        let txn = self.read_txn()?;
        let databases = self.meta_in(&txn)?;
        let garbage: BTreeSet<Garbage> = self.garbage_in(&txn)?.into_iter().collect();
        let position = databases.iter().map(|meta| meta.position).max().unwrap_or(0);
        let mut report = CheckReport { position, ..CheckReport::default() };
        let mut values = BTreeSet::new();
        let mut keys = self.check_records(&txn, &garbage, &mut values, &mut report)?;
        self.check_parts(&txn, &garbage, &values, &mut report)?;
        self.check_expiry(&txn, &garbage, &mut report)?;
        for meta in databases {
            let found = keys.remove(&meta.keyspace).unwrap_or(0);
            if found != meta.keys {
                report.problem(format!(
                    "database {} should have {} keys and has {found}",
                    meta.index, meta.keys
                ));
            }
        }
        for (keyspace, found) in keys {
            report.problem(format!("keyspace {keyspace} with {found} keys belongs to no database"));
        }
        Ok(report)
    }

    /// Makes the expiry index agree with the records again, in one checkpoint.
    ///
    /// # Errors
    /// As [`put`](super::Checkpoint::put); the store is as it was then.
    pub(crate) fn mend(&self, index: &Disagreement) -> Result<(), StoreError> {
        let mut checkpoint = self.checkpoint()?;
        for entry in &index.stale {
            let deleted = self.tables.expiry.delete(&mut checkpoint.txn, entry);
            deleted.map_err(|error| self.fault(error))?;
        }
        for entry in &index.missing {
            let put = self.tables.expiry.put(&mut checkpoint.txn, entry, &[]);
            put.map_err(|error| self.fault(error))?;
        }
        checkpoint.commit()
    }

    /// Returns the number of records in each keyspace.
    fn check_records(
        &self,
        txn: &RoTxn<'_>,
        garbage: &BTreeSet<Garbage>,
        values: &mut BTreeSet<(u32, u64)>,
        report: &mut CheckReport,
    ) -> Result<BTreeMap<u32, u64>, StoreError> {
        let mut keys = BTreeMap::new();
        let mut last: &[u8] = &[];
        for entry in self.tables.records.iter(txn).map_err(|error| self.fault(error))? {
            let (key, value) = entry.map_err(|error| self.fault(error))?;
            let place = self.place(key)?;
            if key <= last {
                report.problem(format!("{place}: it is not where its key belongs in the tree"));
            }
            last = key;
            if garbage.contains(&Garbage::Keyspace(place.keyspace)) {
                continue;
            }
            report.records += 1;
            *keys.entry(place.keyspace).or_insert(0) += 1;
            let record = match StoredRecord::parse(place, value) {
                Ok(record) => record,
                Err(problem) => {
                    report.problem(format!("{place}: {problem}"));
                    continue;
                }
            };
            match record.payload() {
                Ok(payload) if record.kind & IN_PARTS != 0 => {
                    let value = payload.first_chunk().map(|value| u64::from_le_bytes(*value));
                    if !value.is_some_and(|value| values.insert((place.keyspace, value))) {
                        report.problem(format!("{place}: its value has no parts of its own"));
                    }
                }
                Ok(_) => {}
                Err(problem) => report.problem(format!("{place}: {problem}")),
            }
            if let Some(expiry) = record.expiry(place) {
                report.expiring += 1;
                let indexed = self
                    .tables
                    .expiry
                    .get(txn, &expiry.to_bytes())
                    .map_err(|error| self.fault(error))?;
                if indexed.is_none() {
                    report.index.missing.push(expiry.to_bytes());
                    report.problem(format!("{place}: it expires and is not in the expiry index"));
                }
            }
        }
        Ok(keys)
    }

    fn check_parts(
        &self,
        txn: &RoTxn<'_>,
        garbage: &BTreeSet<Garbage>,
        values: &BTreeSet<(u32, u64)>,
        report: &mut CheckReport,
    ) -> Result<(), StoreError> {
        let mut before: Option<(u32, u64, u64)> = None;
        for entry in self.tables.parts.iter(txn).map_err(|error| self.fault(error))? {
            let (key, bytes) = entry.map_err(|error| self.fault(error))?;
            let place = self.part_place(key)?;
            let (keyspace, value) = (place.keyspace, place.value);
            if garbage.contains(&Garbage::Keyspace(keyspace))
                || garbage.contains(&Garbage::Value(keyspace, value))
            {
                continue;
            }
            report.parts += 1;
            if !values.contains(&(keyspace, value)) {
                report.problem(format!("{place}: it belongs to no record"));
            }
            let part = match PartRef::parse(place, bytes) {
                Ok(part) => part,
                Err(problem) => {
                    report.problem(format!("{place}: {problem}"));
                    continue;
                }
            };
            let overlaps = before.is_some_and(|(of, value_of, until)| {
                (of, value_of) == (keyspace, value) && until >= part.start
            });
            if overlaps || part.until < part.start {
                report.problem(format!("{place}: it overlaps with the part before"));
            }
            before = Some((keyspace, value, part.until));
        }
        Ok(())
    }

    fn check_expiry(
        &self,
        txn: &RoTxn<'_>,
        garbage: &BTreeSet<Garbage>,
        report: &mut CheckReport,
    ) -> Result<(), StoreError> {
        for entry in self.tables.expiry.iter(txn).map_err(|error| self.fault(error))? {
            let (key, _) = entry.map_err(|error| self.fault(error))?;
            let expiry = self.expiry(key)?;
            if garbage.contains(&Garbage::Keyspace(expiry.place.keyspace)) {
                continue;
            }
            let value = self
                .tables
                .records
                .get(txn, &expiry.place.to_bytes())
                .map_err(|error| self.fault(error))?;
            // A damaged record was told of above.
            let agrees = value.is_some_and(|value| {
                StoredRecord::parse(expiry.place, value)
                    .map_or(true, |record| record.expire_at == expiry.at)
            });
            if !agrees {
                report.index.stale.push(expiry.to_bytes());
                report.problem(format!(
                    "{}: the expiry index holds it with another time",
                    expiry.place
                ));
            }
        }
        Ok(())
    }
}
