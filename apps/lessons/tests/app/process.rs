//! The program: what it keeps when it is killed, how it ends, what it refuses.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    time::Instant,
};

use tuckbox_test_redis::RedisServer;

use crate::browser::{Browser, SOON};

/// The program, running on a port that the system chose.
struct Process {
    child: Child,
    log: BufReader<ChildStdout>,
    port: u16,
}

fn program(env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lessons"));
    command.env_clear().env("PORT", "0").envs(env.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

impl Process {
    fn start(url: &str) -> Self {
        let mut child = program(&[("REDIS_URL", url)]).spawn().unwrap();
        let log = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, log, port: 0 };
        let line = process.log_line("listening on http://localhost:");
        let port = line.split("http://localhost:").nth(1).unwrap();
        process.port = port.split('"').next().unwrap().parse().unwrap();
        process
    }

    /// Reads the log up to a line with `text`.
    fn log_line(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "ended before {text:?}");
        }
        line
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().signal(), Some(9));
    }

    fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    }

    fn exit(&mut self) -> ExitStatus {
        let began = Instant::now();
        while began.elapsed() < SOON {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("still running after {SOON:?}");
    }

    /// Lets a browser go on with this process.
    fn take(&self, browser: &mut Browser) {
        browser.address.set_port(self.port);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn browser() -> Browser {
    Browser::new(([127, 0, 0, 1], 0).into())
}

fn file_url(dir: &Path) -> String {
    format!("file:{}", dir.join("data").display())
}

async fn survives_kill(url: &str) {
    let mut browser = browser();
    let mut slugs = Vec::new();
    for round in 0..4 {
        let mut process = Process::start(url);
        process.take(&mut browser);
        if round == 0 {
            browser.log_in("ada").await;
        }
        let page = browser.get("/").await;
        assert!(page.body.contains(r#"<strong id="user">ada</strong>"#), "{}", page.body);
        for slug in &slugs {
            assert!(page.body.contains(&format!(r#"id="lesson-{slug}""#)), "{}", page.body);
        }
        let slug = format!("round-{round}");
        assert_eq!(browser.mark(&slug).await.status, 200);
        slugs.push(slug);
        process.kill();
    }
    let mut process = Process::start(url);
    process.take(&mut browser);
    let list = browser.list().await;
    assert!(slugs.iter().all(|slug| list.contains(slug.as_str())), "{list}");
    browser.post("/logout", "").await.assert_redirects_to("/");
    process.kill();
    let process = Process::start(url);
    process.take(&mut browser);
    browser.assert_logged_out().await;
}

#[tokio::test]
async fn kill_9_loses_neither_session_nor_lesson() {
    let dir = tempfile::tempdir().unwrap();
    survives_kill(&file_url(dir.path())).await;
}

#[tokio::test]
async fn kill_9_loses_nothing_on_redis_either() {
    let Some(server) = RedisServer::start() else { return };
    survives_kill(&server.url()).await;
}

/// A login whose body is half sent, with the app waiting for the rest.
fn begin_login(port: u16) -> TcpStream {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    tcp.set_read_timeout(Some(SOON)).unwrap();
    let head = "POST /login HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\
                content-type: application/x-www-form-urlencoded\r\nexpect: 100-continue\r\n\r\n";
    tcp.write_all(head.as_bytes()).unwrap();
    let mut line = [0; 25];
    tcp.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    tcp.write_all(b"userI").unwrap();
    tcp
}

#[tokio::test]
async fn sigterm_finishes_the_requests_in_flight() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(&file_url(dir.path()));
    let mut login = begin_login(process.port);
    process.terminate();
    process.log_line("stopping");
    login.write_all(b"d=ada").unwrap();
    let mut answer = String::new();
    login.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    assert_eq!(process.exit().code(), Some(0));

    let id = answer.split("set-cookie: session=").nth(1).unwrap().split(';').next().unwrap();
    let process = Process::start(&file_url(dir.path()));
    let mut browser = browser();
    process.take(&mut browser);
    browser.cookies.insert("session".to_owned(), id.to_owned());
    assert_eq!(browser.list().await, r#"{"Lessons":{}}"#);
}

fn refused(env: &[(&str, &str)]) -> String {
    let Output { status, stderr, .. } = program(env).stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{text}");
    text
}

#[tokio::test]
async fn a_second_process_on_the_same_directory_names_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let url = file_url(dir.path());
    let first = Process::start(&url);
    let mut browser = browser();
    first.take(&mut browser);
    browser.log_in("ada").await;
    let text = refused(&[("REDIS_URL", &url)]);
    let holder = format!("is in use by process {}", first.child.id());
    assert!(text.contains(&holder), "{text}");
    assert!(text.contains(&dir.path().display().to_string()), "{text}");
    // The first goes on as if nothing had happened.
    assert_eq!(browser.mark("123").await.status, 200);
}

#[test]
fn settings_that_cannot_be_used_are_named_without_their_secrets() {
    let text = refused(&[("REDIS_URL", "redi://:hunter2@localhost")]);
    assert!(text.starts_with("error: ") && !text.contains("hunter2"), "{text}");
    let text = refused(&[("REDIS_URL", "memory:"), ("LOGIN", "yes")]);
    assert_eq!(text, "error: LOGIN is \"yes\": use open or closed\n");
    let text = refused(&[("REDIS_URL", "memory:"), ("SESSION_COOKIE", "__Host-s")]);
    assert!(text.contains("SESSION_COOKIE"), "{text}");
}

#[test]
fn it_warns_that_anybody_can_log_in_as_anybody() {
    let mut child = program(&[("REDIS_URL", "memory:")]).spawn().unwrap();
    let log = BufReader::new(child.stdout.take().unwrap());
    let mut process = Process { child, log, port: 0 };
    let line = process.log_line("anybody can log in as anybody");
    assert!(line.contains("WARN"), "{line}");
}
