//! The check of the store.

use std::fmt;
use std::path::Path;

use super::report::{Report, Severity, StoreFigures};
use super::values::Values;
use crate::store::{CheckReport, Problems, Store, StoreError};

/// Reads the whole store in the data directory `dir`; repairs its index if it is
/// told to and nothing else is wrong.
pub(super) fn check(dir: &Path, repair: bool, report: &mut Report) {
    let dir = dir.join("store");
    let file = dir.join("data.mdb");
    let is_new = format!("{}: the store is new", file.display());
    if !file.exists() {
        return report.add(Severity::Note, is_new);
    }
    let found = Store::open_to_check(&dir).and_then(|store| store.as_ref().map(read).transpose());
    let found = match found {
        Ok(Some(found)) => found,
        Ok(None) => return report.add(Severity::Note, is_new),
        Err(error) => return report.add(Severity::Damage, error.to_string()),
    };
    let CheckReport { records, expiring, values, parts, position, problems, index } = found;
    report.store = Some(StoreFigures { keys: records, expiring, values, parts, position });
    let place = file.display();
    if problems.total() > 0 {
        tell(&problems, &place, report);
        tell(&index, &place, report);
        let all = problems.total() + index.total();
        return report.add(Severity::Damage, format!("{place}: {all} problems altogether"));
    }
    if index.total() == 0 {
        return;
    }
    let what = format!(
        "{place}: the expiry index does not agree with the records in {} places",
        index.total()
    );
    if !repair {
        return report.add(Severity::Repairable, what);
    }
    match Store::open(&dir).and_then(|store| store.mend()) {
        Ok(()) => report.add(Severity::Repaired, what),
        Err(error) => report.add(Severity::Repairable, format!("{what}; not repaired: {error}")),
    }
}

fn read(store: &Store) -> Result<CheckReport, StoreError> {
    store.check(&Values::of(&store.meta()?))
}

fn tell(problems: &Problems, file: &dyn fmt::Display, report: &mut Report) {
    for problem in problems.told() {
        report.add(Severity::Damage, format!("{file}: {problem}"));
    }
    for (count, what) in problems.untold() {
        report.add(Severity::Damage, format!("{file}: and {count} times more: {what}"));
    }
}
