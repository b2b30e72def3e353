//! Secrets from files, and from an extension that the tests play.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod extension;
mod files;
mod parameters;
