//! The server as its clients meet it.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod beside_redis;
mod clients;
mod commands;
mod durability;
mod limits;
mod login;
mod program;
mod protocol;
mod redis_rs;
mod running;
mod scripts;
mod settings;
mod transactions;
mod waiting;
