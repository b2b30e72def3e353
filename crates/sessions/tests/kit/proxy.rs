//! Stands between the program and its Redis: counts what goes through, and is
//! the trouble that a network or a server can be.

use std::{
    io::{Read, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

/// What the proxy does with what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Hands it over.
    Pass,
    /// Keeps commands until the mode changes, and hands them over then, as a
    /// server does that was stopped for a while.
    Hang,
    /// Closes all connections, and new ones at once.
    Refuse,
    /// Hands commands over, but closes the connection instead of answering; the
    /// next one is [`Pass`](Self::Pass).
    LoseOneReply,
    /// Answers every command with this line.
    Answer(&'static str),
}

/// What went through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic {
    /// Names of commands, but for those by which a connection begins.
    pub(crate) commands: Vec<String>,
    /// How often the program waited for the store.
    pub(crate) round_trips: usize,
    pub(crate) bytes_sent: usize,
    pub(crate) bytes_received: usize,
}

pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: u16,
    mode: Mutex<Mode>,
    changed: Condvar,
    traffic: Mutex<Traffic>,
    connections: Mutex<Vec<TcpStream>>,
    over: AtomicBool,
}

impl Proxy {
    /// Before the server at this port of loopback.
    pub(crate) fn before(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            upstream,
            mode: Mutex::new(Mode::Pass),
            changed: Condvar::new(),
            traffic: Mutex::default(),
            connections: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.over.load(Relaxed) {
                    return;
                }
                accepting.connect(client);
            }
        });
        Self { port, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
        self.shared.changed.notify_all();
        if mode == Mode::Refuse {
            self.shared.close_all();
        }
    }

    /// What went through since the last time.
    pub(crate) fn take_traffic(&self) -> Traffic {
        std::mem::take(&mut self.shared.traffic.lock().unwrap())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Relaxed);
        self.set(Mode::Refuse);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, client: TcpStream) {
        if *self.mode.lock().unwrap() == Mode::Refuse {
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.upstream)) else { return };
        let answered = Arc::new(AtomicBool::new(true));
        let both = [client.try_clone().unwrap(), server.try_clone().unwrap()];
        self.connections.lock().unwrap().extend(both);
        let (forth, back) = (self.clone(), self.clone());
        let (client2, server2, asked) =
            (client.try_clone().unwrap(), server.try_clone().unwrap(), answered.clone());
        thread::spawn(move || {
            let _ = forth.carry_commands(&client2, &server2, &asked);
            close(&client2, &server2);
        });
        thread::spawn(move || {
            let _ = back.carry_replies(&client, &server, &answered);
            close(&client, &server);
        });
    }

    fn carry_commands(
        &self,
        mut client: &TcpStream,
        mut server: &TcpStream,
        answered: &AtomicBool,
    ) -> std::io::Result<()> {
        let (mut buffer, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            let n = client.read(&mut chunk)?;
            if n == 0 {
                return Ok(());
            }
            buffer.extend_from_slice(&chunk[..n]);
            let (mut commands, mut greets) = (Vec::new(), false);
            while let Some((length, name)) = first_command(&buffer) {
                commands.push((name, buffer.drain(..length).collect::<Vec<u8>>()));
            }
            for (name, _) in &commands {
                greets |= matches!(&**name, "hello" | "client" | "auth" | "select");
            }
            if !greets && !commands.is_empty() {
                self.count(&commands, answered);
            }
            match self.mode_but_hang() {
                Mode::Answer(line) if !greets => {
                    client.write_all(line.repeat(commands.len()).as_bytes())?;
                }
                Mode::Refuse => return Ok(()),
                _ => {
                    let all: Vec<_> = commands.into_iter().flat_map(|(_, bytes)| bytes).collect();
                    server.write_all(&all)?;
                }
            }
        }
    }

    fn carry_replies(
        &self,
        mut client: &TcpStream,
        mut server: &TcpStream,
        answered: &AtomicBool,
    ) -> std::io::Result<()> {
        let mut chunk = vec![0; 64 << 10];
        loop {
            let n = server.read(&mut chunk)?;
            if n == 0 {
                return Ok(());
            }
            let mut mode = self.mode.lock().unwrap();
            // The replies to the first commands of a connection do not count.
            if *mode == Mode::LoseOneReply && !answered.load(Relaxed) {
                *mode = Mode::Pass;
                return Ok(());
            }
            drop(mode);
            self.traffic.lock().unwrap().bytes_received += n;
            answered.store(true, Relaxed);
            client.write_all(&chunk[..n])?;
        }
    }

    /// Counts commands that came together.
    fn count(&self, commands: &[(String, Vec<u8>)], answered: &AtomicBool) {
        let mut traffic = self.traffic.lock().unwrap();
        traffic.commands.extend(commands.iter().map(|(name, _)| name.clone()));
        traffic.bytes_sent += commands.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        // What is sent before an answer to the last has come is sent along with it.
        if answered.swap(false, Relaxed) {
            traffic.round_trips += 1;
        }
    }

    /// The mode, once it is not to hang.
    fn mode_but_hang(&self) -> Mode {
        let mut mode = self.mode.lock().unwrap();
        while *mode == Mode::Hang {
            mode = self.changed.wait(mode).unwrap();
        }
        *mode
    }

    fn close_all(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn close(client: &TcpStream, server: &TcpStream) {
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

/// The length of the first whole command, and its name in lower case.
fn first_command(bytes: &[u8]) -> Option<(usize, String)> {
    let number = |at: usize| -> Option<(usize, usize)> {
        let end = at + bytes.get(at..)?.windows(2).position(|pair| pair == b"\r\n")?;
        let digits = std::str::from_utf8(&bytes[at + 1..end]).unwrap();
        Some((digits.parse().unwrap(), end + 2))
    };
    let (words, mut at) = number(0)?;
    let mut name = String::new();
    for word in 0..words {
        let (length, start) = number(at)?;
        let text = bytes.get(start..start + length)?;
        if word == 0 {
            name = String::from_utf8_lossy(text).to_lowercase();
        }
        at = start + length + 2;
    }
    (at <= bytes.len()).then_some((at, name))
}
