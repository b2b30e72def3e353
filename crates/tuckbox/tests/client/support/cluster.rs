//! A Redis cluster of one test: real servers on loopback, killed when dropped.
//!
//! It needs nothing but the standard library and `tempfile`, so that the tests
//! of other crates can include it by its path.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Nothing here takes nearly as long, even on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// One server of a cluster.
pub(crate) struct Node {
    child: Child,
    pub(crate) port: u16,
    bus_port: u16,
    /// Its name in the cluster.
    pub(crate) id: String,
    _dir: tempfile::TempDir,
}

impl Node {
    /// Starts a server that belongs to no cluster yet.
    fn start() -> Self {
        // Another process may take a port between our looking and its use.
        for _ in 0..5 {
            let (port, bus_port) = (free_port(), free_port());
            let dir = tempfile::tempdir().unwrap();
            let mut command = Command::new("redis-server");
            command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
            command.args(["--port", &port.to_string(), "--cluster-enabled", "yes"]);
            command.args(["--cluster-port", &bus_port.to_string()]);
            command.args(["--repl-diskless-sync-delay", "0", "--cluster-node-timeout", "60000"]);
            command.arg("--dir").arg(dir.path());
            if let Some(child) = spawn(&mut command, "eady to accept") {
                let mut node = Self { child, port, bus_port, id: String::new(), _dir: dir };
                node.id = node.ask(&["CLUSTER", "MYID"]).lines().nth(1).unwrap().to_owned();
                return node;
            }
        }
        panic!("redis-server does not start");
    }

    /// The raw reply to one command.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        ask(self.port, words)
    }

    /// Sends one command that must answer `+OK`.
    pub(crate) fn tell(&self, words: &[&str]) {
        let reply = self.ask(words);
        assert_eq!(reply, "+OK\r\n", "{words:?}");
    }

    /// Stops it in its tracks: its connections stay open.
    pub(crate) fn hang(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Some masters that share the slots evenly, and replicas of the first one.
pub(crate) struct RedisCluster {
    pub(crate) masters: Vec<Node>,
    pub(crate) replicas: Vec<Node>,
}

impl RedisCluster {
    /// Starts one and waits until every node answers for all slots; that takes
    /// some two seconds. Ask for [`is_installed`] first.
    pub(crate) fn start(masters: usize, replicas: usize) -> Self {
        let cluster = Self {
            masters: (0..masters).map(|_| Node::start()).collect(),
            replicas: (0..replicas).map(|_| Node::start()).collect(),
        };
        for (number, master) in cluster.masters.iter().enumerate() {
            let first = number * 16384 / masters;
            let last = (number + 1) * 16384 / masters - 1;
            master.tell(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            master.tell(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
        }
        let first = &cluster.masters[0];
        for node in cluster.nodes().skip(1) {
            let (port, bus_port) = (first.port.to_string(), first.bus_port.to_string());
            node.tell(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus_port]);
        }
        let known = format!("cluster_known_nodes:{}\r\n", masters + replicas);
        for node in cluster.nodes() {
            until("all nodes know each other", || node.ask(&["CLUSTER", "INFO"]).contains(&known));
        }
        for replica in &cluster.replicas {
            // It must have heard first that the other is a master.
            until("the replica has a master", || {
                replica.ask(&["CLUSTER", "REPLICATE", &first.id]) == "+OK\r\n"
            });
            until("the replica is in step", || replica.ask(&["ROLE"]).contains("connected"));
        }
        for node in cluster.nodes() {
            until("the cluster is up", || {
                node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
                    && node.ask(&["CLUSTER", "SLOTS"]).starts_with(&format!("*{masters}\r\n"))
            });
        }
        cluster
    }

    /// `redis+cluster://` with the first node as its only seed.
    pub(crate) fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{}", self.masters[0].port)
    }

    /// The number of the master that has a slot at first.
    pub(crate) fn number_of_master(&self, slot: usize) -> usize {
        ((slot + 1) * self.masters.len() - 1) / 16384
    }

    /// Waits until all other masters that are alive know that a replica has
    /// taken over.
    pub(crate) fn until_known_as_master(&self, replica: &Node) {
        for master in &self.masters[1..] {
            until("the new master is known", || {
                let nodes = master.ask(&["CLUSTER", "NODES"]);
                let line = nodes.lines().find(|line| line.contains(&replica.id));
                line.is_some_and(|line| line.contains(" master "))
            });
        }
    }

    /// Empties all masters, and has them forget all scripts.
    pub(crate) fn flush(&self) {
        for master in &self.masters {
            master.tell(&["FLUSHALL"]);
            master.tell(&["SCRIPT", "FLUSH"]);
        }
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.masters.iter().chain(&self.replicas)
    }
}

/// The raw reply of the server at `port` to one command; nothing when it is
/// away.
pub(crate) fn ask(port: u16, words: &[&str]) -> String {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &format!("${}\r\n{word}\r\n", word.len());
    }
    // Its second answer says that the first is complete.
    request += "*2\r\n$4\r\nPING\r\n$7\r\nthe end\r\n";
    let end = b"$7\r\nthe end\r\n";
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    if stream.write_all(request.as_bytes()).is_err() {
        return String::new();
    }
    let mut reply = Vec::new();
    let mut chunk = [0; 4096];
    while !reply.ends_with(end) {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return String::new(),
            Ok(n) => reply.extend_from_slice(&chunk[..n]),
        }
    }
    reply.truncate(reply.len() - end.len());
    String::from_utf8_lossy(&reply).into_owned()
}

/// Waits until the replica at one port has all that the master at another has.
pub(crate) fn until_in_step(replica: u16, master: u16) {
    let offset = |port| -> Option<u64> {
        let info = ask(port, &["INFO", "replication"]);
        info.lines().find_map(|line| line.strip_prefix("master_repl_offset:")?.parse().ok())
    };
    let wanted = offset(master);
    until("the replica has all", || wanted.is_some() && offset(replica) >= wanted);
}

/// Waits until `holds`.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running server whose log has said `ready`, or `None` when it gave up.
pub(crate) fn spawn(command: &mut Command, ready: &str) -> Option<Child> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    if !lines.any(|line| line.is_ok_and(|line| line.contains(ready))) {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    }
    // Nobody may stop reading its log, or it would block.
    thread::spawn(move || lines.for_each(drop));
    Some(child)
}
