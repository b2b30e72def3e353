//! The program on a port that the system chose.

use std::{
    io::{self, BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use crate::browser::Browser;

/// The running program; it ends with this value, as if by `kill -9`.
pub(crate) struct Program {
    child: Child,
    pub(crate) port: u16,
}

/// The program with these variables and no others.
pub(crate) fn command(env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_views"));
    command.env_clear().envs(env.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// The URL of a database in the directory.
pub(crate) fn file_url(directory: &Path) -> String {
    format!("file:{}", directory.join("data").display())
}

impl Program {
    pub(crate) fn start(url: &str) -> Self {
        Self::start_with(url, &[])
    }

    pub(crate) fn start_with(url: &str, env: &[(&str, &str)]) -> Self {
        let settings = [("PORT", "0"), ("REDIS_URL", url)];
        let mut child = command(&[&settings, env].concat()).spawn().unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let mut program = Self { child, port: 0 };
        let mut line = String::new();
        while !line.contains("listening on ") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended before it listened");
        }
        let port = line.split("http://localhost:").nth(1).unwrap();
        program.port = port.split('"').next().unwrap().parse().unwrap();
        // Somebody must go on reading its log, or it would lose lines.
        thread::spawn(move || io::copy(&mut log, &mut io::sink()));
        program
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.port)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
