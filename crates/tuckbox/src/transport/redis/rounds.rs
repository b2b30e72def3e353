//! Commands on their way to several servers that are one database.
//!
//! A call is cut into pieces that must stay together, each is sent to the
//! server that has its keys, and those that come back because they went to the
//! wrong one are sent again: what a server sends away it has not executed.

use std::{fmt, pin::Pin, sync::Arc, task::Poll, time::Duration};

use smallvec::{SmallVec, smallvec};
use tuckbox_resp::{Command, Reply};

use super::{
    batch::{Batch, Piece},
    server::Server,
    state::Replies,
};
use crate::{Error, terms::Terms};

/// Several servers that are one database.
pub(super) trait Topology: Sync {
    /// The URL without credentials.
    fn address(&self) -> &(dyn fmt::Display + Sync);

    /// The slot that the keys of `commands` share.
    ///
    /// # Errors
    /// [`Error::CrossSlot`] when they share none.
    fn slot(&self, commands: &[Command]) -> Result<Option<u16>, Error>;

    /// Which server has what.
    ///
    /// # Errors
    /// When it is not known and nobody tells it in time.
    fn chart(&self, terms: Terms) -> impl Future<Output = Result<Arc<Chart>, Error>> + Send;

    /// Where `reply`, which came from `from`, sends us; `None` when it is an
    /// answer. What it says of the chart is learned.
    fn detour(&self, reply: &Reply, from: &Arc<Server>) -> Option<Detour>;

    /// `server` could not be reached or knows no answer: the chart may be old.
    fn doubt(&self, server: &Arc<Server>);

    /// Looks for a new chart when the old one is in doubt.
    fn relearn(&self, terms: Terms) -> impl Future<Output = ()> + Send;
}

/// Which server has what.
#[derive(Clone)]
pub(super) struct Chart {
    /// At least one.
    pub(super) servers: Vec<Arc<Server>>,
    /// For each slot the number of its server; empty when there is but one.
    pub(super) owners: Vec<u16>,
}

impl Chart {
    pub(super) fn of_one(server: Server) -> Self {
        Self { servers: vec![Arc::new(server)], owners: Vec::new() }
    }

    pub(super) fn is_owner(&self, slot: u16, number: u16) -> bool {
        self.owners.get(usize::from(slot)) == Some(&number)
    }

    pub(super) fn set_owner(&mut self, slot: u16, number: u16) {
        if let Some(owner) = self.owners.get_mut(usize::from(slot)) {
            *owner = number;
        }
    }

    /// The server of a slot. What has no slot, or one that nobody has, goes to
    /// the first: always the same, or `SCAN` would lose its place.
    fn server(&self, slot: Option<u16>) -> Option<&Arc<Server>> {
        slot.and_then(|slot| self.owners.get(usize::from(slot)))
            .and_then(|owner| self.servers.get(usize::from(*owner)))
            .or_else(|| self.servers.first())
    }
}

/// What a reply that is no answer says.
pub(super) enum Detour {
    /// The slot has another server, which the chart shows now.
    Moved(u16),
    /// This once to that server, behind an `ASKING`.
    Ask(Arc<Server>),
    /// In a moment.
    Later,
}

/// A piece on its way.
pub(super) struct Parcel<'a> {
    /// Its place among the others.
    place: usize,
    piece: Piece<'a>,
    slot: Option<u16>,
    /// Where to send it, past the chart.
    ask: Option<Arc<Server>>,
}

type Parcels<'a> = SmallVec<[Parcel<'a>; 1]>;

/// Parcels for the same server.
struct Load<'a> {
    server: Arc<Server>,
    parcels: Parcels<'a>,
    batch: Batch<'a>,
}

/// What became of a call so far.
struct Journey<'a> {
    /// By place; the last word of those that are still under way.
    replies: SmallVec<[Replies; 1]>,
    pending: Parcels<'a>,
    /// Why the last that could not be sent was not.
    unsent: Option<Error>,
    /// Why the call fails.
    failure: Option<Error>,
    /// Something may have been applied.
    applied: bool,
}

/// Sends `piece` and waits for its replies, within the deadline.
pub(super) async fn exchange(
    topology: &impl Topology,
    piece: Piece<'_>,
    terms: Terms,
) -> Result<Replies, Error> {
    let pending = cut(topology, piece)?;
    let replies = pending.iter().map(|_| Replies::new()).collect();
    let mut journey = Journey { replies, pending, unsent: None, failure: None, applied: false };
    for round in 0.. {
        match topology.chart(terms).await {
            Ok(chart) => journey.round(topology, &chart, terms).await,
            Err(error) => journey.failure = Some(error),
        }
        if journey.pending.is_empty() || journey.failure.is_some() {
            break;
        }
        let delay = delay(round);
        if terms.left() <= delay {
            break;
        }
        topology.relearn(terms).await;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
    journey.end(topology)
}

/// The parts of `piece` that need not stay together.
fn cut<'a>(topology: &impl Topology, piece: Piece<'a>) -> Result<Parcels<'a>, Error> {
    let parts = piece.parts().enumerate();
    let parcel = |(place, piece): (usize, Piece<'a>)| {
        let slot = topology.slot(piece.commands)?;
        Ok(Parcel { place, piece, slot, ask: None })
    };
    parts.map(parcel).collect()
}

