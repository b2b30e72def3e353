//! The check of the store.

use std::path::Path;

use super::report::{Report, Severity, StoreFigures};
use crate::store::{CheckReport, Store, StoreError};

/// Reads the whole store in the data directory `dir`; repairs its index if it is
/// told to and nothing else is wrong.
pub(super) fn check(dir: &Path, repair: bool, report: &mut Report) {
    let dir = dir.join("store");
    let file = dir.join("data.mdb");
    let is_new = format!("{}: the store is new", file.display());
    if !file.exists() {
        return report.add(Severity::Note, is_new);
    }
    let found =
        Store::open_to_check(&dir).and_then(|store| store.as_ref().map(Store::check).transpose());
    let found = match found {
        Ok(Some(found)) => found,
        Ok(None) => return report.add(Severity::Note, is_new),
        Err(error) => return report.add(Severity::Damage, error.to_string()),
    };
    let CheckReport { records, expiring, parts, position, .. } = found;
    report.store = Some(StoreFigures { keys: records, expiring, parts, position });
    let disagreements = found.index.len();
    let damages = found.problems_total - disagreements;
    let all = format!("{} problems in {}", found.problems_total, file.display());
    if damages > 0 {
        for problem in &found.problems {
            report.add(Severity::Damage, format!("{}: {problem}", file.display()));
        }
        if found.problems_total > found.problems.len() as u64 {
            report.add(Severity::Damage, format!("{all} altogether"));
        }
        return;
    }
    if disagreements == 0 {
        return;
    }
    let what = format!(
        "{}: the expiry index does not agree with the records in {disagreements} places",
        file.display()
    );
    if !repair {
        return report.add(Severity::Repairable, what);
    }
    match mend(&dir, &found) {
        Ok(()) => report.add(Severity::Repaired, what),
        Err(error) => report.add(Severity::Repairable, format!("{what}; not repaired: {error}")),
    }
}

fn mend(dir: &Path, found: &CheckReport) -> Result<(), StoreError> {
    Store::open(dir)?.mend(&found.index)
}
