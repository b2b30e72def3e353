//! JSON as Lua values.

use std::ops::Range;

use mlua::{Lua, Table, Value};

use super::Settings;

/// Reads `text` as JSON; what is wrong with it in the library's words.
///
/// # Errors
/// When Lua has no memory.
pub(super) fn decode(
    lua: &Lua,
    settings: &Settings,
    text: &[u8],
) -> mlua::Result<Result<Value, String>> {
    if let [first, second, ..] = text
        && (*first == 0 || *second == 0)
    {
        return Ok(Err("JSON parser does not support UTF-16 or UTF-32".to_owned()));
    }
    let mut decoder = Decoder { lua, settings, text, at: 0 };
    let decoded = decoder.value().and_then(|value| {
        let (token, start) = decoder.token();
        match token {
            Token::End => Ok(value),
            token => Err(expected("the end", &token, start)),
        }
    });
    match decoded {
        Ok(value) => Ok(Ok(value)),
        Err(Wrong::Text(why)) => Ok(Err(why)),
        Err(Wrong::Lua(error)) => Err(error),
    }
}

/// Why a text was not read.
enum Wrong {
    Text(String),
    Lua(mlua::Error),
}

impl From<mlua::Error> for Wrong {
    fn from(error: mlua::Error) -> Self {
        Self::Lua(error)
    }
}

enum Token {
    ObjectBegin,
    ObjectEnd,
    ListBegin,
    ListEnd,
    Text(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    /// An object or list that has been read.
    Whole(Table),
    Wrong(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ListBegin => "T_ARR_BEGIN",
            Self::ListEnd => "T_ARR_END",
            Self::Text(_) => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Whole(_) => "T_UNKNOWN",
            Self::Wrong(what) => what,
        }
    }
}

fn expected(what: &str, found: &Token, at: usize) -> Wrong {
    let found = found.name();
    Wrong::Text(format!("Expected {what} but found {found} at character {}", at + 1))
}

struct Decoder<'a> {
    lua: &'a Lua,
    settings: &'a Settings,
    text: &'a [u8],
    at: usize,
}

/// An object or list whose end was not read yet.
enum Open {
    Object { table: Table, key: Vec<u8> },
    List { table: Table, len: usize },
}

