//! `CONFIG`: the parameters of Redis that have a meaning here, and those that
//! suites set though they have none.

use std::time::Duration;

use tuckbox_engine::matches;
use tuckbox_resp::{Command, ErrorReply, Reply};

use super::{Answer, shown};
use crate::{
    config::{DebugFrom, PASSWORD_MAX, Password},
    counters::Counters,
    host::Serving,
    process::{most_clients, open_files_for},
    serve::parse_size,
    settings::{OutputLimit, Settings},
};

/// A parameter that can be set and does something.
struct Parameter {
    name: &'static str,
    get: fn(&Settings) -> String,
    set: fn(&mut Settings, &str) -> Result<(), String>,
}

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "client-output-buffer-limit",
        get: |settings| output_limits(settings),
        set: set_output_limits,
    },
    Parameter {
        name: "client-query-buffer-limit",
        get: |settings| settings.input_max.to_string(),
        set: |settings, value| {
            settings.input_max = memory(value, 1 << 20)?;
            Ok(())
        },
    },
    Parameter {
        name: "enable-debug-command",
        get: |settings| {
            match settings.debug_from {
                DebugFrom::Nobody => "no",
                DebugFrom::Local => "local",
                DebugFrom::Everybody => "yes",
            }
            .to_owned()
        },
        set: |_, _| Err("can't set immutable config".to_owned()),
    },
    Parameter {
        name: "maxclients",
        get: |settings| settings.max_clients.to_string(),
        set: |settings, value| {
            let wanted = whole(value, 1, u32::MAX.into())? as usize;
            open_files_for(wanted);
            let most = most_clients();
            if wanted > most {
                return Err(format!(
                    "The operating system is not able to handle the specified number of \
                     clients, try with {most}"
                ));
            }
            settings.max_clients = wanted;
            Ok(())
        },
    },
    Parameter {
        name: "requirepass",
        // It is kept as a digest: what it is cannot be told.
        get: |settings| match settings.password {
            Some(_) => "(set)".to_owned(),
            None => String::new(),
        },
        set: |settings, value| {
            if value.len() > PASSWORD_MAX || value.contains('\u{fffd}') {
                return Err(format!("the password is over {PASSWORD_MAX} bytes, or no text"));
            }
            settings.password = (!value.is_empty()).then(|| Password::new(value.as_bytes()));
            Ok(())
        },
    },
    Parameter {
        name: "slowlog-log-slower-than",
        get: |settings| match settings.slower_than {
            Duration::MAX => "-1".to_owned(),
            slower_than => slower_than.as_micros().to_string(),
        },
        set: |settings, value| {
            let micros = whole(value, -1, i64::MAX)?;
            settings.slower_than =
                u64::try_from(micros).map_or(Duration::MAX, Duration::from_micros);
            Ok(())
        },
    },
    Parameter {
        name: "slowlog-max-len",
        get: |settings| settings.slowlog_max_len.to_string(),
        set: |settings, value| {
            settings.slowlog_max_len = whole(value, 0, 100_000)? as usize;
            Ok(())
        },
    },
    Parameter {
        name: "tcp-keepalive",
        get: |settings| settings.keep_alive.as_secs().to_string(),
        set: |settings, value| {
            settings.keep_alive = Duration::from_secs(whole(value, 0, 32_767)? as u64);
            Ok(())
        },
    },
    Parameter {
        name: "timeout",
        get: |settings| settings.timeout.as_secs().to_string(),
        set: |settings, value| {
            settings.timeout = Duration::from_secs(whole(value, 0, i32::MAX.into())? as u64);
            Ok(())
        },
    },
];

