//! `CONFIG`: the parameters of Redis that have a meaning here, and those that
//! suites set though they have none.

mod idle;
mod parameters;

use std::net::SocketAddr;

use tuckbox_engine::{Durability, Request, matches};
use tuckbox_resp::{Command, ErrorReply, Reply};

use self::{
    idle::{HIDDEN, IDLE, Idle},
    parameters::{PARAMETERS, Parameter},
};
use super::{Answer, shown, text};
use crate::{counters::Counters, host::Serving, server::listen, settings::Settings, tally::Tally};

/// Second names of parameters.
const ALIASES: &[(&str, &str)] = &[
    ("hash-max-ziplist-entries", "hash-max-listpack-entries"),
    ("hash-max-ziplist-value", "hash-max-listpack-value"),
    ("list-max-ziplist-size", "list-max-listpack-size"),
    ("lua-time-limit", "busy-reply-threshold"),
    ("min-slaves-max-lag", "min-replicas-max-lag"),
    ("min-slaves-to-write", "min-replicas-to-write"),
    ("repl-ping-slave-period", "repl-ping-replica-period"),
    ("slave-lazy-flush", "replica-lazy-flush"),
    ("slave-priority", "replica-priority"),
    ("slave-read-only", "replica-read-only"),
    ("slave-serve-stale-data", "replica-serve-stale-data"),
    ("slaveof", "replicaof"),
    ("zset-max-ziplist-entries", "zset-max-listpack-entries"),
    ("zset-max-ziplist-value", "zset-max-listpack-value"),
];

/// Parameters that cannot be set while the server runs: what is true of it.
fn fixed(serving: &Serving<'_>) -> Vec<(&'static str, String)> {
    let hall = &*serving.hall;
    let kept = serving.engine.directory();
    let yes_if = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let appendfsync = match serving.engine.options().durability {
        Durability::Always => "always",
        Durability::EverySec => "everysec",
    };
    let same = [
        ("aclfile", ""),
        ("cluster-enabled", "no"),
        ("daemonize", "no"),
        ("databases", "16"),
        ("io-threads", "1"),
        ("io-threads-do-reads", "no"),
        ("latency-tracking", "yes"),
        ("latency-tracking-info-percentiles", "50 99 99.9"),
        ("logfile", ""),
        ("masterauth", ""),
        ("masteruser", ""),
        ("maxmemory-policy", "noeviction"),
        ("pidfile", ""),
        ("replicaof", ""),
        ("supervised", "no"),
        ("tcp-backlog", "511"),
        ("tls-port", "0"),
        ("unixsocket", ""),
    ];
    let mut fixed = vec![
        ("appendfsync", if kept.is_some() { appendfsync } else { "no" }.to_owned()),
        ("appendonly", yes_if(kept.is_some())),
        ("bind", hall.local.ip().to_string()),
        ("dir", kept.map(|dir| dir.display().to_string()).unwrap_or_default()),
        ("protected-mode", yes_if(!hall.config.open)),
    ];
    fixed.extend(same.map(|(name, value)| (name, value.to_owned())));
    fixed
}

pub(super) fn run(
    serving: &mut Serving<'_>,
    subcommand: &str,
    request: &mut Request<'_>,
) -> Answer {
    let command = request.command;
    match subcommand {
        "get" => Ok(get(serving, command)),
        "set" => set(serving, command),
        "resetstat" => {
            serving.hall.stats_before = (request.stats)();
            serving.hall.counters = Counters::new(serving.hall.now);
            serving.hall.heard.lock().tally = Tally::default();
            Ok(Reply::OK)
        }
        _ => Err("ERR The server is running without a config file".into()),
    }
}

/// The name that stands for a parameter, whatever it was called.
fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, canonical)| canonical)
}

