//! [`Raised`]: errors that scripts can catch.

use std::fmt;

use mlua::{Error, Lua, Value};

/// An error raised by a function of the host, which a script may catch.
#[derive(Clone, Debug)]
pub(super) enum Raised {
    /// What a command answered: a table with the field `err` in Lua.
    Reply(String),
    /// A wrong use of a function: a string in Lua.
    Text(String),
}

impl Raised {
    /// An error as a function of Lua's own library raises it: with the place
    /// of the call before it.
    pub(super) fn here(lua: &Lua, text: impl fmt::Display) -> Error {
        let place = lua.inspect_stack(1, |caller| {
            let line = caller.current_line()?;
            let source = caller.source();
            Some(format!("{}:{line}: ", source.short_src.unwrap_or_default()))
        });
        let place = place.flatten().unwrap_or_default();
        Error::external(Self::Text(format!("{place}{text}")))
    }

    /// An error as Lua itself raises it, without a place.
    pub(super) fn plain(text: &str) -> Error {
        Error::external(Self::Text(text.to_owned()))
    }

    /// A wrong argument of `function`.
    pub(super) fn argument(lua: &Lua, number: usize, function: &str, why: &str) -> Error {
        Self::here(lua, format_args!("bad argument #{number} to '{function}' ({why})"))
    }

    /// The error of a command, code first.
    pub(super) fn reply(text: impl Into<String>) -> Error {
        Error::external(Self::Reply(text.into()))
    }

    /// What `error` is, unless it is none that scripts may catch.
    pub(super) fn of(error: &Error) -> Option<&Self> {
        match error {
            Error::CallbackError { cause, .. } => Self::of(cause),
            Error::ExternalError(_) => error.downcast_ref(),
            _ => None,
        }
    }

    /// The value that a script catches.
    pub(super) fn caught(&self, lua: &Lua) -> mlua::Result<Value> {
        match self {
            Self::Reply(text) => Ok(Value::Table(reply_table(lua, text)?)),
            Self::Text(text) => Ok(Value::String(lua.create_string(text)?)),
        }
    }
}

/// An error reply as Lua knows it.
pub(super) fn reply_table(lua: &Lua, text: &str) -> mlua::Result<mlua::Table> {
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set("err", text)?;
    Ok(table)
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(text) | Self::Text(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Raised {}