/// Parameters that are taken and have no effect, with their default: what they
/// tune in Redis is done in another way here, or not at all. Clients, suites and
/// configuration tools set them.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("active-expire-effort", "1"),
    ("activedefrag", "no"),
    ("activerehashing", "yes"),
    ("auto-aof-rewrite-percentage", "100"),
    ("busy-reply-threshold", "5000"),
    ("dynamic-hz", "yes"),
    ("hash-max-listpack-entries", "512"),
    ("hash-max-listpack-value", "64"),
    ("hash-max-ziplist-entries", "512"),
    ("hash-max-ziplist-value", "64"),
    ("hz", "10"),
    ("latency-monitor-threshold", "0"),
    ("lazyfree-lazy-eviction", "no"),
    ("lazyfree-lazy-expire", "no"),
    ("lazyfree-lazy-server-del", "no"),
    ("lazyfree-lazy-user-del", "no"),
    ("lazyfree-lazy-user-flush", "no"),
    ("list-compress-depth", "0"),
    ("list-max-listpack-size", "-2"),
    ("list-max-ziplist-size", "-2"),
    ("loglevel", "notice"),
    ("lua-time-limit", "5000"),
    ("maxmemory-clients", "0"),
    ("maxmemory-samples", "5"),
    ("min-replicas-to-write", "0"),
    ("no-appendfsync-on-rewrite", "no"),
    ("notify-keyspace-events", ""),
    ("proto-max-bulk-len", "536870912"),
    ("rdb-key-save-delay", "0"),
    ("repl-backlog-size", "1048576"),
    ("sanitize-dump-payload", "no"),
    ("set-max-intset-entries", "512"),
    ("set-max-listpack-entries", "128"),
    ("stop-writes-on-bgsave-error", "yes"),
    ("stream-node-max-bytes", "4096"),
    ("stream-node-max-entries", "100"),
    ("zset-max-listpack-entries", "128"),
    ("zset-max-listpack-value", "64"),
    ("zset-max-ziplist-entries", "128"),
    ("zset-max-ziplist-value", "64"),
];

/// Parameters that cannot be set while the server runs: what is true of it.
fn fixed(serving: &Serving<'_>) -> Vec<(&'static str, String)> {
    let hall = &*serving.hall;
    let options = serving.engine.options();
    let kept = serving.engine.directory();
    let yes_if = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let appendfsync = match options.durability {
        tuckbox_engine::Durability::Always => "always",
        tuckbox_engine::Durability::EverySec => "everysec",
    };
    vec![
        ("appendfsync", if kept.is_some() { appendfsync } else { "no" }.to_owned()),
        ("appendonly", yes_if(kept.is_some())),
        ("bind", hall.local.ip().to_string()),
        ("cluster-enabled", "no".to_owned()),
        ("daemonize", "no".to_owned()),
        ("databases", "16".to_owned()),
        ("dir", kept.map(|dir| dir.display().to_string()).unwrap_or_default()),
        ("io-threads", "1".to_owned()),
        ("maxmemory", options.memory_limit.to_string()),
        ("maxmemory-policy", "noeviction".to_owned()),
        ("port", hall.local.port().to_string()),
        ("protected-mode", yes_if(!hall.config.open)),
        ("save", String::new()),
    ]
}

pub(super) fn run(serving: &mut Serving<'_>, subcommand: &str, command: &Command) -> Answer {
    match subcommand {
        "get" => Ok(get(serving, command)),
        "set" => set(serving, command),
        "resetstat" => {
            serving.hall.counters = Counters::new(serving.hall.now);
            Ok(Reply::OK)
        }
        _ => Err("ERR The server is running without a config file".into()),
    }
}

fn get(serving: &Serving<'_>, command: &Command) -> Reply {
    let settings = &serving.hall.settings;
    let live = PARAMETERS.iter().map(|parameter| (parameter.name, (parameter.get)(settings)));
    let idle = WITHOUT_EFFECT.iter().map(|(name, default)| {
        let set = settings.without_effect.get(name).cloned();
        (*name, set.unwrap_or_else(|| (*default).to_owned()))
    });
    let mut all: Vec<_> = live.chain(idle).chain(fixed(serving)).collect();
    all.sort_unstable();
    let patterns: Vec<_> = command.iter_from(2).map(<[u8]>::to_ascii_lowercase).collect();
    let wanted = |name: &str| patterns.iter().any(|pattern| matches(pattern, name.as_bytes()));
    let found = all.into_iter().filter(|(name, _)| wanted(name));
    Reply::Map(found.map(|(name, value)| (super::text(name), super::text(&value))).collect())
}

