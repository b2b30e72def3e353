//! [`RedisCluster`]: a Redis cluster of one test.

use std::process::{Child, Command};

use crate::{
    process::{free_port, spawn, until},
    server::{ask, signal},
};

/// One server of a cluster.
#[derive(Debug)]
pub struct Node {
    child: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    bus_port: u16,
    /// Its name in the cluster.
    pub id: String,
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
    pub fn ask(&self, words: &[&str]) -> String {
        ask(self.port, words)
    }

    /// Sends one command that must answer `+OK`.
    pub fn tell(&self, words: &[&str]) {
        let reply = self.ask(words);
        assert_eq!(reply, "+OK\r\n", "{words:?}");
    }

    /// Stops it in its tracks: its connections stay open.
    pub fn hang(&self) {
        signal(&self.child, "-STOP");
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
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
#[derive(Debug)]
pub struct RedisCluster {
    /// In the order of their slots.
    pub masters: Vec<Node>,
    /// All of the first master.
    pub replicas: Vec<Node>,
}

impl RedisCluster {
    /// Starts one and waits until every node answers for all slots; that takes
    /// some two seconds. Ask for [`is_installed`](crate::is_installed) first.
    #[must_use]
    pub fn start(masters: usize, replicas: usize) -> Self {
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
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{}", self.masters[0].port)
    }

    /// The number of the master that has a slot at first.
    #[must_use]
    pub fn number_of_master(&self, slot: usize) -> usize {
        ((slot + 1) * self.masters.len() - 1) / 16384
    }

    /// Waits until all other masters that are alive know that a replica has
    /// taken over.
    pub fn until_known_as_master(&self, replica: &Node) {
        for master in &self.masters[1..] {
            until("the new master is known", || {
                let nodes = master.ask(&["CLUSTER", "NODES"]);
                let line = nodes.lines().find(|line| line.contains(&replica.id));
                line.is_some_and(|line| line.contains(" master "))
            });
        }
    }

    /// Empties all masters, and has them forget all scripts.
    pub fn flush(&self) {
        for master in &self.masters {
            master.tell(&["FLUSHALL"]);
            master.tell(&["SCRIPT", "FLUSH"]);
        }
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.masters.iter().chain(&self.replicas)
    }
}
