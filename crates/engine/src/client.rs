//! [`Client`]: a connection's name and settings, and the commands that need
//! nothing else.

use tuckbox_resp::{Command, ErrorReply, Reply};

use crate::{
    commands::{SYNTAX, integer, is},
    connection::repeated,
    host::{Alone, Host},
    memory::parse_integer,
};

/// The version of Redis whose commands these are, as `HELLO` tells clients.
const REDIS_VERSION: &str = "7.2.0";

/// A connection's name and settings.
#[derive(Debug)]
pub struct Client {
    pub(crate) id: u64,
    pub(crate) db: usize,
    pub(crate) resp3: bool,
    name: String,
    library: String,
    library_version: String,
    no_evict: bool,
    no_touch: bool,
}

impl Client {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            db: 0,
            resp3: false,
            name: String::new(),
            library: String::new(),
            library_version: String::new(),
            no_evict: false,
            no_touch: false,
        }
    }

    /// The connection's number, which is unique within its engine.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The logical database it selected.
    #[must_use]
    pub fn db(&self) -> usize {
        self.db
    }

    /// Its name; empty without one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its library's name and version, each empty when it told none.
    #[must_use]
    pub fn library(&self) -> (&str, &str) {
        (&self.library, &self.library_version)
    }

    /// Whether it asked by `CLIENT NO-EVICT` not to be closed for memory.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.no_evict
    }

    /// Whether it asked by `CLIENT NO-TOUCH` for its commands not to count as use.
    #[must_use]
    pub fn leaves_no_trace(&self) -> bool {
        self.no_touch
    }

    /// Runs a command of the connection group.
    pub(crate) fn run(&mut self, name: &str, command: &Command) -> Result<Reply, ErrorReply> {
        match name {
            "ping" => ping(command),
            "echo" => Ok(Reply::bulk(&command[1])),
            "quit" => Ok(Reply::OK),
            "hello" => self.hello(&mut Alone, command),
            "auth" => auth(command),
            "client" => self.client(command),
            // The transaction commands that reach this place do nothing.
            _ => Ok(Reply::OK),
        }
    }

    pub(crate) fn hello<H: Host>(
        &mut self,
        host: &mut H,
        command: &Command,
    ) -> Result<Reply, ErrorReply> {
        let mut resp3 = self.resp3;
        if let Some(version) = command.get(1) {
            resp3 = match parse_integer(version) {
                Some(2) => false,
                Some(3) => true,
                Some(_) => return Err("NOPROTO unsupported protocol version".into()),
                None => {
                    return Err("ERR Protocol version is not an integer or out of range".into());
                }
            };
        }
        let mut name = None;
        let mut args = command.iter_from(2);
        while let Some(option) = args.next() {
            if is(option, "SETNAME")
                && let Some(value) = args.next()
            {
                name = Some(client_text(value, "Client names")?);
            } else if is(option, "AUTH")
                && let (Some(user), Some(password)) = (args.next(), args.next())
            {
                host.log_in(user, password)?;
            } else {
                let option = String::from_utf8_lossy(repeated(option, option.len())).into_owned();
                return Err(format!("ERR Syntax error in HELLO option '{option}'").into());
            }
        }
        if !host.is_logged_in() {
            return Err(LOGIN_FIRST.into());
        }
        self.resp3 = resp3;
        if let Some(name) = name {
            self.name = name;
        }
        let text = |text: &str| Reply::bulk(text.as_bytes());
        Ok(Reply::Map(vec![
            (text("server"), text("redis")),
            (text("version"), text(REDIS_VERSION)),
            (text("proto"), Reply::Integer(if resp3 { 3 } else { 2 })),
            (text("id"), Reply::Integer(self.id as i64)),
            (text("mode"), text("standalone")),
            (text("role"), text("master")),
            (text("modules"), Reply::Array(Vec::new())),
        ]))
    }

    /// The subcommands of `CLIENT`, as they are where each client is alone:
    /// what acts on other clients finds none.
    fn client(&mut self, command: &Command) -> Result<Reply, ErrorReply> {
        let Some(subcommand) = command.get(1) else { return Err(SYNTAX.into()) };
        let arg = command.get(2).unwrap_or_default();
        match subcommand.to_ascii_lowercase().as_slice() {
            b"caching" => Err(NOT_TRACKING.into()),
            b"getname" => Ok(match &*self.name {
                "" => Reply::Null,
                name => Reply::bulk(name.as_bytes()),
            }),
            b"getredir" => Ok(Reply::Integer(-1)),
            b"help" => {
                Ok(Reply::Array(HELP.iter().map(|&line| Reply::Simple(line.into())).collect()))
            }
            b"id" => Ok(Reply::Integer(self.id as i64)),
            b"info" => Ok(text(self.describe())),
            b"list" => self.list(command),
            b"no-evict" => {
                self.no_evict = switch(arg)?;
                Ok(Reply::OK)
            }
            b"no-touch" => {
                self.no_touch = switch(arg)?;
                Ok(Reply::OK)
            }
            b"reply" if is(arg, "ON") => Ok(Reply::OK),
            b"reply" if !is(arg, "OFF") && !is(arg, "SKIP") => Err(SYNTAX.into()),
            b"setinfo" => self.set_info(arg, command.get(3).unwrap_or_default()),
            b"setname" => {
                self.name = client_text(arg, "Client names")?;
                Ok(Reply::OK)
            }
            b"tracking" => self.tracking(command),
            b"trackinginfo" => Ok(Reply::Map(vec![
                (Reply::bulk(b"flags"), Reply::Set(vec![Reply::bulk(b"off")])),
                (Reply::bulk(b"redirect"), Reply::Integer(-1)),
                (Reply::bulk(b"prefixes"), Reply::Array(Vec::new())),
            ])),
            b"unblock" => unblock(command),
            b"unpause" => Ok(Reply::OK),
            _ => Err(needs_a_server(subcommand)),
        }
    }

    /// `CLIENT LIST`: this client, if it is one of those asked for.
    fn list(&self, command: &Command) -> Result<Reply, ErrorReply> {
        let mut shown = true;
        match command.get(2) {
            None => {}
            Some(option) if is(option, "TYPE") && command.len() == 4 => {
                let kind = &command[3];
                let known = ["normal", "master", "replica", "slave", "pubsub"];
                if !known.iter().any(|name| is(kind, name)) {
                    let kind = String::from_utf8_lossy(repeated(kind, kind.len())).into_owned();
                    return Err(format!("ERR Unknown client type '{kind}'").into());
                }
                shown = is(kind, "normal");
            }
            Some(option) if is(option, "ID") && command.len() > 3 => {
                shown = false;
                for id in command.iter_from(3) {
                    let id = parse_integer(id).ok_or("ERR Invalid client ID")?;
                    shown |= id == self.id as i64;
                }
            }
            Some(_) => return Err(SYNTAX.into()),
        }
        Ok(text(if shown { self.describe() } else { String::new() }))
    }

    /// `CLIENT TRACKING`, which is off.
    fn tracking(&self, command: &Command) -> Result<Reply, ErrorReply> {
        let mut args = command.iter_from(3);
        let mut redirected = false;
        while let Some(option) = args.next() {
            if ["BCAST", "OPTIN", "OPTOUT", "NOLOOP"].iter().any(|name| is(option, name)) {
                continue;
            }
            let value = args.next().ok_or(SYNTAX)?;
            if is(option, "REDIRECT") {
                if redirected {
                    return Err("ERR A client can only redirect to a single other client".into());
                }
                if integer(value)? != self.id as i64 {
                    return Err("ERR The client ID you want redirect to does not exist".into());
                }
                redirected = true;
            } else if !is(option, "PREFIX") {
                return Err(SYNTAX.into());
            }
        }
        match switch(&command[2])? {
            true => Err(needs_a_server(&command[1])),
            false => Ok(Reply::OK),
        }
    }

    fn set_info(&mut self, attribute: &[u8], value: &[u8]) -> Result<Reply, ErrorReply> {
        if is(attribute, "LIB-NAME") {
            self.library = client_text(value, "lib-name")?;
        } else if is(attribute, "LIB-VER") {
            self.library_version = client_text(value, "lib-ver")?;
        } else {
            let attribute = String::from_utf8_lossy(attribute).into_owned();
            return Err(format!("ERR Unrecognized option '{attribute}'").into());
        }
        Ok(Reply::OK)
    }

    /// One line of `CLIENT LIST`.
    fn describe(&self) -> String {
        let flags = match (self.no_evict, self.no_touch) {
            (false, false) => "N",
            (true, false) => "e",
            (false, true) => "T",
            (true, true) => "eT",
        };
        format!(
            "id={} name={} flags={flags} db={} resp={} lib-name={} lib-ver={}\n",
            self.id,
            self.name,
            self.db,
            if self.resp3 { 3 } else { 2 },
            self.library,
            self.library_version,
        )
    }
}

