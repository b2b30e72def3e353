//! A large database of the lessons app.

use std::path::Path;

use tuckbox_engine::{Durability, Engine, Options};
use tuckbox_resp::cmd;

use crate::failure::{Failure, accepted};

/// Makes a database in `dir` in which `keys` users have completed one lesson each.
pub(crate) fn fill(dir: &Path, keys: u64) -> Result<(), Failure> {
    let options = Options { durability: Durability::EverySec, ..Options::default() };
    let engine = Engine::open(dir, options)?;
    let mut connection = engine.connection();
    for user in 0..keys {
        let key = format!("lessons:user-{user:07}");
        let done = connection.execute(&cmd!("HSET", key, "123", "2022-10-12T02:01:14+03:00"));
        accepted(done.reply)?;
    }
    engine.close()?;
    Ok(())
}
