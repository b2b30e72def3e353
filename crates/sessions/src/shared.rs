//! [`Shared`]: what all sessions of a layer share.

use std::time::Duration;

use tuckbox::Db;

use crate::{
    Clock, Config, Conflicts, MaxSessions, Reuse, Robots, Trouble, cookies::CookieForm,
    event::Listener, store::Store, values::Values, visitor::AddressOf,
};

/// What all sessions of a layer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) cookie: CookieForm,
    pub(crate) clock: Clock,
    pub(crate) conflicts: Conflicts,
    pub(crate) trouble: Trouble,
    pub(crate) forgets_robots: bool,
    pub(crate) ends_reused: bool,
    pub(crate) max_sessions: MaxSessions,
    pub(crate) sudo: Duration,
    pub(crate) listener: Listener,
    pub(crate) address_of: Option<AddressOf>,
}

impl Shared {
    pub(crate) fn new(db: &Db, config: Config) -> Self {
        let rest = config.rest;
        let values = Values::new(rest.seal);
        let (prefix, clock, express) = (rest.prefix, rest.clock.clone(), config.express);
        Self {
            store: Store::new(db, prefix, config.times, values, rest.deadline, clock, express),
            cookie: config.cookie,
            clock: rest.clock,
            conflicts: rest.conflicts,
            trouble: rest.trouble,
            forgets_robots: rest.robots == Robots::Forget,
            ends_reused: rest.reuse == Reuse::End,
            max_sessions: rest.max_sessions,
            sudo: rest.sudo,
            listener: rest.listener,
            address_of: rest.address_of,
        }
    }
}
