//! `AUTH`, and what `CLIENT` says of other clients and does to them.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tuckbox_engine::{Connection, Request};
use tuckbox_resp::{Command, ErrorReply, Reply};

use super::{Answer, SYNTAX, integer, is, number, prose, shown};
use crate::{
    host::Serving,
    server::{Hall, Link, Pause, ReplyMode},
};

pub(super) fn auth(serving: &mut Serving<'_>, command: &Command) -> Answer {
    use tuckbox_engine::Host as _;
    let (user, password) = match command.len() {
        2 if serving.hall.settings.password.is_none() => {
            return Err("ERR AUTH <password> called without any password configured for the \
                        default user. Are you sure your configuration is correct?"
                .into());
        }
        2 => (&b"default"[..], &command[1]),
        3 => (&command[1], &command[2]),
        _ => return Err(SYNTAX.into()),
    };
    serving.log_in(user, password)?;
    Ok(Reply::OK)
}

pub(super) fn run(serving: &mut Serving<'_>, subcommand: &str, request: &Request<'_>) -> Answer {
    let command = request.command;
    match subcommand {
        "info" => {
            let now = serving.hall.now;
            Ok(prose(describe(request.connection, serving.link, now, "client|info")))
        }
        "kill" => kill(serving, request),
        "list" => list(serving, request),
        "pause" => pause(serving.hall, command),
        "reply" => reply(serving.link, &command[2]),
        "unpause" => {
            serving.hall.pause = None;
            Ok(Reply::OK)
        }
        _ => Err(SYNTAX.into()),
    }
}

fn reply(link: &mut Link, mode: &[u8]) -> Answer {
    link.replies = if is(mode, "ON") {
        ReplyMode::On
    } else if is(mode, "OFF") || is(mode, "SKIP") && link.replies == ReplyMode::Off {
        ReplyMode::Off
    } else if is(mode, "SKIP") {
        ReplyMode::SkipNext
    } else {
        return Err(SYNTAX.into());
    };
    Ok(Reply::OK)
}

/// One line of `CLIENT LIST`.
fn describe(connection: &Connection, link: &Link, now: Instant, command: &str) -> String {
    use std::fmt::Write as _;
    let client = connection.client();
    let queued = connection.queued();
    let mut flags = String::new();
    let raised = [
        ('O', link.monitors),
        ('x', queued.is_some()),
        ('b', link.held.is_some()),
        ('c', link.ends),
        ('A', link.cut),
        ('e', client.is_kept()),
        ('T', client.leaves_no_trace()),
    ];
    flags.extend(raised.iter().filter(|(_, raised)| *raised).map(|(flag, _)| *flag));
    if flags.is_empty() {
        flags.push('N');
    }
    let seconds = |since: Instant| now.saturating_duration_since(since).as_secs();
    let input = link.input.len() + link.request;
    let room = link.input.capacity() - link.input.len();
    let output = link.output.len();
    let total = input + room + link.output.buf.capacity() + std::mem::size_of::<Link>();
    let mut line = String::new();
    // Writing to a string does not fail.
    _ = write!(
        line,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} db={} sub=0 psub=0 \
         ssub=0 multi={} qbuf={input} qbuf-free={room} argv-mem={} multi-mem=0 rbs={} rbp={} \
         obl={output} oll=0 omem=0 tot-mem={total} events={} cmd={command} user=default redir=-1 \
         resp={}",
        client.id(),
        link.address,
        link.local,
        link.descriptor(),
        client.name(),
        seconds(link.since),
        seconds(link.active),
        client.db(),
        queued.map_or(-1, |queued| queued as i64),
        link.request,
        link.output.buf.capacity(),
        link.output.buf.capacity(),
        if link.writable { "r" } else { "rw" },
        if connection.is_resp3() { 3 } else { 2 },
    );
    let (name, version) = client.library();
    _ = writeln!(line, " lib-name={name} lib-ver={version}");
    line
}

/// The clients that `CLIENT KILL` or `CLIENT LIST` is about.
#[derive(Default)]
struct Filter {
    ids: Option<Vec<i64>>,
    address: Option<Vec<u8>>,
    local: Option<Vec<u8>>,
    /// Clients of another kind than ordinary ones, of which there are none.
    nobody: bool,
    skip_me: bool,
}

impl Filter {
    fn takes(&self, id: u64, link: &Link) -> bool {
        let is_at = |wanted: &Option<Vec<u8>>, address: SocketAddr| {
            wanted.as_ref().is_none_or(|wanted| *wanted == address.to_string().into_bytes())
        };
        !self.nobody
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&(id as i64)))
            && is_at(&self.address, link.address)
            && is_at(&self.local, link.local)
    }

    /// Whether the clients of type `kind` are ordinary ones.
    fn set_kind(&mut self, kind: &[u8]) -> Result<(), ErrorReply> {
        let known = ["normal", "master", "replica", "slave", "pubsub"];
        if !known.iter().any(|name| is(kind, name)) {
            return Err(format!("ERR Unknown client type '{}'", shown(kind)).into());
        }
        self.nobody |= !is(kind, "normal");
        Ok(())
    }
}