const HELP: [&str; 25] = [
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GETNAME",
    "    Tell this connection's name.",
    "GETREDIR",
    "    Always -1: nothing is tracked.",
    "ID",
    "    Tell this connection's number.",
    "INFO",
    "    Describe this connection.",
    "LIST [TYPE <type>|ID <id> [<id> ...]]",
    "    Describe this connection, if it is one of those.",
    "NO-EVICT (ON|OFF)",
    "    Note that this connection should not be closed for memory.",
    "NO-TOUCH (ON|OFF)",
    "    Note that this connection's commands should not count as use of keys.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Note the client library's name or version.",
    "SETNAME <name>",
    "    Name this connection.",
    "TRACKINGINFO",
    "    Describe this connection's tracking, which is off.",
    "UNBLOCK <id> [TIMEOUT|ERROR]",
    "    Always 0: no connection is blocked.",
    "HELP",
    "    Print this help.",
];

/// What `HELLO` answers to who has not logged in.
const LOGIN_FIRST: &str = "NOAUTH HELLO must be called with the client already authenticated, \
     otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client \
     and select the RESP protocol version at the same time";

/// The error of a login that fails.
pub(crate) const WRONG_PASSWORD: &str =
    "WRONGPASS invalid username-password pair or user is disabled.";

const NOT_TRACKING: &str = "ERR CLIENT CACHING can be called only when the client is in tracking \
     mode with OPTIN or OPTOUT mode enabled";