impl Decoder<'_> {
    /// Reads a value with all that is in it. What is open is kept in a list, not
    /// on the stack: texts decide how deep it goes.
    fn value(&mut self) -> Result<Value, Wrong> {
        let mut open: Vec<Open> = Vec::new();
        let (mut token, mut start) = self.token();
        loop {
            if let Some(opened) = self.opened(&token, open.len())? {
                (token, start) = self.token();
                match (opened, &token) {
                    (Open::Object { table, .. }, Token::ObjectEnd)
                    | (Open::List { table, .. }, Token::ListEnd) => {
                        token = Token::Whole(table);
                    }
                    (Open::Object { table, .. }, _) => {
                        open.push(Open::Object { table, key: self.key(token, start)? });
                        (token, start) = self.token();
                        continue;
                    }
                    (list, _) => {
                        open.push(list);
                        continue;
                    }
                }
            }
            let mut value = self.scalar(token, start)?;
            loop {
                let Some(last) = open.pop() else { return Ok(value) };
                match self.add(last, value)? {
                    Ok(whole) => value = Value::Table(whole),
                    Err(still) => {
                        open.push(still);
                        (token, start) = self.token();
                        break;
                    }
                }
            }
        }
    }

    /// What a token opens, if it opens anything.
    fn opened(&self, token: &Token, depth: usize) -> Result<Option<Open>, Wrong> {
        if !matches!(token, Token::ObjectBegin | Token::ListBegin) {
            return Ok(None);
        }
        let (depth, at) = (depth + 1, self.at);
        if depth > self.settings.decode_depth {
            let why = format!("Found too many nested data structures ({depth}) at character {at}");
            return Err(Wrong::Text(why));
        }
        let table = self.lua.create_table()?;
        Ok(Some(match token {
            Token::ObjectBegin => Open::Object { table, key: Vec::new() },
            _ => Open::List { table, len: 0 },
        }))
    }

    fn scalar(&self, token: Token, start: usize) -> Result<Value, Wrong> {
        Ok(match token {
            Token::Text(text) => Value::String(self.lua.create_string(&text)?),
            Token::Number(number) => Value::Number(number),
            Token::Boolean(value) => Value::Boolean(value),
            Token::Null => Value::NULL,
            Token::Whole(table) => Value::Table(table),
            token => return Err(expected("value", &token, start)),
        })
    }

    /// Reads what follows a key up to its value.
    fn key(&mut self, token: Token, start: usize) -> Result<Vec<u8>, Wrong> {
        let Token::Text(key) = token else {
            return Err(expected("object key string", &token, start));
        };
        match self.token() {
            (Token::Colon, _) => Ok(key),
            (token, start) => Err(expected("colon", &token, start)),
        }
    }

    /// Adds a value to what is open, and reads on to the next value (`Err`), or
    /// to the end of what was open (`Ok`).
    fn add(&mut self, open: Open, value: Value) -> Result<Result<Table, Open>, Wrong> {
        match open {
            Open::Object { table, key } => {
                table.raw_set(self.lua.create_string(&key)?, value)?;
                match self.token() {
                    (Token::ObjectEnd, _) => Ok(Ok(table)),
                    (Token::Comma, _) => {
                        let (token, start) = self.token();
                        Ok(Err(Open::Object { table, key: self.key(token, start)? }))
                    }
                    (token, start) => Err(expected("comma or object end", &token, start)),
                }
            }
            Open::List { table, len } => {
                table.raw_seti(len + 1, value)?;
                match self.token() {
                    (Token::ListEnd, _) => Ok(Ok(table)),
                    (Token::Comma, _) => Ok(Err(Open::List { table, len: len + 1 })),
                    (token, start) => Err(expected("comma or array end", &token, start)),
                }
            }
        }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// The next token, and where it begins.
    fn token(&mut self) -> (Token, usize) {
        while matches!(self.peek(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let start = self.at;
        let single = match self.peek(0) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ListBegin,
            b']' => Token::ListEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            0 if start >= self.text.len() => return (Token::End, start),
            b'"' => return self.string(),
            _ => return (self.word(), start),
        };
        self.at += 1;
        (single, start)
    }

    /// A number, or one of the words that stand for a value.
    fn word(&mut self) -> Token {
        let first = self.peek(0);
        if first == b'-' || first.is_ascii_digit() {
            return match self.number() {
                Some(number) => Token::Number(number),
                None => Token::Wrong("invalid number"),
            };
        }
        for (word, token) in [
            (&b"true"[..], Token::Boolean(true)),
            (b"false", Token::Boolean(false)),
            (b"null", Token::Null),
        ] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return token;
            }
        }
        if self.settings.decode_invalid
            && first != b'.'
            && let Some(number) = self.number()
        {
            return Token::Number(number);
        }
        Token::Wrong("invalid token")
    }

    /// Reads a number as C's `strtod` does. Unless told otherwise that takes
    /// more than JSON does: `0x1f`, `.5`, `nan`.
    fn number(&mut self) -> Option<f64> {
        let sign = usize::from(matches!(self.peek(0), b'-' | b'+'));
        let rest = &self.text[self.at + sign..];
        if !self.settings.decode_invalid && is_beyond_json(self.peek(0), rest) {
            return None;
        }
        let (len, number) = magnitude(rest)?;
        let number = if self.peek(0) == b'-' { -number } else { number };
        self.at += sign + len;
        Some(number)
    }

    fn string(&mut self) -> (Token, usize) {
        let start = self.at;
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match self.peek(0) {
                b'"' => {
                    self.at += 1;
                    return (Token::Text(text), start);
                }
                0 if self.at >= self.text.len() => {
                    return (Token::Wrong("unexpected end of string"), self.at);
                }
                b'\\' => {
                    if let Err(wrong) = self.escape(&mut text) {
                        return (Token::Wrong(wrong), self.at);
                    }
                }
                byte => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), &'static str> {
        let byte = match self.peek(1) {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (letter, len) = self.unicode().ok_or("invalid unicode escape code")?;
                text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                self.at += len;
                return Ok(());
            }
            _ => return Err("invalid escape code"),
        };
        text.push(byte);
        self.at += 2;
        Ok(())
    }

    /// The letter of a `\uXXXX`, or of two that belong together, and the
    /// length of it.
    fn unicode(&self) -> Option<(char, usize)> {
        let high = self.hex(2..6)?;
        if high & 0xf800 != 0xd800 {
            return Some((char::from_u32(high)?, 6));
        }
        if high & 0x400 != 0 || self.peek(6) != b'\\' || self.peek(7) != b'u' {
            return None;
        }
        let low = self.hex(8..12)?;
        if low & 0xfc00 != 0xdc00 {
            return None;
        }
        Some((char::from_u32(0x1_0000 + ((high & 0x3ff) << 10) + (low & 0x3ff))?, 12))
    }

    fn hex(&self, mut range: Range<usize>) -> Option<u32> {
        range.try_fold(0, |number, ahead| {
            Some(number << 4 | char::from(self.peek(ahead)).to_digit(16)?)
        })
    }
}

/// Whether a number is one that C reads and JSON does not have.
fn is_beyond_json(first: u8, rest: &[u8]) -> bool {
    let second = rest.get(1).copied().unwrap_or(0);
    match rest.first() {
        Some(b'0') => second.is_ascii_digit() || second.eq_ignore_ascii_case(&b'x'),
        Some(b'1'..=b'9') => first == b'+',
        _ => true,
    }
}

/// The number at the start of `text`, without a sign, and its length.
fn magnitude(text: &[u8]) -> Option<(usize, f64)> {
    let starts = |word: &[u8]| text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word));
    for (word, number) in
        [(&b"infinity"[..], f64::INFINITY), (b"inf", f64::INFINITY), (b"nan", f64::NAN)]
    {
        if starts(word) {
            return Some((word.len(), number));
        }
    }
    let digits = |from: usize| text[from..].iter().take_while(|c| c.is_ascii_digit()).count();
    if starts(b"0x") {
        let hex = text[2..].iter().map_while(|&c| char::from(c).to_digit(16));
        let (len, number) =
            hex.fold((0, 0.0), |(len, number), digit| (len + 1, number * 16.0 + f64::from(digit)));
        return Some(if len > 0 { (2 + len, number) } else { (1, 0.0) });
    }
    let whole = digits(0);
    let mut len = whole;
    if text.get(len) == Some(&b'.') {
        let fraction = digits(len + 1);
        if whole + fraction > 0 {
            len += 1 + fraction;
        }
    }
    if len == 0 {
        return None;
    }
    if text.get(len).is_some_and(|c| c.eq_ignore_ascii_case(&b'e')) {
        let sign = usize::from(matches!(text.get(len + 1), Some(b'-' | b'+')));
        let exponent = text
            .get(len + 1 + sign..)
            .map_or(0, |rest| rest.iter().take_while(|c| c.is_ascii_digit()).count());
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    let number = std::str::from_utf8(&text[..len]).ok()?.parse().ok()?;
    Some((len, number))
}
