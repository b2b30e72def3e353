//! Measures the engine alone, in process: `bench-engine latency|durable|large DIR` prints its
//! figures as JSON, and `bench-engine fill DIR KEYS` makes a database for `bench/run start`.

mod durable;
mod failure;
mod fill;
mod keys;
mod large;
mod latency;

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use failure::Failure;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to do when not even this can be written.
            let _ = writeln!(io::stderr(), "bench-engine: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let figures = match words.as_slice() {
        ["latency", dir] => latency::measure(Path::new(dir))?,
        ["durable", dir] => durable::measure(&PathBuf::from(dir))?,
        ["large", dir] => large::measure(Path::new(dir), 1)?,
        ["large", dir, share] => {
            let share = share.parse().ok().filter(|&share| share > 0).ok_or(Failure::Usage)?;
            large::measure(Path::new(dir), share)?
        }
        ["bytes-per-key", ..] => return large::per_key(),
        [role @ ("fill" | "first-answer" | "write"), dir, keys] => {
            let (dir, keys) = (Path::new(dir), keys.parse().map_err(|_| Failure::Usage)?);
            return match *role {
                "fill" => fill::fill(dir, keys),
                "first-answer" => large::answer_once(dir, keys),
                _ => large::write_on(dir, keys),
            };
        }
        _ => return Err(Failure::Usage),
    };
    writeln!(io::stdout(), "{figures}").map_err(Failure::Io)
}
