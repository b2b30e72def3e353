//! Parameters that can be set and do something.

use std::time::Duration;

use super::idle::{memory, whole};
use crate::{
    config::{DebugFrom, PASSWORD_MAX, Password},
    process::{most_clients, open_files_for},
    settings::{OutputLimit, Settings},
};

/// A parameter that can be set and does something.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) get: fn(&Settings) -> String,
    pub(super) set: fn(&mut Settings, &str) -> Result<(), String>,
}

/// All of them.
pub(super) const PARAMETERS: &[Parameter] = &[
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
        name: "latency-monitor-threshold",
        get: |settings| settings.latency_threshold.as_millis().to_string(),
        set: |settings, value| {
            settings.latency_threshold =
                Duration::from_millis(whole(value, 0, i64::MAX)?.unsigned_abs());
            Ok(())
        },
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
        name: "maxmemory",
        get: |settings| settings.maxmemory().to_string(),
        set: |settings, value| {
            settings.memory_limit = match memory(value, 0)? {
                0 => usize::MAX,
                bytes => bytes,
            };
            Ok(())
        },
    },
    Parameter {
        name: "port",
        get: |settings| settings.port.to_string(),
        set: |settings, value| {
            let port = whole(value, 1, u16::MAX.into())?;
            settings.port = u16::try_from(port).unwrap_or_default();
            Ok(())
        },
    },
    Parameter {
        name: "proto-max-bulk-len",
        get: |settings| settings.bulk_max.to_string(),
        set: |settings, value| {
            settings.bulk_max = memory(value, 1 << 20)?;
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
