//! [`Asking`]: a question to a source, which outlives the call that put it.

use std::{
    future::poll_fn,
    time::{Duration, Instant},
};

use crate::source::{Answer, Problem};

/// A question that nobody has answered after this long is put anew: what it
/// waits for may have gone away while the process was frozen.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(10);

/// A question, while it has no answer, and when it was put.
///
/// A call moves it on for as long as it waits, and leaves it to the next one
/// when its deadline passes. So a source that is slower than one deadline still
/// answers in the end, and no task is needed for it.
#[derive(Default)]
pub(super) struct Asking(Option<(Instant, Answer)>);

impl Asking {
    /// The answer to the question under way, else to the one that `put` puts.
    pub(super) async fn answer(&mut self, put: impl Fn() -> Answer) -> Result<String, Problem> {
        if self.0.as_ref().is_some_and(|(begun, _)| begun.elapsed() >= GIVEN_UP_AFTER) {
            self.0 = None;
        }
        poll_fn(|cx| {
            // Taken out, so that nobody goes on with one that panicked.
            let (begun, mut answer) = self.0.take().unwrap_or_else(|| (Instant::now(), put()));
            let polled = answer.as_mut().poll(cx);
            if polled.is_pending() {
                self.0 = Some((begun, answer));
            }
            polled
        })
        .await
    }

    pub(super) fn drop_question(&mut self) {
        self.0 = None;
    }
}