/// Sets all parameters, or none.
fn set(serving: &mut Serving<'_>, command: &Command) -> Answer {
    if !command.len().is_multiple_of(2) {
        return Err(super::SYNTAX.into());
    }
    let mut settings = serving.hall.settings.clone();
    let mut seen: Vec<String> = Vec::new();
    let mut args = command.iter_from(2);
    while let (Some(name), Some(value)) = (args.next(), args.next()) {
        let name = shown(name).to_ascii_lowercase();
        if seen.contains(&name) {
            return Err(failed(&name, "duplicate parameter"));
        }
        let value = String::from_utf8_lossy(value);
        let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name);
        let idle = WITHOUT_EFFECT.iter().find(|(idle, _)| *idle == name);
        if let Some(parameter) = parameter {
            (parameter.set)(&mut settings, &value).map_err(|problem| failed(&name, &problem))?;
        } else if let Some((idle, default)) = idle {
            check_like(default, &value).map_err(|problem| failed(&name, problem))?;
            settings.without_effect.insert(idle, value.into_owned());
        } else if let Some((_, now)) = fixed(serving).iter().find(|(fixed, _)| *fixed == name) {
            if *now != value {
                return Err(failed(&name, "can't set immutable config"));
            }
        } else {
            return Err(format!(
                "ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
            )
            .into());
        }
        seen.push(name);
    }
    serving.hall.settings = settings;
    Ok(Reply::OK)
}

fn failed(name: &str, problem: &str) -> ErrorReply {
    format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {problem}").into()
}

/// Whether a value is of the kind that the default is of.
fn check_like(default: &str, value: &str) -> Result<(), &'static str> {
    match default {
        "yes" | "no" if value != "yes" && value != "no" => Err("argument must be 'yes' or 'no'"),
        number if number.parse::<i64>().is_ok() && parse_size(value.as_bytes()).is_none() => {
            let negative = value.parse::<i64>().is_ok();
            if negative { Ok(()) } else { Err("argument couldn't be parsed into an integer") }
        }
        _ => Ok(()),
    }
}

fn whole(value: &str, least: i64, most: i64) -> Result<i64, String> {
    let number: i64 =
        value.parse().map_err(|_| "argument couldn't be parsed into an integer".to_owned())?;
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(format!("argument must be between {least} and {most} inclusive"))
}

fn memory(value: &str, least: usize) -> Result<usize, String> {
    let size = parse_size(value.as_bytes()).and_then(|size| usize::try_from(size).ok());
    let size = size.ok_or_else(|| "argument must be a memory value".to_owned())?;
    if size < least {
        return Err(format!("argument must be between {least} and {} inclusive", i64::MAX));
    }
    Ok(size)
}

/// The classes of `client-output-buffer-limit`, in the order of the settings.
const CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

fn output_limits(settings: &Settings) -> String {
    let classes = CLASSES.iter().zip(settings.output);
    let told = classes.map(|(class, OutputLimit { hard, soft, over })| {
        format!("{class} {hard} {soft} {}", over.as_secs())
    });
    told.collect::<Vec<_>>().join(" ")
}

fn set_output_limits(settings: &mut Settings, value: &str) -> Result<(), String> {
    let words: Vec<_> = value.split_ascii_whitespace().collect();
    let (limits, []) = words.as_chunks::<4>() else {
        return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
    };
    for [class, hard, soft, over] in limits {
        let class = if class.eq_ignore_ascii_case("replica") { "slave" } else { class };
        let place = CLASSES.iter().position(|known| known.eq_ignore_ascii_case(class));
        let place = place
            .ok_or("Invalid client class specified in buffer limit configuration.".to_owned())?;
        let problem = |_| {
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.".to_owned()
        };
        settings.output[place] = OutputLimit {
            hard: memory(hard, 0).map_err(problem)?,
            soft: memory(soft, 0).map_err(problem)?,
            over: Duration::from_secs(
                whole(over, 0, i32::MAX.into()).map_err(problem)?.unsigned_abs(),
            ),
        };
    }
    Ok(())
}
