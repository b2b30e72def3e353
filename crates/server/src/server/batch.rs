//! Executing what connections have sent.

use std::time::{Duration, Instant};

use tuckbox_engine::{Connection, Demand, LogError, Position};
use tuckbox_resp::{
    Command, ErrorReply, Protocol, Reply, RequestError,
    table::{self, CommandSpec, Flags},
    write_reply,
};

use super::{
    Hall, Pause, Server,
    peer::{Heard, Link, Peer, ReplyMode},
};
use crate::host::Serving;

/// While so many bytes of replies were not sent, no more is executed for a
/// connection.
const OUTPUT_HIGH: usize = 1 << 20;

/// How often one connection is read before others have their turn.
const READS_IN_A_ROW: usize = 4;

/// How far the requests that came in were executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Executed {
    /// All that are complete.
    All,
    /// Some: too many replies wait to be sent.
    Some,
    /// Some: others have waited for long enough.
    Late,
    /// They have to wait until a pause is over.
    Paused,
    /// They have to wait until the engine has room.
    Crowded,
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ran {
    /// It was answered; this has to be durable before its reply leaves.
    Done(Position),
    /// It has to wait until a pause is over.
    Paused,
    /// It has to wait until the engine has room.
    Crowded,
}

/// How long requests of one connection are executed before others have their turn;
/// one that has begun is finished.
const TURN: Duration = Duration::from_millis(10);

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
}

impl Server {
    /// Goes on with a connection: sends, executes and reads as far as it can.
    pub(super) fn go_on(&mut self, index: usize) {
        let Some(mut peer) = self.hall.peers.take(index) else { return };
        match self.advance(index, &mut peer) {
            Fate::Stays => {
                if !peer.link.waits
                    && let Some(position) = self.waits_for(&mut peer.link)
                {
                    peer.link.waits = true;
                    self.waits.add(index, position);
                }
                self.hall.mind(&peer.link);
                self.hall.peers.put(index, peer);
            }
            Fate::Goes => {
                if peer.link.monitors {
                    self.hall.forget_monitor(index);
                }
                self.waits.heard(&mut peer.link, &self.engine);
                drop(peer);
                self.hall.peers.leave(index);
            }
        }
    }

    fn waits_for(&self, link: &mut Link) -> Option<Position> {
        link.output.waits_for(|position| self.engine.is_durable(position))
    }

    fn advance(&mut self, index: usize, peer: &mut Peer) -> Fate {
        for _ in 0..READS_IN_A_ROW {
            if peer.link.cut {
                return Fate::Goes;
            }
            let executed = self.execute_batch(index, peer);
            let link = &mut peer.link;
            if link.cut {
                return Fate::Goes;
            }
            link.output.waits_for(|position| self.engine.is_durable(position));
            if link.writable && !link.output.is_empty() {
                let before = link.output.sent;
                match link.output.send(&mut link.stream) {
                    Ok(takes_more) => link.writable = takes_more,
                    Err(_) => return Fate::Goes,
                }
                self.hall.counters.sent += link.output.sent - before;
                self.hall.counters.writes += 1;
            }
            if link.ends {
                return if link.output.is_empty() { Fate::Goes } else { Fate::Stays };
            }
            match executed {
                Executed::Some if link.output.len() < OUTPUT_HIGH => continue,
                Executed::Late => break,
                // As in Redis, who leaves during a pause does not wait for its end: else
                // those who left could keep out who might end it.
                Executed::Paused if link.no_more => return Fate::Goes,
                Executed::All if link.readable => {}
                _ => return Fate::Stays,
            }
            let Hall { settings, counters, .. } = &mut self.hall;
            match link.read(&mut self.scratch, settings.input_max, counters) {
                Ok(Heard::Something) => {}
                Ok(Heard::Nothing) => return Fate::Stays,
                // What it has sent is answered still.
                Ok(Heard::End) => link.ends = true,
                Ok(Heard::TooMuch) => {
                    tracing::warn!(from = %link.address, "a client is cut: it sent more than may wait");
                    self.hall.counters.cut_input += 1;
                    return Fate::Goes;
                }
                Err(_) => return Fate::Goes,
            }
        }
        self.again.push(index);
        Fate::Stays
    }

    /// Executes the requests that came in.
    fn execute_batch(&mut self, index: usize, peer: &mut Peer) -> Executed {
        if !peer.link.unparsed || peer.link.ends {
            return Executed::All;
        }
        if peer.link.crowded {
            return Executed::Crowded;
        }
        let from = peer.link.output.len();
        let mut position = Position::NONE;
        peer.link.active = self.hall.now;
        let begun = Instant::now();
        self.hall.clock = begun;
        let mut corked = false;
        let executed = loop {
            if peer.link.output.len() >= OUTPUT_HIGH {
                break Executed::Some;
            }
            // That clock is read after each command.
            if self.hall.clock.saturating_duration_since(begun) > TURN {
                break Executed::Late;
            }
            let link = &mut peer.link;
            match link.next_request() {
                Ok(Some(command)) => {
                    if !link.input.is_empty() && !corked {
                        self.engine.cork();
                        corked = true;
                    }
                    let held = match self.execute(index, peer, &command) {
                        Ran::Done(needs) => {
                            position = position.max(needs);
                            None
                        }
                        Ran::Paused => Some(Executed::Paused),
                        Ran::Crowded => Some(Executed::Crowded),
                    };
                    if let Some(held) = held {
                        peer.link.held = Some(command);
                        break held;
                    }
                    if peer.link.ends || peer.link.cut {
                        break Executed::All;
                    }
                }
                Ok(None) => {
                    link.unparsed = false;
                    break Executed::All;
                }
                Err(error) => {
                    link.ends = true;
                    let reply = Reply::Error(ErrorReply::from(error));
                    self.hall.refused(None, &reply);
                    self.answer(peer, &reply);
                    break Executed::All;
                }
            }
        };
        if corked {
            self.engine.uncork();
        }
        if peer.link.held.is_none() {
            peer.link.request = 0;
        }
        peer.link.output.gate(from, position);
        self.waits.heard(&mut peer.link, &self.engine);
        executed
    }

