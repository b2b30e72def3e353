//! [`Monitor`]: what a server is asked to do.

use tuckbox_resp::{Reply, cmd};

use crate::{Connection, RedisServer};

/// Sees the commands that clients send to a server, by `MONITOR`.
#[derive(Debug)]
pub struct Monitor {
    port: u16,
    connection: Connection,
}

impl Monitor {
    /// Sees what is sent from now on.
    #[must_use]
    pub fn on(server: &RedisServer) -> Self {
        let mut connection = server.connect();
        assert_eq!(connection.call(&cmd!("MONITOR")), Reply::OK);
        Self { port: server.port, connection }
    }

    /// The names of the commands since the last time, in lower case; see
    /// [`commands`](Self::commands).
    pub fn sent(&mut self) -> Vec<String> {
        self.commands().into_iter().map(|mut words| words.swap_remove(0)).collect()
    }

    /// The commands since the last time in their order, each with its arguments,
    /// without what begins a connection (`HELLO`, `CLIENT`). What a script does on
    /// the server is no command of a client's.
    pub fn commands(&mut self) -> Vec<Vec<String>> {
        const MARK: &str = "that-was-all";
        Connection::to(self.port).call(&cmd!("ECHO", MARK));
        let mut commands = Vec::new();
        loop {
            // As in `1700000000.123456 [0 127.0.0.1:4711] "get" "key"`.
            let Reply::Simple(line) = self.connection.read_reply() else {
                panic!("MONITOR tells lines")
            };
            if line.contains(MARK) {
                return commands;
            }
            let mut words: Vec<String> =
                line.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            words[0].make_ascii_lowercase();
            if !line.contains(" lua] ") && !["hello", "client"].contains(&&*words[0]) {
                commands.push(words);
            }
        }
    }
}
