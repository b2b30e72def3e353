//! What a database must hold.

use std::collections::BTreeMap;

use tuckbox_resp::{Command, Reply, cmd};

use crate::link::Link;

/// The logical databases that the tests use.
pub(crate) const DATABASES: [usize; 5] = [0, 5, 6, 7, 15];

/// A logical database and a key.
pub(crate) type Name = (usize, String);

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    Text(Vec<u8>),
    Fields(BTreeMap<String, Vec<u8>>),
}

/// When a key expires, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    Never,
    At(u64),
    /// Set by a relative time whose reply did not come.
    NotBefore(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) data: Data,
    pub(crate) expiry: Expiry,
}

/// The keys that one writer owns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) items: BTreeMap<Name, Item>,
    db: usize,
}

/// The keys found in an engine, and the time at which its clock stood.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) now: u64,
    pub(crate) items: BTreeMap<Name, Item>,
}

fn text(command: &Command, index: usize) -> String {
    String::from_utf8(command[index].to_vec()).unwrap()
}

fn number(command: &Command, index: usize) -> i64 {
    text(command, index).parse().unwrap()
}

impl Model {
    /// Does what `commands` do, sent at `now`; returns the replies that they
    /// must get, `None` where anything may come.
    pub(crate) fn run(&mut self, commands: &[Command], now: u64) -> Vec<Option<Reply>> {
        let mut replies = Vec::new();
        let mut queue: Option<Vec<Option<Reply>>> = None;
        for command in commands {
            match (command.name(), &mut queue) {
                (b"MULTI", queue) => {
                    *queue = Some(Vec::new());
                    replies.push(Some(Reply::OK));
                }
                (b"EXEC", Some(results)) => {
                    let results: Option<Vec<Reply>> = results.drain(..).collect();
                    replies.push(results.map(Reply::Array));
                    queue = None;
                }
                (_, Some(results)) => {
                    results.push(self.apply(command, now));
                    replies.push(Some(Reply::QUEUED));
                }
                (_, None) => replies.push(self.apply(command, now)),
            }
        }
        replies
    }