    /// Executes one request, or none of it.
    fn execute(&mut self, index: usize, peer: &mut Peer, command: &Command) -> Ran {
        let spec = table::lookup(command.name()).and_then(|spec| spec.resolve(command));
        if spec.is_none() && is_http(command.name()) {
            tracing::warn!(
                from = %peer.link.address,
                "possible attack: a web page has a browser send HTTP here; the connection is closed"
            );
            peer.link.cut = true;
            return Ran::Done(Position::NONE);
        }
        if !peer.link.logged_in && self.hall.settings.password.is_none() {
            // There was one when it connected.
            peer.link.let_in();
        }
        if !peer.link.logged_in && !spec.is_some_and(|spec| spec.flags.contains(Flags::NO_AUTH)) {
            let reply = peer.session.refuse(command, "NOAUTH Authentication required.".into());
            self.hall.refused(spec, &reply);
            self.answer(peer, &reply);
            return Ran::Done(Position::NONE);
        }
        // Who only reads waits for nobody's writes. Any command may have filled the log.
        let demand = spec.map_or(Demand::Nothing, |spec| peer.session.demand(spec));
        if !self.waits.admits(&self.engine, index, &mut peer.link, demand) {
            return Ran::Crowded;
        }
        if let (Some(pause), Some(spec)) = (self.hall.pause, spec)
            && pause.holds(spec, command, &peer.session)
        {
            self.hall.paused.push(index);
            return Ran::Paused;
        }
        let Peer { session, link } = peer;
        let in_transaction = session.queued().is_some();
        let needs = Position::NONE;
        let mut serving =
            Serving { hall: &mut self.hall, engine: &self.engine, link, index, needs };
        let executed = session.execute_in(&mut serving, command);
        let position = executed.position.max(serving.needs);
        match spec {
            Some(_) if in_transaction && executed.reply == Reply::QUEUED => {}
            Some(spec) if spec.arity_ok(command.len()) => {
                serving.note(session, spec, command, &executed.reply);
                link.last = spec.name;
                match spec.name {
                    "quit" => link.ends = true,
                    "reset" => self.hall.reset(index, link),
                    _ => {}
                }
            }
            _ => self.hall.refused(spec, &executed.reply),
        }
        self.answer(peer, &executed.reply);
        Ran::Done(position)
    }

    /// Puts a reply into the output, unless the client wants none.
    fn answer(&mut self, peer: &mut Peer, reply: &Reply) {
        match peer.link.replies {
            ReplyMode::On => {
                let resp3 = peer.session.is_resp3();
                let protocol = if resp3 { Protocol::Resp3 } else { Protocol::Resp2 };
                write_reply(reply, protocol, &mut peer.link.output.buf);
            }
            ReplyMode::Off => {}
            ReplyMode::SkipNext => peer.link.replies = ReplyMode::Skip,
            ReplyMode::Skip => peer.link.replies = ReplyMode::On,
        }
    }
}

impl Hall {
    /// Puts a connection back to its first state, as far as the server knows of
    /// it.
    fn reset(&mut self, index: usize, link: &mut Link) {
        if link.monitors {
            link.monitors = false;
            self.forget_monitor(index);
        }
        link.replies = ReplyMode::On;
        link.logged_in = self.settings.password.is_none();
        link.parser.require_login(!link.logged_in);
    }
}

impl Pause {
    /// Whether it holds a command back. What is refused anyway is not held.
    fn holds(self, spec: &'static CommandSpec, command: &Command, session: &Connection) -> bool {
        spec.arity_ok(command.len())
            && spec.name != "client|unpause"
            && (self.all || session.may_write(spec, command))
    }
}

impl Link {
    /// The request to be executed next: the one that was held, or one that came in.
    fn next_request(&mut self) -> Result<Option<Command>, RequestError> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        let before = self.input.len();
        let parsed = self.parser.parse(&mut self.input);
        self.request = before - self.input.len();
        parsed
    }

    /// Takes note that the client may give commands.
    pub(crate) fn let_in(&mut self) {
        self.logged_in = true;
        self.parser.require_login(false);
    }

    /// Ends the connection because what waits for the disk is not known to be on
    /// it: the client learns so in the place of the first such reply.
    pub(super) fn fail(&mut self, failure: &LogError) {
        tracing::error!(error = %failure, "a reply is withheld: the disk failed");
        self.output.cut_at_gate();
        let text = "-MISCONF the disk failed: this command, and those after it, may be done or \
                    not; see the server's log\r\n";
        self.output.buf.extend_from_slice(text.as_bytes());
        self.ends = true;
    }
}

/// Whether a browser was made to talk to this port: no Redis client says this.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}
