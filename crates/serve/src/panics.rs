//! Panics of handlers: caught, and told with their place.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::Once,
};

/// What is known of a panic.
#[derive(Debug)]
pub(crate) struct Panic {
    pub(crate) message: String,
    pub(crate) location: String,
    /// Only if the program is run with `RUST_BACKTRACE`.
    pub(crate) backtrace: Option<String>,
}

impl Panic {
    /// Logs it, as an error of what is said to have panicked.
    pub(crate) fn report(self, what: &'static str) {
        let Self { message: panic, location, backtrace } = self;
        tracing::error!(panic, location, backtrace, "{what}");
    }
}

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// Lets panics that [`catch`] catches be told by who catches them, as events. Others go to the hook
/// that was set before.
///
/// The place of a panic is known to the panic hook alone, which belongs to the whole process.
pub(crate) fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if CATCHING.get() {
                LAST.set(Some(describe(info)));
            }
            // Where nobody takes events, as in many tests, the panic must not go unheard.
            if !CATCHING.get() || !tracing::dispatcher::has_been_set() {
                previous(info);
            }
        }));
    });
}

/// Runs `work`; a panic in it becomes an error.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    let outer = CATCHING.replace(true);
    // What `work` leaves half done is dropped by the caller and never looked at again.
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(outer);
    result.map_err(|payload| {
        LAST.take().unwrap_or_else(|| Panic {
            message: message(&*payload),
            location: "unknown".to_owned(),
            backtrace: None,
        })
    })
}

fn describe(info: &PanicHookInfo<'_>) -> Panic {
    let backtrace = Backtrace::capture();
    Panic {
        message: message(info.payload()),
        location: info.location().map_or_else(|| "unknown".to_owned(), ToString::to_string),
        backtrace: (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string()),
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a value that is no text".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_its_message_and_place() {
        install_hook();
        let panic = catch(|| panic!("no {}", "way")).unwrap_err();
        assert_eq!(panic.message, "no way");
        assert!(panic.location.contains("panics.rs:"), "{}", panic.location);
        assert_eq!(catch(|| 7).unwrap(), 7);
    }
}
