//! [`Record`]: a session as the store has it.

use std::sync::Arc;

use bytes::Bytes;
use tuckbox::Reply;

use super::{PARKED_PREFIX, Times, VALUE_PREFIX, number};
use crate::id::TOKEN_LENGTH;

/// What the store has under an id that a request presented.
#[derive(Debug)]
pub(crate) enum Found {
    /// No session: the request is a stranger's.
    Nothing,
    /// A session that ended, or got another id, while the request was under way
    /// or a moment before: nothing may begin in its place.
    Gone,
    /// The id was renewed long ago: somebody has a copy of it. `true` when it is
    /// the one before the present, and was renewed by schedule, not by a login.
    Reused { by_schedule: bool },
    /// A session.
    Live(Record),
    /// A session whose id was renewed a moment ago: to be read only.
    Grace(Record),
    /// The store cannot be read, and the route goes on without.
    Degraded,
}

/// A live session as it was when it was read.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) user: Option<Arc<str>>,
    /// When the user logged in.
    pub(crate) authenticated: Option<u64>,
    /// When the id was made that it has now.
    pub(crate) renewed: u64,
    /// The time of the last touch was written by this reading.
    pub(crate) slid: bool,
    /// The values by session key, as the store has them.
    values: Vec<(Bytes, Bytes)>,
    parked: Vec<(Bytes, Bytes)>,
    /// The whole text of a session in the form of Express.
    text: Bytes,
}

impl Record {
    /// A session in the form of Express.
    pub(super) fn express(
        user: Option<Arc<str>>,
        slid: bool,
        values: Vec<(Bytes, Bytes)>,
        text: Bytes,
    ) -> Self {
        let (authenticated, renewed, parked) = (None, 0, Vec::new());
        Self { user, authenticated, renewed, slid, values, parked, text }
    }

    /// The whole text of a session in the form of Express; empty otherwise.
    pub(crate) fn text(&self) -> &Bytes {
        &self.text
    }

    pub(crate) fn value(&self, key: &str) -> Option<&Bytes> {
        find(&self.values, key)
    }

    /// A value that could not be decoded when it was last read.
    pub(crate) fn parked(&self, key: &str) -> Option<&Bytes> {
        find(&self.parked, key)
    }

    /// The session's keys and values.
    pub(crate) fn values(&self) -> &[(Bytes, Bytes)] {
        &self.values
    }
}

fn find<'a>(values: &'a [(Bytes, Bytes)], key: &str) -> Option<&'a Bytes> {
    values.iter().find(|(name, _)| name == key.as_bytes()).map(|(_, value)| value)
}

impl Found {
    /// What a hash's fields are for whoever has `token`, at `now`, in a request
    /// that began at `started`.
    pub(super) fn of(
        fields: Vec<(Reply, Reply)>,
        token: &[u8; TOKEN_LENGTH],
        times: &Times,
        now: u64,
        started: u64,
    ) -> Self {
        match Fields::read(fields) {
            Some(fields) => fields.judge(token, times, now, started),
            None => Self::Nothing,
        }
    }
}

/// The fields of a hash that may be a session.
#[derive(Default)]
struct Fields {
    token: Option<Bytes>,
    created: Option<u64>,
    seen: Option<u64>,
    user: Option<Arc<str>>,
    auth: Option<u64>,
    prev: Option<Bytes>,
    renewed: Option<u64>,
    reads: bool,
    ended: Option<u64>,
    values: Vec<(Bytes, Bytes)>,
    parked: Vec<(Bytes, Bytes)>,
}

impl Fields {
    /// `None` when one of the layer's own fields is broken.
    fn read(pairs: Vec<(Reply, Reply)>) -> Option<Self> {
        let mut fields = Self { values: Vec::with_capacity(pairs.len()), ..Self::default() };
        for (field, value) in pairs {
            let mut field = field.into_bytes().ok()??;
            let value = value.into_bytes().ok()??;
            if field.starts_with(VALUE_PREFIX) {
                fields.values.push((field.split_off(VALUE_PREFIX.len()), value));
                continue;
            }
            match &*field {
                b"token" => fields.token = Some(value),
                b"created" => fields.created = Some(number(&value)?),
                b"seen" => fields.seen = Some(number(&value)?),
                b"user" => fields.user = Some(std::str::from_utf8(&value).ok()?.into()),
                b"auth" => fields.auth = Some(number(&value)?),
                b"prev" => fields.prev = Some(value),
                b"renewed" => fields.renewed = Some(number(&value)?),
                b"reads" => fields.reads = &*value == b"1",
                b"ended" => fields.ended = Some(number(&value)?),
                parked if parked.starts_with(PARKED_PREFIX) => {
                    fields.parked.push((field.split_off(PARKED_PREFIX.len()), value));
                }
                // Other fields belong to later versions.
                _ => {}
            }
        }
        Some(fields)
    }