    fn apply(&mut self, command: &Command, now: u64) -> Option<Reply> {
        let key = command.get(1).map_or_else(String::new, |_| text(command, 1));
        let name = (self.db, key);
        let integer = |n: usize| Some(Reply::Integer(n as i64));
        match command.name() {
            b"SELECT" => {
                self.db = number(command, 1) as usize;
                Some(Reply::OK)
            }
            b"SET" => {
                let expiry = match command.get(3) {
                    None => Expiry::Never,
                    Some(b"PXAT") => Expiry::At(number(command, 4) as u64),
                    Some(_) => Expiry::NotBefore(now + number(command, 4) as u64),
                };
                let data = Data::Text(command[2].to_vec());
                self.items.insert(name, Item { data, expiry });
                Some(Reply::OK)
            }
            b"MSET" => {
                for at in (1..command.len()).step_by(2) {
                    let data = Data::Text(command[at + 1].to_vec());
                    let name = (self.db, text(command, at));
                    self.items.insert(name, Item { data, expiry: Expiry::Never });
                }
                Some(Reply::OK)
            }
            b"GETEX" => {
                let Some(item) = self.items.get_mut(&name) else { return Some(Reply::Null) };
                item.expiry = match &command[2] {
                    b"PERSIST" => Expiry::Never,
                    _ => Expiry::At(number(command, 3) as u64),
                };
                match &item.data {
                    Data::Text(text) => Some(Reply::bulk(text)),
                    Data::Fields(_) => None,
                }
            }
            b"GETDEL" => match self.items.remove(&name).map(|item| item.data) {
                Some(Data::Text(text)) => Some(Reply::bulk(&text)),
                _ => Some(Reply::Null),
            },
            b"INCR" => {
                let text = self.text_at(name);
                let new = if text.is_empty() { 0 } else { parse(text) } + 1;
                *text = new.to_string().into_bytes();
                Some(Reply::Integer(new))
            }
            // There is one script; see the writer.
            b"EVAL" => {
                let counted = self.apply(&cmd!("INCR", &command[3]), now);
                let Some(Reply::Integer(count)) = counted else { return counted };
                self.apply(&cmd!("SET", &command[4], &command[7]), now);
                self.apply(&cmd!("HSET", &command[5], &command[8], count), now);
                self.apply(&cmd!("DEL", &command[6]), now);
                Some(Reply::Integer(count))
            }
            b"APPEND" => {
                let text = self.text_at(name);
                text.extend_from_slice(&command[2]);
                integer(text.len())
            }
            b"SETRANGE" if command[3].is_empty() => match self.items.get(&name) {
                Some(Item { data: Data::Text(text), .. }) => integer(text.len()),
                _ => integer(0),
            },
            b"SETRANGE" => {
                let text = self.text_at(name);
                let (from, new) = (number(command, 2) as usize, &command[3]);
                text.resize(text.len().max(from + new.len()), 0);
                text[from..from + new.len()].copy_from_slice(new);
                integer(text.len())
            }
            b"HSET" => {
                let fields = self.fields_at(name);
                let pairs = (2..command.len()).step_by(2);
                let new = pairs.filter(|&at| {
                    fields.insert(text(command, at), command[at + 1].to_vec()).is_none()
                });
                integer(new.count())
            }
            b"HINCRBY" => {
                let value = self.fields_at(name).entry(text(command, 2)).or_insert(vec![b'0']);
                let new = parse(value) + number(command, 3);
                *value = new.to_string().into_bytes();
                Some(Reply::Integer(new))
            }
            b"HDEL" => {
                let fields = self.fields_at(name.clone());
                let removed =
                    (2..command.len()).filter(|&at| fields.remove(&text(command, at)).is_some());
                let removed = removed.count();
                if fields.is_empty() {
                    self.items.remove(&name);
                }
                integer(removed)
            }
            b"DEL" | b"UNLINK" => {
                let mut removed = 0;
                let mut known = true;
                for at in 1..command.len() {
                    let gone = self.items.remove(&(self.db, text(command, at)));
                    // One that expires soon may have been gone already.
                    known &= gone.as_ref().is_none_or(|item| !item.expires_before(now + 60_000));
                    removed += usize::from(gone.is_some());
                }
                if known { integer(removed) } else { None }
            }
            b"PEXPIREAT" | b"PEXPIRE" | b"PERSIST" => {
                let Some(item) = self.items.get_mut(&name) else { return integer(0) };
                let had = item.expiry != Expiry::Never;
                item.expiry = match command.name() {
                    b"PEXPIREAT" => Expiry::At(number(command, 2) as u64),
                    b"PEXPIRE" => Expiry::NotBefore(now + number(command, 2) as u64),
                    _ => Expiry::Never,
                };
                integer(usize::from(had || command.name() != b"PERSIST"))
            }
            b"PEXPIRETIME" => None,
            b"RENAME" => {
                let Some(item) = self.items.remove(&name) else {
                    return Some(Reply::error("ERR no such key"));
                };
                self.items.insert((self.db, text(command, 2)), item);
                Some(Reply::OK)
            }
            b"COPY" => {
                let db = number(command, 4) as usize;
                let Some(item) = self.items.get(&name).cloned() else { return integer(0) };
                self.items.insert((db, text(command, 2)), item);
                integer(1)
            }
            b"MOVE" => {
                let to = (number(command, 2) as usize, name.1.clone());
                if self.items.contains_key(&to) {
                    return integer(0);
                }
                let Some(item) = self.items.remove(&name) else { return integer(0) };
                self.items.insert(to, item);
                integer(1)
            }
            b"FLUSHDB" => {
                self.items.retain(|(db, _), _| *db != self.db);
                Some(Reply::OK)
            }
            b"SWAPDB" => {
                let (one, two) = (number(command, 1) as usize, number(command, 2) as usize);
                let swapped = |db| match db {
                    db if db == one => two,
                    db if db == two => one,
                    db => db,
                };
                let items = std::mem::take(&mut self.items).into_iter();
                self.items = items.map(|((db, key), item)| ((swapped(db), key), item)).collect();
                Some(Reply::OK)
            }
            name => panic!("the model does not know {}", String::from_utf8_lossy(name)),
        }
    }

    fn text_at(&mut self, name: Name) -> &mut Vec<u8> {
        let new = || Item { data: Data::Text(Vec::new()), expiry: Expiry::Never };
        match &mut self.items.entry(name).or_insert_with(new).data {
            Data::Text(text) => text,
            Data::Fields(_) => panic!("the writer mixes types"),
        }
    }

    fn fields_at(&mut self, name: Name) -> &mut BTreeMap<String, Vec<u8>> {
        let new = || Item { data: Data::Fields(BTreeMap::new()), expiry: Expiry::Never };
        match &mut self.items.entry(name).or_insert_with(new).data {
            Data::Fields(fields) => fields,
            Data::Text(_) => panic!("the writer mixes types"),
        }
    }

    /// Takes note of the expiry time that the engine has told.
    pub(crate) fn learn_expiry(&mut self, key: &str, at: i64) {
        if let Some(item) = self.items.get_mut(&(self.db, key.to_owned()))
            && let Expiry::NotBefore(from) = item.expiry
            && at >= 0
        {
            assert!(at as u64 >= from, "{key} expires at {at}, before {from}");
            item.expiry = Expiry::At(at as u64);
        }
    }