fn get(serving: &Serving<'_>, command: &Command) -> Reply {
    let settings = &serving.hall.settings;
    let live = PARAMETERS.iter().map(|parameter| (parameter.name, (parameter.get)(settings)));
    let idle = IDLE.iter().map(|idle| {
        let set = settings.without_effect.get(idle.name).cloned();
        (idle.name, set.unwrap_or_else(|| idle.default.to_owned()))
    });
    let mut all: Vec<(&str, String)> = live.chain(idle).chain(fixed(serving)).collect();
    let aliases = ALIASES.iter().filter_map(|(alias, name)| {
        let (_, value): &(&str, String) = all.iter().find(|(known, _)| known == name)?;
        Some((*alias, value.clone()))
    });
    let aliases: Vec<(&str, String)> = aliases.collect();
    all.extend(aliases);
    all.sort_unstable();
    let patterns: Vec<_> = command.iter_from(2).map(<[u8]>::to_ascii_lowercase).collect();
    let wanted = |name: &str| {
        let hidden = HIDDEN.contains(&name);
        patterns.iter().any(|pattern| match hidden {
            true => pattern == name.as_bytes(),
            false => matches(pattern, name.as_bytes()),
        })
    };
    let found = all.into_iter().filter(|(name, _)| wanted(name));
    Reply::Map(found.map(|(name, value)| (text(name), text(&value))).collect())
}

/// One parameter that is to be set.
enum Setting {
    Live(&'static Parameter),
    Idle(&'static Idle),
    /// It is what it is to be.
    Same,
}

/// Sets all parameters, or none.
fn set(serving: &mut Serving<'_>, command: &Command) -> Answer {
    if !command.len().is_multiple_of(2) {
        return Err(super::SYNTAX.into());
    }
    let fixed = fixed(serving);
    let mut wanted: Vec<(String, Setting, std::borrow::Cow<'_, str>)> = Vec::new();
    // What can be said of the names comes first, as in Redis.
    let mut args = command.iter_from(2);
    while let (Some(name), Some(value)) = (args.next(), args.next()) {
        let said = shown(name).to_ascii_lowercase();
        let name = canonical(&said).to_owned();
        let value = String::from_utf8_lossy(value);
        let setting = if let Some(live) = PARAMETERS.iter().find(|live| live.name == name) {
            Setting::Live(live)
        } else if let Some(idle) = IDLE.iter().find(|idle| idle.name == name) {
            Setting::Idle(idle)
        } else if let Some((_, now)) = fixed.iter().find(|(fixed, _)| *fixed == name) {
            if *now != value {
                return Err(failed(&said, "can't set immutable config"));
            }
            Setting::Same
        } else {
            return Err(format!(
                "ERR Unknown option or number of arguments for CONFIG SET - '{said}'"
            )
            .into());
        };
        if wanted.iter().any(|(known, ..)| *known == said) {
            return Err(failed(&said, "duplicate parameter"));
        }
        wanted.push((said, setting, value));
    }
    let mut settings = serving.hall.settings.clone();
    for (name, setting, value) in wanted {
        match setting {
            Setting::Live(live) => (live.set)(&mut settings, &value),
            Setting::Idle(idle) => idle.read(&value).map(|value| {
                settings.without_effect.insert(idle.name, value);
            }),
            Setting::Same => Ok(()),
        }
        .map_err(|problem| failed(&name, &problem))?;
    }
    apply(serving, settings)?;
    Ok(Reply::OK)
}

/// Puts settings in force. What can fail comes first, so that all of them are, or
/// none.
fn apply(serving: &mut Serving<'_>, settings: Settings) -> Result<(), ErrorReply> {
    let hall = &mut *serving.hall;
    if settings.port != hall.settings.port {
        let address = SocketAddr::new(hall.local.ip(), settings.port);
        match listen(address) {
            Ok(listener) => hall.moves_to = Some(listener),
            Err(error) => {
                tracing::warn!(%address, %error, "CONFIG SET port: cannot listen there");
                return Err(failed("port", "Unable to listen on this port. Check server logs."));
            }
        }
    }
    if settings.memory_limit != hall.settings.memory_limit {
        serving.engine.set_memory_limit(settings.memory_limit);
    }
    if settings.bulk_max != hall.settings.bulk_max {
        let limits = settings.request_limits();
        serving.link.parser.set_limits(limits);
        hall.peers.iter_mut().for_each(|(_, peer)| peer.link.parser.set_limits(limits));
    }
    hall.settings = settings;
    Ok(())
}

fn failed(name: &str, problem: &str) -> ErrorReply {
    format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {problem}").into()
}
