//! The Express service as a process, beside a Redis server of the test's own.

use std::{
    io::{BufRead as _, BufReader, ErrorKind},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tuckbox::{Db, cmd};
use tuckbox_sessions::{
    ConfigBuilder, SessionLayer,
    express::{Express, SidSecrets},
};

use crate::{
    jar::{Jar, Service},
    ours::{self, session_cookies},
    redis_server::RedisServer,
};

/// What signs the cookies, unless a test says otherwise.
pub(crate) const SECRET: &str = "keyboard cat";

/// The running services, as one test sees them.
pub(crate) struct Services {
    running: Arc<Running>,
    pub(crate) db: Db,
}

/// An Express service and its Redis; both end with this value.
struct Running {
    express: Process,
    redis: RedisServer,
}

/// What tests share that run at the same time: to start Express takes longer
/// than all they do with it.
static SHARED: Mutex<Weak<Running>> = Mutex::new(Weak::new());

impl Services {
    /// Express as it is by default, with other tests' sessions beside;
    /// `None` where something is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let running = {
            let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            let running = shared.upgrade().or_else(|| Running::start(&[]).map(Arc::new))?;
            *shared = Arc::downgrade(&running);
            running
        };
        Some(Self::of(running).await)
    }

    /// Express for one test alone, with these variables: see
    /// `tests/express/server.js`.
    pub(crate) async fn start_alone(variables: &[(&str, &str)]) -> Option<Self> {
        Some(Self::of(Arc::new(Running::start(variables)?)).await)
    }

    async fn of(running: Arc<Running>) -> Self {
        let db = Db::open(&running.redis.url()).await.unwrap();
        Self { running, db }
    }

    pub(crate) fn redis(&self) -> &RedisServer {
        &self.running.redis
    }

    pub(crate) fn express(&self) -> Service {
        Service::Express(self.running.express.port)
    }

    /// Our service, as it fits to Express' defaults.
    pub(crate) fn ours(&self) -> Service {
        self.ours_with(session_cookies(), shared(&[SECRET]))
    }

    pub(crate) fn ours_with(&self, config: ConfigBuilder, express: Express) -> Service {
        let config = config.express(express).build().unwrap();
        Service::Ours(ours::routes().layer(SessionLayer::new(self.db.clone(), config)))
    }

    /// What Redis holds for the session of the jar's cookie.
    pub(crate) async fn text(&self, jar: &Jar) -> Option<String> {
        let text = self.db.call(cmd!("GET", jar.key())).await.unwrap().into_bytes().unwrap();
        text.map(|text| String::from_utf8(text.to_vec()).unwrap())
    }
}

impl Running {
    /// `None` where something is not installed.
    fn start(variables: &[(&str, &str)]) -> Option<Self> {
        if !directory().join("node_modules").exists() {
            return missing("run `npm ci` in tests/express");
        }
        let Some(redis) = RedisServer::start() else { return missing("install redis-server") };
        let Some(express) = Process::start(&redis.url(), variables) else {
            return missing("install Node.js");
        };
        Some(Self { express, redis })
    }
}

/// Sessions shared with an Express service that has these secrets.
pub(crate) fn shared(secrets: &[&str]) -> Express {
    Express::new(SidSecrets::new(secrets).unwrap())
}

fn missing(what: &str) -> Option<Running> {
    let required = std::env::var("TUCKBOX_REQUIRE_EXPRESS").as_deref() == Ok("1");
    assert!(!required, "the tests with Express cannot run: {what}");
    println!("skipped: {what}");
    None
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/express")
}

struct Process {
    child: Child,
    port: u16,
    /// Kept open, for whatever it may still say.
    output: BufReader<ChildStdout>,
}

impl Process {
    /// `None` where Node.js is not installed.
    fn start(redis: &str, variables: &[(&str, &str)]) -> Option<Self> {
        let started = Command::new("node")
            .arg("server.js")
            .current_dir(directory())
            .envs([("PORT", "0"), ("REDIS_URL", redis), ("SESSION_SECRET", SECRET)])
            .env_remove("MAX_AGE_MS")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match started {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            started => started.unwrap(),
        };
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, port: 0, output };
        let mut line = String::new();
        process.output.read_line(&mut line).unwrap();
        let Some(port) = line.trim().strip_prefix("listening on ") else {
            panic!("the Express service did not start: {line:?}");
        };
        process.port = port.parse().unwrap();
        Some(process)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
