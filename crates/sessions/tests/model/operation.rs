//! [`Operation`]: what the specification says of atomic operations.

use serde_json::{Value, json};

use crate::request::Why;

/// An atomic operation on one value.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Increment,
    Append(Value),
    Add(Value),
    Swap(Option<Value>, Value),
    Take,
}

impl Operation {
    /// Whether it changed the value, and what the value is then; what was
    /// taken, when it is taken.
    pub(crate) fn on(&self, before: Option<Value>) -> Result<(bool, Option<Value>), Why> {
        Ok(match (self, before) {
            (Self::Increment, None) => (true, Some(json!(1))),
            (Self::Increment, Some(n)) => (true, Some(json!(n.as_i64().ok_or(Why::Unfit)? + 1))),
            (Self::Append(element), None) => (true, Some(json!([element]))),
            (Self::Append(element), Some(Value::Array(mut list))) => {
                list.push(element.clone());
                (true, Some(Value::Array(list)))
            }
            (Self::Append(_), Some(_)) => return Err(Why::Unfit),
            (Self::Add(value), None) => (true, Some(value.clone())),
            (Self::Add(_), before) => (false, before),
            (Self::Swap(old, new), before) if *old == before => (true, Some(new.clone())),
            (Self::Swap(..), before) => (false, before),
            (Self::Take, before) => (before.is_some(), before),
        })
    }

    /// What is there afterwards, when [`on`](Self::on) has answered `value`.
    pub(crate) fn leaves(&self, value: &Option<Value>) -> Option<Value> {
        if matches!(self, Self::Take) { None } else { value.clone() }
    }
}