fn list(serving: &Serving<'_>, request: &Request<'_>) -> Answer {
    let command = request.command;
    let mut filter = Filter::default();
    match command.get(2) {
        None => {}
        Some(option) if is(option, "TYPE") && command.len() == 4 => filter.set_kind(&command[3])?,
        Some(option) if is(option, "ID") && command.len() > 3 => {
            let ids = (3..command.len()).map(|index| integer(command, index));
            let ids: Result<_, _> = ids.collect();
            filter.ids = Some(ids.map_err(|_| ErrorReply::from("ERR Invalid client ID"))?);
        }
        Some(_) => return Err(SYNTAX.into()),
    }
    let hall = &*serving.hall;
    let mut lines = Vec::new();
    let mut add = |connection: &Connection, link: &Link, command: &str| {
        let id = connection.client().id();
        if filter.takes(id, link) {
            lines.push((id, describe(connection, link, hall.now, command)));
        }
    };
    add(request.connection, serving.link, "client|list");
    for (_, peer) in hall.peers.iter() {
        add(&peer.session, &peer.link, peer.link.last);
    }
    lines.sort_unstable();
    Ok(prose(lines.into_iter().map(|(_, line)| line).collect()))
}

fn kill(serving: &mut Serving<'_>, request: &Request<'_>) -> Answer {
    let command = request.command;
    let old_form = command.len() == 3;
    let filter = if old_form {
        Filter { address: Some(command[2].to_vec()), ..Filter::default() }
    } else {
        kill_filter(command)?
    };
    let mut killed = 0;
    let me = request.connection.client().id();
    if !filter.skip_me && filter.takes(me, serving.link) {
        // The answer is sent before the end.
        serving.link.ends = true;
        killed += 1;
    }
    for (index, peer) in serving.hall.peers.iter_mut() {
        let id = peer.session.client().id();
        if !peer.link.cut && filter.takes(id, &peer.link) {
            peer.link.cut = true;
            killed += 1;
            serving.hall.touched.push(index);
        }
    }
    match (old_form, killed) {
        (true, 0) => Err("ERR No such client".into()),
        (true, _) => Ok(Reply::OK),
        (false, _) => Ok(number(killed)),
    }
}

fn kill_filter(command: &Command) -> Result<Filter, ErrorReply> {
    let mut filter = Filter { skip_me: true, ..Filter::default() };
    if !command.len().is_multiple_of(2) {
        return Err(SYNTAX.into());
    }
    for index in (2..command.len()).step_by(2) {
        let (option, value) = (&command[index], &command[index + 1]);
        if is(option, "ID") {
            let id = integer(command, index + 1).ok().filter(|&id| id > 0);
            filter.ids = Some(vec![id.ok_or("ERR client-id should be greater than 0")?]);
        } else if is(option, "TYPE") {
            filter.set_kind(value)?;
        } else if is(option, "ADDR") {
            filter.address = Some(value.to_vec());
        } else if is(option, "LADDR") {
            filter.local = Some(value.to_vec());
        } else if is(option, "USER") {
            if value != b"default" {
                return Err(format!("ERR No such user '{}'", shown(value)).into());
            }
        } else if is(option, "SKIPME") {
            filter.skip_me = match value.to_ascii_lowercase().as_slice() {
                b"yes" => true,
                b"no" => false,
                _ => return Err(SYNTAX.into()),
            };
        } else {
            return Err(SYNTAX.into());
        }
    }
    Ok(filter)
}

fn pause(hall: &mut Hall, command: &Command) -> Answer {
    let all = match command.get(3) {
        Some(_) if command.len() > 4 => {
            return Err("ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try \
                        CLIENT HELP."
                .into());
        }
        None => true,
        Some(mode) if is(mode, "ALL") => true,
        Some(mode) if is(mode, "WRITE") => false,
        Some(_) => return Err("ERR CLIENT PAUSE mode must be WRITE or ALL".into()),
    };
    let millis =
        integer(command, 2).map_err(|_| "ERR timeout is not an integer or out of range")?;
    let millis = u64::try_from(millis).map_err(|_| "ERR timeout is negative")?;
    let until = hall.now.checked_add(Duration::from_millis(millis));
    let until = until.ok_or("ERR timeout is not an integer or out of range")?;
    // A pause that is in force is not made shorter or weaker.
    let pause = match hall.pause {
        Some(before) => Pause { until: before.until.max(until), all: before.all || all },
        None => Pause { until, all },
    };
    hall.pause = Some(pause);
    Ok(Reply::OK)
}
