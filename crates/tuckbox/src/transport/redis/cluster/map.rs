//! Reading what `CLUSTER SLOTS` and redirections say.

use tuckbox_resp::Reply;

use super::{super::address::Endpoint, slots::SLOTS};

/// A run of slots and who has it.
#[derive(Debug, PartialEq)]
pub(super) struct Run {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) master: Endpoint,
    pub(super) replicas: Vec<Endpoint>,
}

/// Reads the answer to `CLUSTER SLOTS`, in the order of slots; `host` is where
/// it came from. Runs that are not understood, or whose master has no known
/// host, are left out.
pub(super) fn read_slots(reply: Reply, host: &str) -> Vec<Run> {
    let runs = reply.into_array().unwrap_or_default().into_iter();
    let mut runs: Vec<Run> = runs.filter_map(|run| read_run(run, host)).collect();
    runs.sort_unstable_by_key(|run| run.first);
    runs
}

fn read_run(run: Reply, host: &str) -> Option<Run> {
    let mut words = run.into_array().ok()?.into_iter();
    let mut slot = || {
        let slot = u16::try_from(words.next()?.into_integer().ok()?).ok()?;
        (usize::from(slot) < SLOTS).then_some(slot)
    };
    let (first, last) = (slot()?, slot()?);
    let mut nodes = words.map(|node| read_node(node, host));
    let master = nodes.next()??;
    Some(Run { first, last, master, replicas: nodes.flatten().collect() })
}

fn read_node(node: Reply, asked: &str) -> Option<Endpoint> {
    let mut words = node.into_array().ok()?.into_iter();
    let host = words.next()?.into_bytes().ok()?;
    let port = u16::try_from(words.next()?.into_integer().ok()?).ok()?;
    let host = host.as_deref().map(std::str::from_utf8).transpose().ok()?;
    endpoint(host.unwrap_or_default(), port, asked)
}

/// Without a host it is the one that was asked; `?` is a host that the cluster
/// does not know itself.
fn endpoint(host: &str, port: u16, asked: &str) -> Option<Endpoint> {
    let host = match host {
        "?" => return None,
        "" => asked,
        host => host,
    };
    // A path would be a socket of this machine.
    (port > 0 && !host.starts_with('/')).then(|| Endpoint { host: host.to_owned(), port })
}

/// Slot and server of `MOVED <slot> <host>:<port>` and of `ASK …`, as `asked`
/// says it.
pub(super) fn read_redirection(text: &str, asked: &str) -> Option<(u16, Endpoint)> {
    let mut words = text.split(' ').skip(1);
    let slot: u16 = words.next()?.parse().ok()?;
    // An IPv6 address stands without brackets here.
    let (host, port) = words.next()?.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let endpoint = endpoint(host, port.parse().ok()?, asked)?;
    (usize::from(slot) < SLOTS).then_some((slot, endpoint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.to_owned(), port }
    }

    fn node(host: Reply, port: i64) -> Reply {
        Reply::Array(vec![host, Reply::Integer(port), Reply::bulk(b"id"), Reply::Array(vec![])])
    }

    #[test]
    fn masters_and_replicas_of_each_run_are_read() {
        let run = |first, last, nodes: Vec<Reply>| {
            let slots = [Reply::Integer(first), Reply::Integer(last)];
            Reply::Array(slots.into_iter().chain(nodes).collect())
        };
        let reply = Reply::Array(vec![
            run(100, 16383, vec![node(Reply::Null, 7002), node(Reply::bulk(b""), 7003)]),
            run(0, 99, vec![node(Reply::bulk(b"10.0.0.1"), 7000), node(Reply::bulk(b"h"), 7001)]),
            run(5, 16384, vec![node(Reply::bulk(b"beyond"), 1)]),
            run(6, 7, vec![node(Reply::bulk(b"?"), 1)]),
            run(8, 9, vec![]),
            Reply::Null,
        ]);
        let runs = read_slots(reply, "asked");
        let (first, second) = (
            Run { first: 0, last: 99, master: at("10.0.0.1", 7000), replicas: vec![at("h", 7001)] },
            Run {
                first: 100,
                last: 16383,
                master: at("asked", 7002),
                replicas: vec![at("asked", 7003)],
            },
        );
        assert_eq!(runs, [first, second]);
    }

    #[test]
    fn redirections_name_a_slot_and_a_server() {
        for (text, endpoint) in [
            ("MOVED 3999 127.0.0.1:6381", at("127.0.0.1", 6381)),
            ("ASK 3999 host.example:1", at("host.example", 1)),
            ("MOVED 3999 :6381", at("asked", 6381)),
            ("MOVED 3999 2001:db8::1:6381", at("2001:db8::1", 6381)),
        ] {
            assert_eq!(read_redirection(text, "asked"), Some((3999, endpoint)), "{text}");
        }
        for text in
            ["MOVED", "MOVED x h:1", "MOVED 1 h", "MOVED 16384 h:1", "MOVED 1 ?:1", "MOVED 1 /s:1"]
        {
            assert_eq!(read_redirection(text, "asked"), None, "{text}");
        }
    }
}
