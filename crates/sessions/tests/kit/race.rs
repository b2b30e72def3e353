//! A slow request, and others that come and go while it waits.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use crate::{
    client::{Answer, Browser},
    program::Program,
};

/// How long the slow routes wait after they have read the session.
const SLOW: Duration = Duration::from_millis(600);

/// On a machine with so much else to do the order cannot be had.
const TRIES: usize = 50;

/// Sends `slow` with the browser's cookie and runs `others` after the slow
/// request has read the session and before it goes on. The order is certain: a
/// run in which `others` took so long that it may have been another is
/// forgotten, and the race is run again on what `prepare` makes.
pub(crate) fn race<T>(
    program: &Program,
    slow: &str,
    prepare: impl Fn() -> (Browser, T),
    others: impl Fn(&mut T),
) -> (Answer, Browser, T) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    for _ in 0..TRIES {
        let (browser, mut rest) = prepare();
        let id = format!("slow-request-{}-end", NUMBER.fetch_add(1, Relaxed));
        let mut tab = browser.clone();
        let (answer, in_time) = thread::scope(|scope| {
            let begin = Instant::now();
            let header = format!("x-request-id: {id}\r\n");
            let slow = scope.spawn(move || tab.get_with(slow, &header));
            program.logged(&[&id, "nothing is written for a while"]);
            others(&mut rest);
            let in_time = begin.elapsed() < SLOW;
            (slow.join().unwrap(), in_time)
        });
        if in_time {
            return (answer, browser, rest);
        }
    }
    panic!("{TRIES} times the fast requests took longer than the slow one waits");
}