/// How long to wait after round `round`: the first detours are the ordinary
/// ones and cost nothing, more of them mean that something is changing.
fn delay(round: u32) -> Duration {
    match round {
        0 | 1 => Duration::ZERO,
        _ => Duration::from_millis((5 << round.min(6)).min(250)),
    }
}

impl<'a> Journey<'a> {
    /// Sends what is pending, each to its server, all at once.
    async fn round(&mut self, topology: &impl Topology, chart: &Chart, terms: Terms) {
        self.unsent = None;
        let mut loads = self.load(chart);
        if loads.len() == 1
            && let Some(load) = loads.pop()
        {
            let outcome = load.server.exchange(&load.batch, terms).await;
            self.settle(topology, load, outcome, terms);
            return;
        }
        let exchanges = loads.iter().map(|load| load.server.exchange(&load.batch, terms));
        let outcomes = join(exchanges.collect()).await;
        for (load, outcome) in loads.into_iter().zip(outcomes) {
            self.settle(topology, load, outcome, terms);
        }
        self.pending.sort_unstable_by_key(|parcel| parcel.place);
    }

    /// Draws the consequences of what became of `load`.
    fn settle(
        &mut self,
        topology: &impl Topology,
        load: Load<'a>,
        outcome: Result<Replies, Error>,
        terms: Terms,
    ) {
        match outcome {
            Ok(replies) => self.unload(topology, load, replies),
            Err(error @ Error::Unavailable { .. })
                if terms.idempotent || !error.maybe_applied() =>
            {
                self.applied |= error.maybe_applied();
                self.unsent = Some(error);
                topology.doubt(&load.server);
                self.pending.extend(load.parcels);
            }
            Err(error) => {
                self.applied |= error.maybe_applied();
                if !matches!(error, Error::Busy { .. }) {
                    topology.doubt(&load.server);
                }
                self.failure = Some(error);
            }
        }
    }

    /// The pending parcels by server.
    fn load(&mut self, chart: &Chart) -> SmallVec<[Load<'a>; 1]> {
        let mut loads: SmallVec<[Load<'a>; 1]> = SmallVec::new();
        for mut parcel in std::mem::take(&mut self.pending) {
            let asked = parcel.ask.take();
            let asking = asked.is_some();
            let Some(server) = asked.as_ref().or_else(|| chart.server(parcel.slot)) else {
                continue;
            };
            let same = |load: &&mut Load<'_>| {
                Arc::ptr_eq(&load.server, server) && load.batch.asking == asking
            };
            if let Some(load) = loads.iter_mut().find(same) {
                load.batch.pieces.push(parcel.piece);
                load.parcels.push(parcel);
                continue;
            }
            let mut batch = Batch::of(parcel.piece);
            batch.asking = asking;
            let server = Arc::clone(server);
            loads.push(Load { server, parcels: smallvec![parcel], batch });
        }
        loads
    }

    /// Keeps the answers among `replies`, and the parcels that must go on.
    fn unload(&mut self, topology: &impl Topology, load: Load<'a>, replies: Replies) {
        let behind = self.pending.len();
        for (mut parcel, replies) in load.parcels.into_iter().zip(load.batch.sort(replies)) {
            let detour = detour(topology, &parcel.piece, &replies, &load.server);
            if let Some(place) = self.replies.get_mut(parcel.place) {
                *place = replies;
            }
            match detour {
                // A read must not overtake the write before it.
                None if self.pending.iter().skip(behind).any(|other| other.slot == parcel.slot)
                    && parcel.piece.is_read_only() => {}
                None => {
                    self.applied |= !parcel.piece.is_read_only();
                    continue;
                }
                Some(Detour::Moved(slot)) => parcel.slot = Some(slot),
                Some(Detour::Ask(server)) => parcel.ask = Some(server),
                Some(Detour::Later) => topology.doubt(&load.server),
            }
            self.pending.push(parcel);
        }
    }

    fn end(self, topology: &impl Topology) -> Result<Replies, Error> {
        match self.failure.or(self.unsent) {
            Some(error) if self.applied => Err(error.with_applied(topology.address())),
            Some(error) => Err(error),
            None => Ok(self.replies.into_iter().flatten().collect()),
        }
    }
}

/// Where the replies to one piece send it.
fn detour(
    topology: &impl Topology,
    piece: &Piece<'_>,
    replies: &Replies,
    from: &Arc<Server>,
) -> Option<Detour> {
    // Of a transaction the last reply tells whether it was executed, and an
    // earlier one why not.
    if !matches!(replies.last(), Some(Reply::Error(_))) || piece.commands.is_empty() {
        return None;
    }
    replies.iter().find_map(|reply| topology.detour(reply, from))
}

/// The results of all `futures`, which run side by side.
async fn join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut all = true;
        for (future, result) in &mut running {
            if result.is_none() {
                match Pin::new(future).poll(cx) {
                    Poll::Ready(output) => *result = Some(output),
                    Poll::Pending => all = false,
                }
            }
        }
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, result)| result).collect()
}
