//! `redis+cluster://`: the nodes of a Redis or Valkey cluster.

mod map;
mod slots;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tuckbox_resp::{Command, Reply, cmd};

use self::{
    map::{Run, read_redirection, read_slots},
    slots::{SLOTS, slot_of},
};
use super::{
    address::Endpoint,
    batch::{Batch, Piece},
    dial::Dialer,
    rounds::{Chart, Detour, Topology},
    server::Server,
    url::RedisUrl,
};
use crate::{Error, Options, terms::Terms};

/// At most one look at the slots in this time, however many calls find them
/// changed: while a cluster is being changed, redirections alone will do.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How many nodes there may be: ten times as many as masters are recommended.
const NODES_MAX: usize = 10_000;

/// A cluster, of which nothing is known before the first call.
pub(super) struct Cluster {
    shown: String,
    seeds: Vec<Endpoint>,
    dialer: Dialer,
    learned: Mutex<Learned>,
    /// Held by the one call that looks at the slots.
    looking: tokio::sync::Mutex<()>,
}

/// What the cluster has told.
#[derive(Default)]
struct Learned {
    chart: Option<Arc<Chart>>,
    /// Who can be asked for the slots when no master answers.
    replicas: Vec<Endpoint>,
    /// Something did not fit it.
    doubted: bool,
    /// Who should be asked last.
    suspect: Option<Endpoint>,
    looked: Option<Instant>,
    closed: bool,
}

impl Learned {
    fn may_look(&self) -> bool {
        self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY)
    }

    /// The server at `endpoint`, with its number in the chart.
    fn server(&mut self, endpoint: Endpoint, dialer: &Dialer) -> Option<(u16, Arc<Server>)> {
        let chart = self.chart.as_mut()?;
        let known = chart.servers.iter().position(|server| server.endpoint() == &endpoint);
        let number = match known {
            Some(number) => number,
            None if chart.servers.len() < NODES_MAX => {
                let server = Arc::new(Server::new(dialer.to(endpoint).ok()?));
                Arc::make_mut(chart).servers.push(server);
                chart.servers.len() - 1
            }
            None => return None,
        };
        let server = chart.servers.get(number)?;
        Some((u16::try_from(number).ok()?, Arc::clone(server)))
    }
}

impl Cluster {
    pub(super) fn new(url: RedisUrl, options: &Options) -> Result<Self, Error> {
        Ok(Self {
            shown: url.to_string(),
            seeds: url.endpoints.clone(),
            dialer: Dialer::new(url.into_address(), options)?,
            learned: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        })
    }

