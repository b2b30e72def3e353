//! `LATENCY`: commands that took long, as `latency-monitor-threshold` asks for, and how
//! long each command takes.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    time::Duration,
};

use tuckbox_resp::{
    Command, Reply,
    table::{self, CommandSpec, Flags},
};

use super::{Answer, number, prose, shown, text};
use crate::{host::Serving, tally::Tally};

/// Seconds that are kept of one event.
const KEPT: usize = 160;

/// The events that there are: commands, by whether Redis calls them fast.
const EVENTS: [&str; 2] = ["command", "fast-command"];

/// Commands that took long.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    events: BTreeMap<&'static str, Event>,
}

/// What was seen of one kind of event.
#[derive(Debug, Default)]
struct Event {
    /// Seconds of Unix time, and the most milliseconds in each.
    samples: VecDeque<(u64, u64)>,
    /// The most milliseconds of all.
    most: u64,
}

impl Latency {
    /// Adds a command that took as long as is watched for.
    pub(crate) fn add(&mut self, unix_ms: u64, spec: &CommandSpec, took: Duration) {
        let name = EVENTS[usize::from(spec.flags.contains(Flags::FAST))];
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let event = self.events.entry(name).or_default();
        event.most = event.most.max(millis);
        let second = unix_ms / 1000;
        match event.samples.back_mut() {
            Some((last, most)) if *last == second => *most = millis.max(*most),
            _ => event.samples.push_back((second, millis)),
        }
        if event.samples.len() > KEPT {
            event.samples.pop_front();
        }
    }

    fn latest(&self) -> Reply {
        let each = self.events.iter().filter_map(|(name, event)| {
            let &(second, millis) = event.samples.back()?;
            Some(Reply::Array(vec![text(name), number(second), number(millis), number(event.most)]))
        });
        Reply::Array(each.collect())
    }

    fn history(&self, name: &[u8]) -> Reply {
        let samples = self.event(name).into_iter().flat_map(|event| &event.samples);
        let pair =
            |&(second, millis): &(u64, u64)| Reply::Array(vec![number(second), number(millis)]);
        Reply::Array(samples.map(pair).collect())
    }

    fn event(&self, name: &[u8]) -> Option<&Event> {
        std::str::from_utf8(name).ok().and_then(|name| self.events.get(name))
    }

    /// Forgets the events of these names, or all; how many there were.
    fn reset(&mut self, names: &[&[u8]]) -> usize {
        let before = self.events.len();
        self.events.retain(|event, _| !names.is_empty() && !names.contains(&event.as_bytes()));
        before - self.events.len()
    }

    /// The samples of an event, a line for each: how long ago, how long, and a bar.
    fn graph(&self, name: &[u8], unix_ms: u64) -> Answer {
        let Some(event) = self.event(name) else {
            return Err(format!("ERR No samples available for event '{}'", shown(name)).into());
        };
        let low = event.samples.iter().map(|&(_, millis)| millis).min().unwrap_or(0);
        let high = event.samples.iter().map(|&(_, millis)| millis).max().unwrap_or(0);
        let mut graph = format!(
            "{} - high {high} ms, low {low} ms (all time high {} ms)\n",
            shown(name),
            event.most
        );
        for &(second, millis) in &event.samples {
            let ago = (unix_ms / 1000).saturating_sub(second);
            let bar = "#".repeat((millis * 40 / high.max(1)) as usize);
            // Writing to a string does not fail.
            _ = writeln!(graph, "{ago:>7} s ago {millis:>6} ms {bar}");
        }
        Ok(prose(graph))
    }