    fn judge(self, token: &[u8], times: &Times, now: u64, started: u64) -> Found {
        let (Some(current), Some(created), Some(seen)) = (&self.token, self.created, self.seen)
        else {
            return match self.ended {
                Some(ended) if ended >= started => Found::Gone,
                _ => Found::Nothing,
            };
        };
        let lives =
            now.saturating_sub(seen) < times.idle && now.saturating_sub(created) < times.absolute;
        if !lives {
            return Found::Nothing;
        }
        if **current == *token {
            return Found::Live(self.into_record(created, now));
        }
        // Whoever has the first part of the id had all of it once.
        let Some(renewed) = self.renewed else { return Found::Nothing };
        let is_last = self.prev.as_deref() == Some(token);
        let in_grace = is_last && now.saturating_sub(renewed) < times.grace;
        if in_grace && self.reads {
            Found::Grace(self.into_record(created, now))
        } else if in_grace || renewed >= started {
            Found::Gone
        } else {
            Found::Reused { by_schedule: is_last && self.reads }
        }
    }

    fn into_record(self, created: u64, now: u64) -> Record {
        Record {
            slid: self.seen == Some(now),
            renewed: self.renewed.unwrap_or(created),
            authenticated: self.auth,
            user: self.user,
            values: self.values,
            parked: self.parked,
            text: Bytes::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        idle: 1000,
        absolute: 10_000,
        slide_after: 100,
        jitter: 0,
        grace: 50,
        renew_every: 0,
    };
    const TOKEN: &[u8; TOKEN_LENGTH] = &[b'a'; TOKEN_LENGTH];

    fn judge(pairs: &[(&str, &str)], now: u64, started: u64) -> Found {
        let token = String::from_utf8(TOKEN.to_vec()).unwrap();
        let bulk = |text: &str| Reply::bulk(if text == "T" { &token } else { text }.as_bytes());
        let fields = pairs.iter().map(|(field, value)| (bulk(field), bulk(value))).collect();
        Found::of(fields, TOKEN, &TIMES, now, started)
    }

    #[test]
    fn a_hash_is_read_with_its_values_and_unknown_fields_are_left_alone() {
        let found = judge(
            &[
                ("token", "T"),
                ("created", "1"),
                ("seen", "2"),
                ("user", "ada"),
                ("d:user", "\"other\""),
                ("d:", "0"),
                ("q:old", "?"),
                ("agent", "x"),
            ],
            10,
            10,
        );
        let Found::Live(record) = found else { panic!("{found:?}") };
        assert_eq!(record.user.as_deref(), Some("ada"));
        assert_eq!(record.value("user").unwrap(), "\"other\"");
        assert_eq!(record.values().len(), 2);
        assert_eq!(record.parked("old").unwrap(), "?");
        assert_eq!(record.value("agent"), None);
    }

    #[test]
    fn a_session_past_its_idle_or_absolute_time_is_nobodys() {
        let at = |seen, now| judge(&[("token", "T"), ("created", "0"), ("seen", seen)], now, now);
        assert!(matches!(at("0", 999), Found::Live(_)));
        assert!(matches!(at("0", 1000), Found::Nothing));
        assert!(matches!(at("9999", 9999), Found::Live(_)));
        assert!(matches!(at("9999", 10_000), Found::Nothing));
    }

    #[test]
    fn a_renewed_id_reads_for_a_while_if_it_was_renewed_by_schedule() {
        let at = |reads, now| {
            let fields = [("token", "x"), ("created", "0"), ("seen", "0"), ("prev", "T")];
            judge(&[&fields[..], &[("renewed", "100"), ("reads", reads)]].concat(), now, now)
        };
        assert!(matches!(at("1", 149), Found::Grace(_)));
        assert!(matches!(at("0", 149), Found::Gone));
        assert!(matches!(at("1", 150), Found::Reused { by_schedule: true }));
        assert!(matches!(at("0", 150), Found::Reused { by_schedule: false }));
    }

    #[test]
    fn a_request_that_began_before_the_renewal_is_no_reuse() {
        let renewed = [("created", "0"), ("seen", "0"), ("renewed", "100"), ("reads", "1")];
        for (prev, by_schedule) in [("T", true), ("older", false)] {
            let fields = [&renewed[..], &[("token", "x"), ("prev", prev)]].concat();
            assert!(matches!(judge(&fields, 150, 100), Found::Gone), "{prev}");
            let found = judge(&fields, 150, 101);
            assert!(matches!(found, Found::Reused { by_schedule: by } if by == by_schedule));
        }
    }

    #[test]
    fn a_mark_tells_requests_in_flight_from_later_ones() {
        assert!(matches!(judge(&[("ended", "100")], 120, 90), Found::Gone));
        assert!(matches!(judge(&[("ended", "100")], 120, 101), Found::Nothing));
    }

    #[test]
    fn a_hash_that_is_not_whole_is_no_session() {
        let whole = [("token", "T"), ("created", "1"), ("seen", "2"), ("user", "ada")];
        for missing in 0..3 {
            let mut fields = whole.to_vec();
            fields.remove(missing);
            assert!(matches!(judge(&fields, 10, 10), Found::Nothing), "{missing}");
        }
        for broken in ["", "-1", "1e3", "99999999999999999999", "x"] {
            for place in [1, 2] {
                let mut fields = whole.to_vec();
                fields[place].1 = broken;
                assert!(matches!(judge(&fields, 10, 10), Found::Nothing), "{broken}");
            }
        }
    }
}