    /// The same, with connections of its own; it learns the slots itself.
    pub(super) fn twin(&self) -> Self {
        Self {
            shown: self.shown.clone(),
            seeds: self.seeds.clone(),
            dialer: self.dialer.clone(),
            learned: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn close(&self) {
        let mut learned = self.lock();
        learned.closed = true;
        if let Some(chart) = learned.chart.take() {
            chart.servers.iter().for_each(|server| server.close());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first chart, from the first that answers.
    async fn first_chart(&self, terms: Terms) -> Result<Arc<Chart>, Error> {
        let Ok(_alone) = tokio::time::timeout(terms.left(), self.looking.lock()).await else {
            return Err(self.timeout(terms));
        };
        if let Some(chart) = &self.lock().chart {
            return Ok(Arc::clone(chart));
        }
        self.look(terms).await
    }

    /// No command of the caller's was sent yet.
    fn timeout(&self, terms: Terms) -> Error {
        Error::Timeout { address: self.shown.clone(), after: terms.deadline, maybe_applied: false }
    }

    /// Asks one after the other for the slots until one tells them. One that
    /// hangs costs a part of the time that is left.
    async fn look(&self, terms: Terms) -> Result<Arc<Chart>, Error> {
        self.lock().looked = Some(Instant::now());
        let candidates = self.candidates()?;
        let mut last = None;
        for (number, server) in candidates.iter().enumerate() {
            let shares = 3.min(candidates.len() - number) as u32;
            match ask(server, Terms::new(terms.left() / shares)).await {
                Ok(runs) => return self.learn(&runs, &candidates),
                Err(Error::Timeout { .. }) if terms.left().is_zero() => break,
                // A refusal says more than the silence of others.
                Err(_) if matches!(last, Some(Error::Reply(_))) => {}
                Err(error) => last = Some(error),
            }
        }
        let in_time = |error: &Error| matches!(error, Error::Reply(_)) || !terms.left().is_zero();
        Err(last.filter(in_time).unwrap_or_else(|| self.timeout(terms)))
    }

    /// Whom to ask for the slots: masters, replicas, then those of the URL; at
    /// the very end who was found wanting.
    fn candidates(&self) -> Result<Vec<Arc<Server>>, Error> {
        let learned = self.lock();
        if learned.closed {
            return Err(Error::Closed);
        }
        let known = learned.chart.iter().flat_map(|chart| chart.servers.iter().cloned());
        let mut candidates: Vec<Arc<Server>> = known.collect();
        for endpoint in learned.replicas.iter().chain(&self.seeds) {
            if candidates.iter().all(|server| server.endpoint() != endpoint) {
                candidates.push(Arc::new(Server::new(self.dialer.to(endpoint.clone())?)));
            }
        }
        candidates.sort_by_key(|server| Some(server.endpoint()) == learned.suspect.as_ref());
        Ok(candidates)
    }

    /// Makes the chart of `runs`. Nodes that stay keep their connection, those
    /// that nobody names any more are let go.
    fn learn(&self, runs: &[Run], known: &[Arc<Server>]) -> Result<Arc<Chart>, Error> {
        let mut chart = Chart { servers: Vec::new(), owners: vec![u16::MAX; SLOTS] };
        for run in runs {
            let number = match chart.servers.iter().position(|s| s.endpoint() == &run.master) {
                Some(number) => number,
                None if chart.servers.len() >= NODES_MAX => continue,
                None => {
                    let server = known.iter().find(|server| server.endpoint() == &run.master);
                    chart.servers.push(match server {
                        Some(server) => Arc::clone(server),
                        None => Arc::new(Server::new(self.dialer.to(run.master.clone())?)),
                    });
                    chart.servers.len() - 1
                }
            };
            let slots = usize::from(run.first)..=usize::from(run.last);
            if let Some(slots) = chart.owners.get_mut(slots) {
                slots.fill(u16::try_from(number).unwrap_or(u16::MAX));
            }
        }
        let chart = Arc::new(chart);
        let mut learned = self.lock();
        if learned.closed {
            return Err(Error::Closed);
        }
        learned.chart = Some(Arc::clone(&chart));
        learned.replicas = runs.iter().flat_map(|run| run.replicas.iter().cloned()).collect();
        learned.replicas.truncate(NODES_MAX);
        learned.doubted = false;
        learned.suspect = None;
        Ok(chart)
    }
}

/// The slots, as `server` knows them; at least one run.
async fn ask(server: &Server, terms: Terms) -> Result<Vec<Run>, Error> {
    let question = [cmd!("CLUSTER", "SLOTS")];
    let mut replies = server.exchange(&Batch::of(Piece::plain(&question)), terms).await?;
    let reply = replies.pop().unwrap_or(Reply::Null).into_result()?;
    let runs = read_slots(reply, &server.endpoint().host);
    if runs.is_empty() {
        return Err(Error::Unavailable {
            address: server.to_string(),
            maybe_applied: false,
            cause: std::io::Error::other("it knows no node that serves a slot"),
        });
    }
    Ok(runs)
}

impl Topology for Cluster {
    fn address(&self) -> &(dyn fmt::Display + Sync) {
        &self.shown
    }

    fn slot(&self, commands: &[Command]) -> Result<Option<u16>, Error> {
        slot_of(commands)
    }

    async fn chart(&self, terms: Terms) -> Result<Arc<Chart>, Error> {
        let look = {
            let learned = self.lock();
            if learned.closed {
                return Err(Error::Closed);
            }
            match &learned.chart {
                Some(chart) if !learned.doubted || !learned.may_look() => {
                    return Ok(Arc::clone(chart));
                }
                Some(_) => true,
                None => false,
            }
        };
        if look {
            self.relearn(terms).await;
        }
        let chart = self.lock().chart.clone();
        match chart {
            Some(chart) => Ok(chart),
            None => self.first_chart(terms).await,
        }
    }

    fn detour(&self, reply: &Reply, from: &Arc<Server>) -> Option<Detour> {
        let Reply::Error(error) = reply else { return None };
        let code = error.code();
        if matches!(code, "TRYAGAIN" | "CLUSTERDOWN") {
            return Some(Detour::Later);
        }
        if !matches!(code, "MOVED" | "ASK") {
            return None;
        }
        let Some((slot, endpoint)) = read_redirection(error.text(), &from.endpoint().host) else {
            return Some(Detour::Later);
        };
        let mut learned = self.lock();
        let Some((number, server)) = learned.server(endpoint, &self.dialer) else {
            return Some(Detour::Later);
        };
        if code == "ASK" {
            return Some(Detour::Ask(server));
        }
        learned.doubted = true;
        if let Some(chart) = learned.chart.as_mut().filter(|chart| !chart.is_owner(slot, number)) {
            Arc::make_mut(chart).set_owner(slot, number);
        }
        Some(Detour::Moved(slot))
    }

    fn doubt(&self, server: &Arc<Server>) {
        let mut learned = self.lock();
        learned.doubted = true;
        learned.suspect = Some(server.endpoint().clone());
    }

    /// Does nothing while another call does it, or soon after.
    async fn relearn(&self, terms: Terms) {
        let Ok(_alone) = self.looking.try_lock() else { return };
        let due = {
            let learned = self.lock();
            learned.doubted && learned.may_look()
        };
        if due {
            // When nobody answers, the old chart and redirections must do.
            let _ = self.look(terms).await;
        }
    }
}
