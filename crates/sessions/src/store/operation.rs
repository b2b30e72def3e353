//! [`Operation`]: what is done to one session key in one step.

use bytes::Bytes;

use crate::MAX_VALUE_BYTES;

/// An atomic operation on one session key, whose result its caller waits for.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// Adds to an integer.
    Increment(i64),
    /// Appends to a list.
    Push(Bytes),
    /// Sets unless there is a value.
    Add(Bytes),
    /// Sets if the value is the first.
    Swap(Option<Bytes>, Bytes),
    /// Removes.
    Take,
}

/// What an operation did.
pub(crate) struct Operated {
    /// Whether it changed the value.
    pub(crate) done: bool,
    /// The JSON of the value: before [`Operation::Take`], after all others.
    pub(crate) value: Option<Bytes>,
}

impl Operation {
    /// Carries the operation out on JSON that is here, as the script does on
    /// what is in the store; `None` when it cannot be done on such a value.
    pub(crate) fn apply(&self, before: Option<Bytes>) -> Option<Operated> {
        let (done, value) = match self {
            Self::Increment(by) => {
                let number = before.as_deref().map_or(Some(0), integer)?;
                (true, Some(number.checked_add(*by)?.to_string().into()))
            }
            Self::Push(element) => (true, Some(pushed(before, element)?)),
            Self::Add(value) => match before {
                Some(before) => (false, Some(before)),
                None => (true, Some(value.clone())),
            },
            Self::Swap(expected, value) => {
                if before == *expected {
                    (true, Some(value.clone()))
                } else {
                    (false, before)
                }
            }
            Self::Take => (before.is_some(), before),
        };
        Some(Operated { done, value })
    }
}

/// The JSON list with one element more, if it is a list and not too long.
fn pushed(before: Option<Bytes>, element: &Bytes) -> Option<Bytes> {
    let before = before.unwrap_or_else(|| Bytes::from_static(b"[]"));
    let inner = before.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let comma: &[u8] = if inner.is_empty() { b"" } else { b"," };
    let list = [b"[", inner, comma, element, b"]"].concat();
    (list.len() <= MAX_VALUE_BYTES).then(|| list.into())
}

/// The integer that `json` is.
pub(crate) fn integer(json: &[u8]) -> Option<i64> {
    std::str::from_utf8(json).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_on_values_that_are_here_do_what_the_store_does() {
        let json = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
        let run = |operation: Operation, before| operation.apply(before).map(|o| (o.done, o.value));
        assert_eq!(run(Operation::Increment(2), None).unwrap(), (true, json("2")));
        assert_eq!(run(Operation::Increment(-2), json("1")).unwrap(), (true, json("-1")));
        assert!(run(Operation::Increment(1), json("\"1\"")).is_none());
        assert!(run(Operation::Increment(1), json("9223372036854775807")).is_none());
        let push = || Operation::Push(Bytes::from_static(b"3"));
        assert_eq!(run(push(), None).unwrap(), (true, json("[3]")));
        assert_eq!(run(push(), json("[1,2]")).unwrap(), (true, json("[1,2,3]")));
        assert!(run(push(), json("{}")).is_none());
        let add = || Operation::Add(Bytes::from_static(b"1"));
        assert_eq!(run(add(), None).unwrap(), (true, json("1")));
        assert_eq!(run(add(), json("2")).unwrap(), (false, json("2")));
        let swap = || Operation::Swap(json("1"), Bytes::from_static(b"2"));
        assert_eq!(run(swap(), json("1")).unwrap(), (true, json("2")));
        assert_eq!(run(swap(), None).unwrap(), (false, None));
        assert_eq!(run(Operation::Take, json("1")).unwrap(), (true, json("1")));
        assert_eq!(run(Operation::Take, None).unwrap(), (false, None));
    }

    #[test]
    fn a_list_does_not_grow_past_the_limit() {
        let long = Bytes::from(vec![b'1'; MAX_VALUE_BYTES]);
        assert!(Operation::Push(long).apply(None).is_none());
    }
}
