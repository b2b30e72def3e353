//! [`Program`]: requests and their steps, in one order.

use std::fmt;

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

/// How many requests can be under way at the same time.
pub(crate) const REQUESTS: usize = 4;

pub(crate) const KEYS: [&str; 2] = ["a", "b"];

#[derive(Clone)]
pub(crate) struct Program {
    /// Ids are renewed every ten minutes.
    pub(crate) renews: bool,
    pub(crate) moves: Vec<Move>,
}

/// One step of one request; the first of a request begins it.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    pub(crate) request: usize,
    pub(crate) step: Step,
}

/// What a request does. An error ends it: nothing is left but to finish.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Does nothing but to begin with another cookie than the browser's.
    Begin(Origin),
    Get(&'static str),
    Values,
    User,
    Insert(&'static str, Value),
    Remove(&'static str),
    Increment(&'static str),
    Append(&'static str, Value),
    InsertIfAbsent(&'static str, Value),
    CompareAndSet(&'static str, Option<Value>, Value),
    Take(&'static str),
    Save,
    Login(&'static str),
    Logout,
    Renew,
    RevokeOthers,
    /// Sends the response.
    Finish,
    /// Not a request's: an administrator ends all sessions of a user.
    RevokeAll(&'static str),
    /// Not a request's: seconds pass.
    Wait(u64),
}

/// Which cookie a request comes with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Origin {
    Nothing,
    /// The one that a response has set so many cookies ago, as a copy of it or
    /// a tab that slept.
    Old(usize),
    /// An id that the layer never made.
    Planted,
}

pub(crate) fn programs() -> impl Strategy<Value = Program> {
    // Few requests most of the time, each with some steps at a stretch, or
    // hardly anything would happen to one session.
    let request = prop_oneof![4 => Just(0), 4 => Just(1), 2 => Just(2), 1 => Just(REQUESTS - 1)];
    let stretch = (request, vec(step(), 1..5)).prop_map(|(request, steps)| {
        steps.into_iter().map(move |step| Move { request, step }).collect::<Vec<_>>()
    });
    let moves = vec(stretch, 1..9).prop_map(|stretches| stretches.concat());
    (any::<bool>(), moves).prop_map(|(renews, moves)| Program { renews, moves })
}

fn step() -> impl Strategy<Value = Step> {
    let key = || proptest::sample::select(&KEYS[..]);
    let user = || prop_oneof![3 => Just("ada"), 2 => Just("bob")];
    let value = || prop_oneof![2 => Just(json!(1)), 1 => Just(json!(2)), 1 => Just(json!([7]))];
    let origin = prop_oneof![
        Just(Origin::Nothing),
        (0..6_usize).prop_map(Origin::Old),
        Just(Origin::Planted)
    ];
    // Past the grace, the slide, a renewal, and the idle time.
    let wait = proptest::sample::select(vec![1, 1, 11, 11, 400, 660, 3700]);
    prop_oneof![
        3 => origin.prop_map(Step::Begin),
        4 => key().prop_map(Step::Get),
        1 => Just(Step::Values),
        3 => Just(Step::User),
        6 => (key(), value()).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => key().prop_map(Step::Remove),
        6 => key().prop_map(Step::Increment),
        2 => (key(), value()).prop_map(|(key, value)| Step::Append(key, value)),
        1 => (key(), value()).prop_map(|(key, value)| Step::InsertIfAbsent(key, value)),
        1 => (key(), proptest::option::of(value()), value())
            .prop_map(|(key, old, new)| Step::CompareAndSet(key, old, new)),
        2 => key().prop_map(Step::Take),
        5 => Just(Step::Save),
        7 => user().prop_map(Step::Login),
        4 => Just(Step::Logout),
        3 => Just(Step::Renew),
        1 => Just(Step::RevokeOthers),
        9 => Just(Step::Finish),
        1 => user().prop_map(Step::RevokeAll),
        2 => wait.prop_map(Step::Wait),
    ]
}

/// One line for each step, in a column for each request.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "ids are renewed {}",
            if self.renews { "every 10 minutes" } else { "at logins" }
        )?;
        for (number, Move { request, step }) in self.moves.iter().enumerate() {
            match step {
                Step::Wait(seconds) => writeln!(f, "{number:>3} --- {seconds} seconds pass ---")?,
                Step::RevokeAll(user) => writeln!(f, "{number:>3} --- all of {user} end ---")?,
                step => writeln!(
                    f,
                    "{number:>3} {:indent$}{request}: {step:?}",
                    "",
                    indent = request * 18
                )?,
            }
        }
        Ok(())
    }
}

impl Program {
    /// Programs worth to be run each time.
    pub(crate) fn known() -> Vec<Self> {
        use Step::*;
        let program = |moves: &[(usize, Step)]| Self {
            renews: false,
            moves: moves
                .iter()
                .map(|(request, step)| Move { request: *request, step: step.clone() })
                .collect(),
        };
        vec![
            // A write in flight does not undo a logout.
            program(&[
                (0, Login("ada")),
                (0, Finish),
                (1, Get("a")),
                (2, Logout),
                (2, Finish),
                (1, Insert("a", json!(1))),
                (1, Finish),
            ]),
            // Nor a login; and all increments count that are not refused.
            program(&[
                (0, Increment("a")),
                (0, Finish),
                (1, Increment("a")),
                (2, Login("ada")),
                (3, Increment("a")),
                (2, Finish),
                (1, Increment("a")),
                (3, Finish),
            ]),
            // Another user's values are not this user's, read before or not.
            program(&[
                (0, Login("ada")),
                (0, Insert("a", json!(1))),
                (0, Finish),
                (1, Get("a")),
                (1, Login("bob")),
                (1, Get("a")),
                (1, Finish),
                (2, Values),
            ]),
            program(&[
                (0, Login("ada")),
                (0, Finish),
                (1, Increment("a")),
                (1, Login("bob")),
                (1, Save),
                (1, Get("a")),
                (1, Finish),
                (2, Values),
            ]),
            program(&[
                (0, Login("ada")),
                (0, Save),
                (0, Increment("a")),
                (0, Login("bob")),
                (0, Save),
                (0, Get("a")),
                (0, Insert("a", json!(1))),
            ]),
            // Nor is what was seen before either of them logged in.
            program(&[
                (0, Insert("a", json!(2))),
                (0, Finish),
                (1, Login("ada")),
                (1, Get("a")),
                (1, Increment("b")),
                (1, Login("bob")),
                (1, Get("a")),
                (1, Insert("a", json!(2))),
                (1, Finish),
                (2, Values),
            ]),
            program(&[
                (0, Insert("a", json!(2))),
                (0, Finish),
                (1, Login("ada")),
                (1, Get("a")),
                (1, Increment("a")),
                (1, Login("bob")),
                (1, Save),
                (1, Insert("a", json!(2))),
            ]),
            // What a session held that has ended does not go over into the next.
            program(&[
                (0, Login("ada")),
                (0, Finish),
                (1, Insert("a", json!(1))),
                (1, Save),
                (1, Increment("b")),
                (2, Logout),
                (2, Finish),
                (1, Login("ada")),
                (1, Save),
                (1, Values),
            ]),
            // A session that a request began is ended by its logout, whatever
            // became of the cookie that it came with.
            program(&[
                (0, Begin(Origin::Planted)),
                (0, User),
                (0, Login("ada")),
                (0, Save),
                (0, Logout),
                (0, Finish),
            ]),
            // And it can be renewed.
            program(&[
                (0, Begin(Origin::Planted)),
                (0, User),
                (0, Login("ada")),
                (0, Save),
                (0, Renew),
                (0, Finish),
            ]),
        ]
    }
}
