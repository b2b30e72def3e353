//! Reading everything to see whether it is whole.

use std::collections::{BTreeMap, BTreeSet};

use heed::RoTxn;

use super::record::StoredRecord;
use super::{Store, StoreError};

/// Problems that a report tells in words. All are counted.
const PROBLEMS_MAX: usize = 100;

/// What [`Store::check`] found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckReport {
    /// Records of the databases: those of keyspaces being removed do not count.
    pub(crate) records: u64,
    /// Those of them that expire.
    pub(crate) expiring: u64,
    /// The first problems, a sentence each, without keys and values.
    pub(crate) problems: Vec<String>,
    /// All problems. 0: the store is whole.
    pub(crate) problems_total: u64,
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
    /// Reads every record and every entry: all checksums match, the expiry index agrees with the records both ways, and
    /// each database has the number of keys it should.
    ///
    /// Takes as long as reading the file, and one snapshot for all of it: checkpoints go on, but make the file grow meanwhile.
    ///
    /// # Errors
    /// Only if the tree cannot be walked. What is wrong with the records is in the report.
    pub(crate) fn check(&self) -> Result<CheckReport, StoreError> {
        let txn = self.read_txn()?;
        let databases = self.meta_in(&txn)?;
        let garbage: BTreeSet<u32> = self.garbage_in(&txn)?.into_iter().collect();
        let mut report = CheckReport::default();
        let mut keys = self.check_records(&txn, &garbage, &mut report)?;
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

    /// Returns the number of records in each keyspace.
    fn check_records(
        &self,
        txn: &RoTxn<'_>,
        garbage: &BTreeSet<u32>,
        report: &mut CheckReport,
    ) -> Result<BTreeMap<u32, u64>, StoreError> {
        let mut keys = BTreeMap::new();
        for entry in self.tables.records.iter(txn).map_err(|error| self.fault(error))? {
            let (key, value) = entry.map_err(|error| self.fault(error))?;
            let place = self.place(key)?;
            if garbage.contains(&place.keyspace) {
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
            if let Err(problem) = record.payload() {
                report.problem(format!("{place}: {problem}"));
            }
            if let Some(expiry) = record.expiry(place) {
                report.expiring += 1;
                let indexed = self
                    .tables
                    .expiry
                    .get(txn, &expiry.to_bytes())
                    .map_err(|error| self.fault(error))?;
                if indexed.is_none() {
                    report.problem(format!("{place}: it expires and is not in the expiry index"));
                }
            }
        }
        Ok(keys)
    }

    fn check_expiry(
        &self,
        txn: &RoTxn<'_>,
        garbage: &BTreeSet<u32>,
        report: &mut CheckReport,
    ) -> Result<(), StoreError> {
        for entry in self.tables.expiry.iter(txn).map_err(|error| self.fault(error))? {
            let (key, _) = entry.map_err(|error| self.fault(error))?;
            let expiry = self.expiry(key)?;
            if garbage.contains(&expiry.place.keyspace) {
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
                report.problem(format!(
                    "{}: the expiry index holds it with another time",
                    expiry.place
                ));
            }
        }
        Ok(())
    }
}
