//! [`Settings`]: what `CONFIG SET` changes.

use std::{collections::BTreeMap, time::Duration};

use tuckbox_resp::Limits;

use crate::config::{Config, DebugFrom, Password};

/// What can be changed while the server runs.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) password: Option<Password>,
    pub(crate) max_clients: usize,
    /// Bytes of keys and values to hold in memory; the largest number for no limit.
    pub(crate) memory_limit: usize,
    /// Where it listens.
    pub(crate) port: u16,
    /// Bytes of one argument that a client may send.
    pub(crate) bulk_max: usize,
    /// How long a connection may be idle; zero for as long as it likes.
    pub(crate) timeout: Duration,
    /// How long a silent connection is left alone before it is asked whether it
    /// is there; zero for ever. For connections to come.
    pub(crate) keep_alive: Duration,
    /// Bytes that a client may have sent without their being executed.
    pub(crate) input_max: usize,
    /// Bytes that may wait for a client, by class.
    pub(crate) output: [OutputLimit; 3],
    /// Commands that take as long are kept in the slow log; the longest time
    /// there is for none.
    pub(crate) slower_than: Duration,
    pub(crate) slowlog_max_len: usize,
    /// Commands that take as long are sampled for `LATENCY`; zero for none.
    pub(crate) latency_threshold: Duration,
    pub(crate) debug_from: DebugFrom,
    /// Parameters that have no effect here, with what was set.
    pub(crate) without_effect: BTreeMap<&'static str, String>,
}

/// Bytes that may wait for a client. Zero is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputLimit {
    /// At so many the client is cut.
    pub(crate) hard: usize,
    /// At so many the client is cut when it stays so for `over`.
    pub(crate) soft: usize,
    pub(crate) over: Duration,
}

impl Settings {
    pub(crate) fn new(config: &Config) -> Self {
        let minute = Duration::from_secs(60);
        Self {
            password: config.password.clone(),
            max_clients: config.max_clients,
            memory_limit: usize::MAX,
            port: config.listen.port(),
            bulk_max: Limits::REQUEST.bulk_len,
            timeout: Duration::ZERO,
            keep_alive: Duration::from_secs(300),
            input_max: 1 << 30,
            output: [
                OutputLimit { hard: 1 << 30, soft: 64 << 20, over: minute },
                OutputLimit { hard: 256 << 20, soft: 64 << 20, over: minute },
                OutputLimit { hard: 32 << 20, soft: 8 << 20, over: minute },
            ],
            slower_than: Duration::from_millis(10),
            slowlog_max_len: 128,
            latency_threshold: Duration::ZERO,
            debug_from: config.debug_from,
            without_effect: BTreeMap::new(),
        }
    }

    /// What `maxmemory` is: 0 stands for no limit.
    pub(crate) fn maxmemory(&self) -> usize {
        if self.memory_limit == usize::MAX { 0 } else { self.memory_limit }
    }

    /// How much a request may have.
    pub(crate) fn request_limits(&self) -> Limits {
        Limits { bulk_len: self.bulk_max, ..Limits::REQUEST }
    }

    /// The output limit of ordinary clients.
    pub(crate) fn normal_output(&self) -> OutputLimit {
        self.output[0]
    }
}