fn needs_a_server(subcommand: &[u8]) -> ErrorReply {
    let name = String::from_utf8_lossy(subcommand).to_ascii_uppercase();
    format!("ERR CLIENT {name} needs a server; this connection is inside a process").into()
}

fn text(text: String) -> Reply {
    Reply::Verbatim { format: *b"txt", text: text.into() }
}

/// `CLIENT UNBLOCK`: no client is ever blocked.
fn unblock(command: &Command) -> Result<Reply, ErrorReply> {
    match command.get(3) {
        None => {}
        Some(_) if command.len() > 4 => {
            let name = String::from_utf8_lossy(&command[1]).into_owned();
            return Err(format!(
                "ERR unknown subcommand or wrong number of arguments for '{name}'. Try CLIENT HELP."
            )
            .into());
        }
        Some(reason) if is(reason, "TIMEOUT") || is(reason, "ERROR") => {}
        Some(_) => return Err("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR".into()),
    }
    integer(&command[2])?;
    Ok(Reply::Integer(0))
}

fn ping(command: &Command) -> Result<Reply, ErrorReply> {
    match command.len() {
        1 => Ok(Reply::Simple("PONG".into())),
        2 => Ok(Reply::bulk(&command[1])),
        _ => Err("ERR wrong number of arguments for 'ping' command".into()),
    }
}

fn auth(command: &Command) -> Result<Reply, ErrorReply> {
    match command.len() {
        2 => Err("ERR AUTH <password> called without any password configured for the default \
                  user. Are you sure your configuration is correct?"
            .into()),
        // The default user has no password, so any will do.
        3 if command[1] == *b"default" => Ok(Reply::OK),
        3 => Err(WRONG_PASSWORD.into()),
        _ => Err(SYNTAX.into()),
    }
}

fn switch(arg: &[u8]) -> Result<bool, ErrorReply> {
    if is(arg, "ON") {
        return Ok(true);
    }
    if is(arg, "OFF") {
        return Ok(false);
    }
    Err(SYNTAX.into())
}

/// A name that `CLIENT LIST` can show: printable, without spaces.
fn client_text(value: &[u8], what: &str) -> Result<String, ErrorReply> {
    if value.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(String::from_utf8_lossy(value).into_owned());
    }
    Err(format!("ERR {what} cannot contain spaces, newlines or special characters.").into())
}