    /// How the keys that were found for this writer differ, if they do.
    pub(crate) fn difference(&self, found: &BTreeMap<Name, &Item>, now: u64) -> Option<String> {
        for (name, item) in &self.items {
            match found.get(name) {
                Some(found) if item.data != found.data => {
                    return Some(format!("{name:?} has another value"));
                }
                Some(found) if !item.expiry.agrees(found.expiry) => {
                    let (expiry, wrong) = (item.expiry, found.expiry);
                    return Some(format!("{name:?} expires {wrong:?}, not {expiry:?}"));
                }
                None if !item.expires_before(now + 1) => {
                    return Some(format!("{name:?} is not there"));
                }
                _ => {}
            }
        }
        let unknown = found.keys().find(|name| !self.items.contains_key(*name))?;
        Some(format!("{unknown:?} should not be there"))
    }

    /// Takes the expiry times that were found for the ones not known, and
    /// forgets what has expired.
    pub(crate) fn settle(&mut self, found: &BTreeMap<Name, &Item>) {
        self.items.retain(|name, item| {
            let there = found.get(name);
            item.expiry = there.map_or(item.expiry, |found| found.expiry);
            there.is_some()
        });
    }
}

fn parse(digits: &[u8]) -> i64 {
    std::str::from_utf8(digits).unwrap().parse().unwrap()
}

impl Item {
    fn expires_before(&self, time: u64) -> bool {
        matches!(self.expiry, Expiry::At(at) | Expiry::NotBefore(at) if at < time)
    }
}

impl Expiry {
    fn agrees(self, found: Self) -> bool {
        match (self, found) {
            (Self::NotBefore(from), Self::At(at)) => at >= from,
            _ => self == found,
        }
    }
}

impl Found {
    /// Reads everything from an engine whose clock is stopped meanwhile.
    ///
    /// `expiring` are the keys that may have expired: they are looked up, so
    /// that the number of keys must be exact.
    pub(crate) fn read(link: &mut Link, expiring: &[Name]) -> Option<Self> {
        let now = link.ask(&[cmd!("TEST.STOPCLOCK")])?.pop()?.into_integer().unwrap() as u64;
        let mut items = BTreeMap::new();
        for db in DATABASES {
            let listed = link.ask(&[cmd!("SELECT", db), cmd!("KEYS", "*")])?.pop()?;
            let listed = listed.into_array().unwrap_or_else(|error| panic!("KEYS: {error:?}"));
            let keys: Vec<String> = listed.into_iter().map(into_text).collect();
            for key in &keys {
                let item = read_item(link, key)?;
                assert!(items.insert((db, key.clone()), item).is_none(), "{key} is listed twice");
            }
            let here = expiring.iter().filter(|(of, _)| *of == db);
            let lookups: Vec<_> = here.map(|(_, key)| cmd!("EXISTS", key)).collect();
            link.ask(&lookups)?;
            let count = link.ask(&[cmd!("DBSIZE")])?.pop()?;
            assert_eq!(count, Reply::Integer(keys.len() as i64), "DBSIZE of {db}");
        }
        link.ask(&[cmd!("TEST.STARTCLOCK"), cmd!("SELECT", 0)])?;
        let expired = |item: &Item| matches!(item.expiry, Expiry::At(at) if at <= now);
        assert!(!items.values().any(expired), "a key is there that has expired");
        Some(Self { now, items })
    }

    /// The keys of one writer.
    pub(crate) fn of(&self, owns: impl Fn(&Name) -> bool) -> BTreeMap<Name, &Item> {
        let owned = self.items.iter().filter(|(name, _)| owns(name));
        owned.map(|(name, item)| (name.clone(), item)).collect()
    }
}

fn into_text(reply: Reply) -> String {
    String::from_utf8(reply.into_bytes().unwrap().unwrap().to_vec()).unwrap()
}

fn read_item(link: &mut Link, key: &str) -> Option<Item> {
    let mut replies = link.ask(&[cmd!("TYPE", key), cmd!("PEXPIRETIME", key)])?;
    let expiry = match replies.pop()?.into_integer().unwrap() {
        -1 => Expiry::Never,
        at => Expiry::At(u64::try_from(at).unwrap_or_else(|_| panic!("{key} is listed and gone"))),
    };
    let data = match replies.pop()? {
        Reply::Simple(kind) if kind == "string" => {
            let value = link.ask(&[cmd!("GET", key)])?.pop()?;
            Data::Text(value.into_bytes().unwrap().unwrap().to_vec())
        }
        Reply::Simple(kind) if kind == "hash" => {
            let pairs = link.ask(&[cmd!("HGETALL", key)])?.pop()?.into_pairs().unwrap();
            let pairs = pairs.into_iter().map(|(field, value)| {
                (into_text(field), value.into_bytes().unwrap().unwrap().to_vec())
            });
            Data::Fields(pairs.collect())
        }
        other => panic!("{key} is of type {other:?}"),
    };
    Some(Item { data, expiry })
}