    fn doctor(&self, threshold: Duration) -> Reply {
        if threshold.is_zero() {
            return prose(
                "The latency monitor is off: CONFIG SET latency-monitor-threshold to so many \
                 milliseconds has commands sampled that take as long. SLOWLOG GET and LATENCY \
                 HISTOGRAM tell of commands all the same.\n"
                    .to_owned(),
            );
        }
        if self.events.is_empty() {
            let millis = threshold.as_millis();
            return prose(format!("No command has taken {millis} ms or longer.\n"));
        }
        let mut report = String::new();
        for (name, Event { samples, most }) in &self.events {
            let count = samples.len();
            let sum: u64 = samples.iter().map(|(_, millis)| millis).sum();
            let average = sum / count.max(1) as u64;
            _ = writeln!(
                report,
                "{name}: in {count} seconds something took long, {average} ms on average, {most} \
                 ms at the most."
            );
        }
        report.push_str(
            "One thread runs all commands: others wait meanwhile. SLOWLOG GET shows which \
             commands it was; scripts, KEYS and replies of many megabytes are the usual ones.\n",
        );
        prose(report)
    }
}

pub(super) fn run(serving: &mut Serving<'_>, subcommand: &str, command: &Command) -> Answer {
    let unix_ms = serving.engine.clock().now_ms();
    let hall = &mut *serving.hall;
    match subcommand {
        "doctor" => Ok(hall.latency.doctor(hall.settings.latency_threshold)),
        "graph" => hall.latency.graph(&command[2], unix_ms),
        "histogram" => Ok(histogram(&hall.heard.lock().tally, command)),
        "history" => Ok(hall.latency.history(&command[2])),
        "latest" => Ok(hall.latency.latest()),
        "reset" => {
            let names: Vec<_> = command.iter_from(2).collect();
            Ok(number(hall.latency.reset(&names)))
        }
        _ => Err(super::SYNTAX.into()),
    }
}

/// How often each command took how long: of all commands, or of those that are named,
/// with their subcommands.
fn histogram(tally: &Tally, command: &Command) -> Reply {
    let wanted = |name: &str| {
        command.len() == 2
            || command.iter_from(2).any(|arg| {
                let arg = arg.to_ascii_lowercase();
                let container = name.split('|').next().unwrap_or_default();
                arg == name.as_bytes()
                    || arg == container.as_bytes() && table::lookup(&arg).is_some()
            })
    };
    let mut told = Vec::new();
    for (name, calls) in tally.calls().filter(|(name, _)| wanted(name)) {
        let Some(times) = &calls.times else { continue };
        let pairs = times.by_doubling().into_iter();
        let pairs = pairs.map(|(micros, count)| (number(micros), number(count))).collect();
        let entry =
            vec![(text("calls"), number(calls.count)), (text("histogram_usec"), Reply::Map(pairs))];
        told.push((text(name), Reply::Map(entry)));
    }
    Reply::Map(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(latency: &mut Latency, second: u64, name: &str, millis: u64) {
        let spec = table::lookup(name.as_bytes()).unwrap();
        latency.add(second * 1000, spec, Duration::from_millis(millis));
    }

    #[test]
    fn the_worst_of_each_second_is_kept() {
        let mut latency = Latency::default();
        for (second, millis) in [(7, 30), (7, 50), (7, 40), (9, 20)] {
            took(&mut latency, second, "keys", millis);
        }
        took(&mut latency, 9, "get", 25);
        let pair = |second, millis| Reply::Array(vec![number(second), number(millis)]);
        assert_eq!(latency.history(b"command"), Reply::Array(vec![pair(7, 50), pair(9, 20)]));
        let latest = latency.latest().into_array().unwrap();
        assert_eq!(latest.len(), 2);
        assert_eq!(
            latest[0],
            Reply::Array(vec![text("command"), number(9), number(20), number(50)])
        );
        assert_eq!(latency.reset(&[b"fast-command", b"nonsense"]), 1);
        assert_eq!((latency.reset(&[]), latency.reset(&[])), (1, 0));
    }

    #[test]
    fn no_more_than_so_many_seconds_are_kept() {
        let mut latency = Latency::default();
        (0..500).for_each(|second| took(&mut latency, second, "keys", 10));
        assert_eq!(latency.history(b"command").into_array().unwrap().len(), KEPT);
        assert!(latency.graph(b"command", 500_000).is_ok());
        assert!(latency.graph(b"nonsense", 500_000).is_err());
    }
}
