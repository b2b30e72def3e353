//! The words of commands: keys, values and numbers that are likely to find
//! something out.

use crate::random::Random;

/// The keys: few, so that types collide.
const KEYS: [&[u8]; 9] = [
    b"a",
    b"b",
    b"c",
    b"d",
    b"h1",
    b"h2",
    b"",
    b"k\x00\xff\r\n",
    b"{tag}long-key-name-of-some-length-that-is-more-than-sixty-four-bytes-long",
];

const FIELDS: [&[u8]; 10] = [
    b"f",
    b"g",
    b"h",
    b"i",
    b"1",
    b"007",
    b"",
    b"f\x00\xfe",
    b"Field",
    b"a-field-whose-name-is-longer-than-the-sixty-four-bytes-of-a-listpack-item",
];

/// Numbers at the edges, and what is nearly one.
const NUMBERS: [&[u8]; 44] = [
    b"0",
    b"1",
    b"-1",
    b"2",
    b"10",
    b"-10",
    b"007",
    b"+5",
    b" 5",
    b"5 ",
    b"-0",
    b"00",
    b"--1",
    b"1.5",
    b"-1.5",
    b".5",
    b"5.",
    b"1e3",
    b"1E-3",
    b"-0.0",
    b"0x10",
    b"0x1p3",
    b"inf",
    b"-inf",
    b"+inf",
    b"infinity",
    b"nan",
    b"1e400",
    b"1e-400",
    b"1e17",
    b"3.0e3",
    b"0.1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"2147483648",
    b"-2147483649",
    b"123456789012345678901234567890",
    b"1.00000000000000000001",
    b"17976931348623157e292",
    b"1_000",
    b"1\x00",
];

/// The first second of 2100: far from now on all sides.
const FAR: i64 = 4_102_444_800;

/// Collects the words of one command after another.
pub(super) struct Words {
    pub(super) random: Random,
    words: Vec<Vec<u8>>,
}

