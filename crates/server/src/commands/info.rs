//! `INFO`: the server's state in sections, each value true.

use std::fmt::Write as _;

use tuckbox_engine::{Durability, Request, Stats};

use super::{Answer, is, prose};
use crate::{host::Serving, process};

/// The version of Redis whose commands these are.
const REDIS_VERSION: &str = "7.2.0";

/// A section: its name, whether it is among the default ones, and its lines.
struct Section {
    name: &'static str,
    default: bool,
    write: fn(&mut String, &mut Serving<'_>, &Stats),
}

const SECTIONS: &[Section] = &[
    Section { name: "server", default: true, write: server },
    Section { name: "clients", default: true, write: clients },
    Section { name: "memory", default: true, write: memory },
    Section { name: "persistence", default: true, write: persistence },
    Section { name: "stats", default: true, write: stats },
    Section { name: "replication", default: true, write: replication },
    Section { name: "cpu", default: true, write: cpu },
    Section { name: "modules", default: true, write: |_, _, _| {} },
    Section { name: "commandstats", default: false, write: commandstats },
    Section { name: "errorstats", default: true, write: errorstats },
    Section { name: "latencystats", default: false, write: latencystats },
    Section {
        name: "cluster",
        default: true,
        write: |text, _, _| text.push_str("cluster_enabled:0\r\n"),
    },
    Section { name: "keyspace", default: true, write: keyspace },
];

pub(super) fn run(serving: &mut Serving<'_>, request: &mut Request<'_>) -> Answer {
    let stats = (request.stats)();
    let command = request.command;
    let wanted = |section: &Section| {
        if command.len() == 1 {
            return section.default;
        }
        command.iter_from(1).any(|word| {
            is(word, section.name)
                || is(word, "everything")
                || is(word, "all") && section.name != "modules"
                || is(word, "default") && section.default
        })
    };
    let mut text = String::with_capacity(4096);
    for section in SECTIONS.iter().filter(|section| wanted(section)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let (first, rest) = section.name.split_at(1);
        let title = if section.name == "cpu" {
            "CPU".to_owned()
        } else {
            first.to_ascii_uppercase() + rest
        };
        line(&mut text, format_args!("# {title}"));
        (section.write)(&mut text, serving, &stats);
    }
    Ok(prose(text))
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    _ = text.write_fmt(what);
    text.push_str("\r\n");
}

/// Lines of `name:value`.
macro_rules! lines {
    ($text:expr, $($name:literal: $value:expr),* $(,)?) => {$(
        line($text, format_args!(concat!($name, ":{}"), $value));
    )*};
}

fn server(text: &mut String, serving: &mut Serving<'_>, _: &Stats) {
    let hall = &*serving.hall;
    let unix_ms = serving.engine.clock().now_ms();
    let uptime = hall.now.saturating_duration_since(hall.since).as_secs();
    let executable = std::env::current_exe().map(|path| path.display().to_string());
    lines!(text,
        "redis_version": REDIS_VERSION,
        "tuckbox_version": env!("CARGO_PKG_VERSION"),
        "redis_mode": "standalone",
        "os": format_args!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "arch_bits": usize::BITS,
        "process_id": std::process::id(),
        "run_id": hall.run_id,
        "tcp_port": hall.local.port(),
        "server_time_usec": unix_ms * 1000,
        "uptime_in_seconds": uptime,
        "uptime_in_days": uptime / 86_400,
        "executable": executable.unwrap_or_default(),
        "config_file": "",
        "io_threads_active": 0,
    );
}

fn clients(text: &mut String, serving: &mut Serving<'_>, _: &Stats) {
    let hall = &*serving.hall;
    let links = hall.peers.iter().map(|(_, peer)| &peer.link);
    let (mut input, mut output) = (serving.link.input.len(), serving.link.output.len());
    let mut held = 0;
    for link in links {
        input = input.max(link.input.len());
        output = output.max(link.output.len());
        held += usize::from(link.held.is_some());
    }
    lines!(text,
        "connected_clients": hall.peers.len(),
        "cluster_connections": 0,
        "maxclients": hall.settings.max_clients,
        "client_recent_max_input_buffer": input,
        "client_recent_max_output_buffer": output,
        "blocked_clients": held,
        "tracking_clients": 0,
        "clients_in_timeout_table": 0,
    );
}

fn memory(text: &mut String, serving: &mut Serving<'_>, stats: &Stats) {
    let maxmemory = serving.hall.settings.maxmemory();
    serving.hall.memory_peak = serving.hall.memory_peak.max(stats.memory);
    let peak = serving.hall.memory_peak;
    let percent = stats.memory as f64 * 100.0 / peak.max(1) as f64;
    lines!(text,
        "used_memory": stats.memory,
        "used_memory_human": human(stats.memory),
        "used_memory_peak": peak,
        "used_memory_peak_human": human(peak),
        "used_memory_peak_perc": format_args!("{percent:.2}%"),
        "used_memory_dataset": stats.memory,
    );
    if let Some(resident) = process::resident_bytes() {
        let ratio = resident as f64 / stats.memory.max(1) as f64;
        lines!(text,
            "used_memory_rss": resident,
            "used_memory_rss_human": human(resident),
            "mem_fragmentation_ratio": format_args!("{ratio:.2}"),
        );
    }
    if let Some(total) = process::system_bytes() {
        lines!(text,
            "total_system_memory": total,
            "total_system_memory_human": human(total),
        );
    }
    lines!(text,
        "number_of_cached_scripts": stats.scripts,
        "maxmemory": maxmemory,
        "maxmemory_human": human(maxmemory),
        "maxmemory_policy": "noeviction",
        "mem_allocator": "libc",
        "active_defrag_running": 0,
    );
}

/// `1.50M`.
fn human(bytes: usize) -> String {
    let bytes = bytes as f64;
    match bytes {
        ..1024.0 => format!("{bytes}B"),
        ..1_048_576.0 => format!("{:.2}K", bytes / 1024.0),
        ..1_073_741_824.0 => format!("{:.2}M", bytes / 1_048_576.0),
        _ => format!("{:.2}G", bytes / 1_073_741_824.0),
    }
}

fn persistence(text: &mut String, serving: &mut Serving<'_>, stats: &Stats) {
    let kept = serving.engine.directory().is_some();
    let health = serving.engine.health();
    let ok = |ok: bool| if ok { "ok" } else { "err" };
    let durability = match serving.engine.options().durability {
        _ if !kept => "memory",
        Durability::Always => "always",
        Durability::EverySec => "everysec",
    };
    lines!(text,
        "loading": 0,
        "async_loading": 0,
        "rdb_bgsave_in_progress": 0,
        "rdb_last_save_time": stats.last_checkpoint_ms / 1000,
        "rdb_last_bgsave_status": ok(health.checkpoints.is_none()),
        "aof_enabled": u8::from(kept),
        "aof_rewrite_in_progress": 0,
        "aof_rewrite_scheduled": 0,
        "aof_last_bgrewrite_status": "ok",
        "aof_last_write_status": ok(health.writes.is_none()),
        "aof_current_size": stats.log_bytes,
        "tuckbox_durability": durability,
        "tuckbox_log_bytes": stats.log_bytes,
        "tuckbox_log_pending": stats.pending,
        "tuckbox_log_syncs": stats.log_syncs,
        "tuckbox_checkpoints": stats.checkpoints,
    );
}

fn stats(text: &mut String, serving: &mut Serving<'_>, stats: &Stats) {
    let hall = &mut *serving.hall;
    let (processed, errors) = {
        let said = hall.heard.lock();
        (said.tally.commands, said.tally.errors)
    };
    let [commands, received, sent] = hall.counters.rates(hall.now, processed);
    let counters = &hall.counters;
    let since = hall.stats_before;
    lines!(text,
        "total_connections_received": counters.connections,
        "total_commands_processed": processed,
        "instantaneous_ops_per_sec": commands as u64,
        "total_net_input_bytes": counters.received,
        "total_net_output_bytes": counters.sent,
        "total_net_repl_input_bytes": 0,
        "total_net_repl_output_bytes": 0,
        "instantaneous_input_kbps": format_args!("{:.2}", received / 1024.0),
        "instantaneous_output_kbps": format_args!("{:.2}", sent / 1024.0),
        "rejected_connections": counters.rejected,
        "tuckbox_idle_disconnections": counters.cut_idle,
        "client_query_buffer_limit_disconnections": counters.cut_input,
        "client_output_buffer_limit_disconnections": counters.cut_output,
        "sync_full": 0,
        "sync_partial_ok": 0,
        "sync_partial_err": 0,
        "expired_keys": stats.expired.saturating_sub(since.expired),
        "evicted_keys": 0,
        "keyspace_hits": stats.hits.saturating_sub(since.hits),
        "keyspace_misses": stats.misses.saturating_sub(since.misses),
        "tuckbox_keys_dropped_from_memory": stats.evicted.saturating_sub(since.evicted),
        "pubsub_channels": 0,
        "pubsub_patterns": 0,
        "latest_fork_usec": 0,
        "total_forks": 0,
        "migrate_cached_sockets": 0,
        "total_error_replies": errors,
        "total_reads_processed": counters.reads,
        "total_writes_processed": counters.writes,
        "acl_access_denied_auth": counters.failed_logins,
    );
}

fn replication(text: &mut String, serving: &mut Serving<'_>, _: &Stats) {
    lines!(text,
        "role": "master",
        "connected_slaves": 0,
        "master_failover_state": "no-failover",
        "master_replid": serving.hall.run_id,
        "master_replid2": format_args!("{:040}", 0),
        "master_repl_offset": 0,
        "second_repl_offset": -1,
        "repl_backlog_active": 0,
        "repl_backlog_first_byte_offset": 0,
        "repl_backlog_histlen": 0,
    );
}

fn cpu(text: &mut String, _: &mut Serving<'_>, _: &Stats) {
    if let Some([user, system, user_children, system_children]) = process::cpu_seconds() {
        for (name, seconds) in [
            ("sys", system),
            ("user", user),
            ("sys_children", system_children),
            ("user_children", user_children),
        ] {
            line(text, format_args!("used_cpu_{name}:{seconds:.6}"));
        }
    }
}

fn commandstats(text: &mut String, serving: &mut Serving<'_>, _: &Stats) {
    for (name, calls) in serving.hall.heard.lock().tally.calls() {
        let micros = calls.took.as_secs_f64() * 1e6;
        let each = if calls.count > 0 { micros / calls.count as f64 } else { 0.0 };
        line(
            text,
            format_args!(
                "cmdstat_{name}:calls={},usec={micros:.0},usec_per_call={each:.2},\
                 rejected_calls={},failed_calls={}",
                calls.count, calls.rejected, calls.failed
            ),
        );
    }
}

fn errorstats(text: &mut String, serving: &mut Serving<'_>, _: &Stats) {
    for (code, count) in &serving.hall.heard.lock().tally.codes {
        line(text, format_args!("errorstat_{code}:count={count}"));
    }
}

fn latencystats(text: &mut String, serving: &mut Serving<'_>, _: &Stats) {
    for (name, calls) in serving.hall.heard.lock().tally.calls() {
        let Some(times) = &calls.times else { continue };
        let [half, most, nearly_all] = [50.0, 99.0, 99.9].map(|percent| times.percentile(percent));
        line(
            text,
            format_args!(
                "latency_percentiles_usec_{name}:p50={half:.3},p99={most:.3},p99.9={nearly_all:.3}"
            ),
        );
    }
}

/// How many keys expire is not counted: most of them may be on disk alone. Nor are
/// the keys, for a moment after a crash: clients that ask for `INFO` to see whether a
/// server is ready would keep all others waiting.
fn keyspace(text: &mut String, _: &mut Serving<'_>, stats: &Stats) {
    if stats.pending > 0 {
        return;
    }
    for (db, &keys) in stats.keys_by_db.iter().enumerate().filter(|(_, keys)| **keys > 0) {
        line(text, format_args!("db{db}:keys={keys}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_the_unit_that_fits() {
        let shown = [5, 2048, 3 << 19, 5 << 30].map(human);
        assert_eq!(shown, ["5B", "2.00K", "1.50M", "5.00G"]);
    }
}
