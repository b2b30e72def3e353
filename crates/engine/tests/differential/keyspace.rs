//! Compares all keys of all logical databases.

use tuckbox_resp::{Reply, cmd};

use crate::{compare::elements, run::Sides};

/// Logical databases of each side.
const LOGICAL: usize = 16;

/// Runs what tells everything of every key on all sides.
///
/// # Errors
/// The first difference.
pub(crate) fn compare(sides: &mut Sides<'_>) -> Result<(), String> {
    for db in 0..LOGICAL {
        sides.run(0, &cmd!("SELECT", db))?;
        let keys = sides.run(0, &cmd!("KEYS", "*"))?;
        let inner = |text: String| format!("In the keyspace at the end, db {db}: {text}");
        sides.run(0, &cmd!("DBSIZE")).map_err(inner)?;
        for key in keys.into_array().map_err(|error| error.to_string())? {
            let Reply::Bulk(key) = key else { return Err(format!("{key:?} is no key")) };
            let key = &key[..];
            let kind = sides.run(0, &cmd!("TYPE", key))?;
            let read = match kind == Reply::Simple("hash".into()) {
                true => cmd!("HGETALL", key),
                false => cmd!("GET", key),
            };
            let context = |text: String| inner(format!("{}: {text}", key.escape_ascii()));
            for command in
                [read, cmd!("PEXPIRETIME", key), cmd!("PTTL", key), cmd!("OBJECT", "ENCODING", key)]
            {
                sides.run(0, &command).map_err(context)?;
            }
        }
    }
    // The comparison above is as good as its reading of keys.
    let all = sides.run(0, &cmd!("KEYS", "*"))?;
    elements(&all).map(|_| ()).ok_or_else(|| format!("{all:?} are no keys"))
}
