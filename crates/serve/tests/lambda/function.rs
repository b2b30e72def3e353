//! The function's process.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::runtime::{Runtime, SOON};

pub(crate) struct Function {
    child: Child,
    output: BufReader<ChildStdout>,
}

pub(crate) fn command() -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/function");
    assert!(path.exists(), "{} is missing: cargo build --example function", path.display());
    let mut command = Command::new(path);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

impl Function {
    pub(crate) fn start(runtime: &Runtime) -> Self {
        Self::start_with(runtime, &[])
    }

    pub(crate) fn start_with(runtime: &Runtime, env: &[(&str, &str)]) -> Self {
        let mut child = command()
            .env("AWS_LAMBDA_RUNTIME_API", runtime.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "function")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .envs(env.iter().copied())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// The log's next line, as it is.
    pub(crate) fn text_line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it ended");
        line
    }

    pub(crate) fn line(&mut self) -> Value {
        serde_json::from_str(&self.text_line()).unwrap()
    }

    /// Reads the log up to a line with that message.
    pub(crate) fn line_with(&mut self, message: &str) -> Value {
        loop {
            let line = self.line();
            if line["message"] == message {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the end; returns what was left of the log.
    pub(crate) fn exit(mut self) -> (ExitStatus, String) {
        let began = Instant::now();
        while began.elapsed() < SOON {
            if let Some(status) = self.child.try_wait().unwrap() {
                let mut rest = String::new();
                self.output.read_to_string(&mut rest).unwrap();
                return (status, rest);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("still running after {SOON:?}");
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