impl Words {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), words: Vec::new() }
    }

    /// What was collected; the next command begins.
    pub(super) fn take(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.words)
    }

    pub(super) fn push(&mut self, word: impl Into<Vec<u8>>) {
        self.words.push(word.into());
    }

    /// A name or an option, seldom in capitals throughout.
    pub(super) fn word(&mut self, word: &str) {
        let text = match self.random.below(8) {
            0 => word.to_ascii_lowercase(),
            1 => {
                let mut upper = true;
                let mut turn = |c: char| {
                    upper = !upper;
                    if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
                };
                word.chars().map(&mut turn).collect()
            }
            _ => word.to_owned(),
        };
        self.push(text);
    }

    /// One of these options.
    pub(super) fn option(&mut self, words: &[&str]) {
        let word = *self.random.pick(words);
        self.word(word);
    }

    /// Adds what one of these adds.
    pub(super) fn either(&mut self, choices: &[fn(&mut Self)]) {
        let choice = *self.random.pick(choices);
        choice(self);
    }

    /// Once in `n` times, adds what `add` adds.
    pub(super) fn maybe(&mut self, n: usize, add: fn(&mut Self)) {
        if self.random.one_in(n) {
            add(self);
        }
    }

    /// Adds what `add` adds, once up to `most` times.
    pub(super) fn times(&mut self, most: usize, add: fn(&mut Self)) {
        for _ in 0..=self.random.below(most) {
            add(self);
        }
    }

    pub(super) fn key(&mut self) {
        let key = *self.random.pick(&KEYS);
        self.push(key);
    }

    /// The first keys are mostly strings, the ones called `h` mostly hashes.
    pub(super) fn string_key(&mut self) {
        let keys = if self.random.one_in(6) { &KEYS[..] } else { &KEYS[..4] };
        let key = *self.random.pick(keys);
        self.push(key);
    }

    pub(super) fn hash_key(&mut self) {
        let keys = if self.random.one_in(6) { &KEYS[..] } else { &KEYS[4..] };
        let key = *self.random.pick(keys);
        self.push(key);
    }

    pub(super) fn field(&mut self) {
        if self.random.one_in(12) {
            let n = self.random.below(300);
            return self.push(format!("n{n}"));
        }
        let field = *self.random.pick(&FIELDS);
        self.push(field);
    }

    pub(super) fn value(&mut self) {
        match self.random.below(16) {
            0..5 => self.number(),
            5 => {
                let n = self.random.next() as i64 >> self.random.below(64);
                self.push(n.to_string());
            }
            6 => {
                // Around the sizes where encodings change.
                let edge = *self.random.pick(&[20, 44, 63, 64, 128]);
                let len = self.random.between(edge - 1, edge + 1) as usize;
                self.push(vec![b'e'; len]);
            }
            7 => {
                let len = self.random.below(40);
                let bytes: Vec<u8> = (0..len).map(|_| self.random.next() as u8).collect();
                self.push(bytes);
            }
            8 if self.random.one_in(3) => {
                let len = self.random.below(3000);
                let bytes: Vec<u8> = (0..len).map(|_| b'a' + self.random.below(3) as u8).collect();
                self.push(bytes);
            }
            9 => self.push(*b"\x00\xff\r\n$-1\r\n"),
            10 => self.push(""),
            11 => self.push("abcabdabe"),
            12 => self.push("xabcyabdz"),
            _ => self.push(*b"hello"),
        }
    }

    /// A number, or what is nearly one.
    pub(super) fn number(&mut self) {
        match self.random.below(3) {
            0 => {
                let number = *self.random.pick(&NUMBERS);
                self.push(number);
            }
            1 => {
                let number = self.random.between(-1000, 1000);
                self.push(number.to_string());
            }
            _ => {
                let whole = self.random.between(-100_000, 100_000);
                let places = self.random.below(18);
                let fraction = self.random.next() % 10_u64.pow(places as u32);
                self.push(format!("{whole}.{fraction:0places$}"));
            }
        }
    }

    /// Mostly an integer, mostly a small one.
    pub(super) fn integer(&mut self) {
        if self.random.one_in(4) {
            return self.number();
        }
        let number = self.random.between(-12, 40);
        self.push(number.to_string());
    }

    pub(super) fn pattern(&mut self) {
        let patterns: [&[u8]; 14] = [
            b"*", b"a", b"?", b"h*", b"h?", b"[a-c]", b"[^a]", b"[c-a]", b"\\a", b"", b"*\xff*",
            b"[", b"**a**", b"k\x00*",
        ];
        let pattern = *self.random.pick(&patterns);
        self.push(pattern);
    }

    /// Seconds from now: many, none, or no time at all.
    pub(super) fn seconds(&mut self) {
        self.time(1, 0);
    }

    pub(super) fn milliseconds(&mut self) {
        self.time(1000, 0);
    }

    /// Seconds since the Unix epoch: far, past, or no time at all.
    pub(super) fn at_seconds(&mut self) {
        self.time(1, FAR);
    }

    pub(super) fn at_milliseconds(&mut self) {
        self.time(1000, FAR);
    }

    fn time(&mut self, unit: i64, base: i64) {
        match self.random.below(10) {
            0 => self.number(),
            1 => {
                // Where a time no longer fits its type.
                let most = i64::MAX / if self.random.one_in(2) { 1000 } else { 1 };
                let by = self.random.between(-1, 1);
                self.push(most.saturating_add(by).to_string());
            }
            2 => {
                let past = self.random.between(-2, 0);
                self.push(past.to_string());
            }
            _ => {
                let seconds = self.random.between(1000, 1_000_000);
                self.push(((base + seconds) * unit).to_string());
            }
        }
    }

    /// A logical database: mostly one of the first two.
    pub(super) fn db(&mut self) {
        if self.random.one_in(8) {
            let weird = ["15", "16", "-1", "abc", "00", "1.0", "99999999999", "4294967296", ""];
            let db = *self.random.pick(&weird);
            return self.push(db);
        }
        let db = self.random.below(2);
        self.push(db.to_string());
    }
}
