//! `tuckbox serve`: a server until it is told to end.

use std::{
    ffi::OsString,
    fs,
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    process::ExitCode,
};

use lexopt::{Arg, Parser, ValueExt};
use tuckbox_engine::{Durability, Engine, Options};

use crate::{
    cli::{self, BoxError, Subcommand, Usage},
    config::{Config, DebugFrom, PASSWORD_MAX, Password},
    process::open_files_for,
    server::{Server, Signals},
};

pub(crate) const SUBCOMMAND: Subcommand =
    Subcommand { name: "serve", summary: "Serve a database to Redis clients", help: HELP, run };

const HELP: &str = "\
Usage: tuckbox serve (--dir DIR | --memory) [options]

Serves a database to Redis clients (RESP2 and RESP3), until SIGTERM or SIGINT.
Prints \"listening on ADDRESS\" when it is ready.

  --dir DIR              Keep the data in this directory, which is made when missing
  --memory               Keep the data in memory only: it ends with the process

  --listen ADDRESS       Where to listen [127.0.0.1:6379]; port 0 takes a free one
  --password-file FILE   The password is the first line of this file; or set TUCKBOX_PASSWORD
  --open                 Let other machines connect without a password
  --durability WHEN      When a write is acknowledged: always (once it is synced to disk, the
                         default), everysec (at once; synced within a second), or memory (as
                         --memory)
  --memory-limit SIZE    Keys and values to hold in memory, such as 256mb (the default) or 2gb
  --checkpoint-log SIZE  Log after which the store is brought up to date [6mb]. More makes writing
                         cheaper, and a start after a crash longer: some ms for each MiB
  --max-clients N        Connections at one time, as far as `ulimit -n` goes [10000]
  --debug WHOM           Who may use DEBUG SLEEP and the like: no, local (the default) or yes
  -h, --help             Print this
";

/// The environment variable that can hold the password.
const PASSWORD_VARIABLE: &str = "TUCKBOX_PASSWORD";

/// What the command line asks for.
struct Wish {
    directory: Option<PathBuf>,
    config: Config,
    options: Options,
}

fn run(parser: Parser) -> Result<ExitCode, BoxError> {
    let Wish { directory, config, options } = read(parser)?;
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).try_init()?;
    // Before anything takes time, so that nothing of the start is cut off.
    let signals = Signals::install()?;
    open_files_for(config.max_clients);
    let engine = match directory {
        Some(directory) => Engine::open(directory, options)?,
        None => Engine::in_memory(options)?,
    };
    let mut server = Server::bind(engine, config)?;
    server.end_on(signals)?;
    cli::print(&format!("listening on {}\n", server.local_addr()))?;
    server.run()?;
    Ok(ExitCode::SUCCESS)
}

fn read(mut parser: Parser) -> Result<Wish, BoxError> {
    let mut directory: Option<PathBuf> = None;
    let mut in_memory = false;
    let mut options = Options::default();
    let mut listen = String::from("127.0.0.1:6379");
    let mut config = Config {
        password: std::env::var_os(PASSWORD_VARIABLE).map(password_of).transpose()?,
        ..Config::default()
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("dir") => directory = Some(parser.value()?.into()),
            Arg::Long("memory") => in_memory = true,
            Arg::Long("listen") => listen = parser.value()?.string()?,
            Arg::Long("password-file") => {
                config.password = Some(read_password(&PathBuf::from(parser.value()?))?);
            }
            Arg::Long("open") => config.open = true,
            Arg::Long("durability") => match parser.value()?.string()?.as_str() {
                "always" => options.durability = Durability::Always,
                "everysec" => options.durability = Durability::EverySec,
                "memory" => in_memory = true,
                _ => return Err(wrong("--durability is always, everysec or memory")),
            },
            Arg::Long("memory-limit") => {
                let size = parse_size(parser.value()?.as_encoded_bytes());
                let size = size.and_then(|size| usize::try_from(size).ok());
                options.memory_limit = size
                    .filter(|&size| size > 0)
                    .ok_or_else(|| wrong("--memory-limit is a size such as 256mb or 2gb"))?;
            }
            Arg::Long("checkpoint-log") => {
                let size = parse_size(parser.value()?.as_encoded_bytes());
                options.checkpoint_log_bytes =
                    size.ok_or_else(|| wrong("--checkpoint-log is a size such as 6mb"))?;
            }
            Arg::Long("debug") => match parser.value()?.string()?.as_str() {
                "no" => config.debug_from = DebugFrom::Nobody,
                "local" => config.debug_from = DebugFrom::Local,
                "yes" => config.debug_from = DebugFrom::Everybody,
                _ => return Err(wrong("--debug is no, local or yes")),
            },
            Arg::Long("max-clients") => config.max_clients = parser.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    if config.max_clients == 0 {
        return Err(wrong("--max-clients is 1 or more"));
    }
    if in_memory == directory.is_some() {
        return Err(wrong("say either --dir DIR, or --memory"));
    }
    config.listen = address(&listen)?;
    Ok(Wish { directory, config, options })
}

fn wrong(problem: &str) -> BoxError {
    Usage(problem.to_owned()).into()
}

/// `127.0.0.1:6379`, `localhost:0`, `:6379`.
fn address(text: &str) -> Result<SocketAddr, BoxError> {
    let text = if text.starts_with(':') { format!("127.0.0.1{text}") } else { text.to_owned() };
    let mut found = text.to_socket_addrs().map_err(|cause| {
        wrong(&format!("--listen is an address and a port such as 127.0.0.1:6379: {cause}"))
    })?;
    found.next().ok_or_else(|| wrong("--listen names no address"))
}

/// Reads `256mb`, `1g`, `1024`, as in Redis' configuration: `k` is 1,000 and `kb`
/// is 1,024.
pub(crate) fn parse_size(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1_000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    std::str::from_utf8(number).ok()?.parse::<u64>().ok()?.checked_mul(factor)
}

fn read_password(path: &PathBuf) -> Result<Password, BoxError> {
    let shown = path.display();
    let text = fs::read(path)
        .map_err(|cause| format!("cannot read the password file {shown}: {cause}"))?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() || line.len() > PASSWORD_MAX {
        return Err(
            format!("the first line of the password file {shown} is empty or too long").into()
        );
    }
    Ok(Password::new(line))
}

fn password_of(text: OsString) -> Result<Password, BoxError> {
    if text.is_empty() || text.len() > PASSWORD_MAX {
        return Err(wrong("TUCKBOX_PASSWORD is empty or too long; unset it, or give a password"));
    }
    Ok(Password::new(text.as_encoded_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_units_of_redis() {
        let cases: [(&str, Option<u64>); 8] = [
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("1k", Some(1000)),
            ("1kb", Some(1024)),
            ("256MB", Some(256 << 20)),
            ("2g", Some(2_000_000_000)),
            ("mb", None),
            ("99999999999gb", None),
        ];
        for (text, size) in cases {
            assert_eq!(parse_size(text.as_bytes()), size, "{text}");
        }
    }
}
