//! What both servers share: their settings, and what a page counts under.

use std::{env, error::Error, net::SocketAddr};

/// How long a session lives without being changed, in seconds; an hour, as Tuckbox's by default.
pub const IDLE_SECONDS: i64 = 60 * 60;

/// The pages that count their views.
pub const PAGES: [&str; 2] = ["/foo", "/bar"];

/// What the environment says.
pub struct Settings {
    /// Port `PORT` of the loopback interface, 3000 by default.
    pub address: SocketAddr,
    /// `REDIS_URL`, by default that of a server on this machine.
    pub redis_url: String,
}

impl Settings {
    /// Reads the environment.
    pub fn from_env() -> Result<Self, Box<dyn Error>> {
        let port = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
        let redis_url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
        Ok(Self { address: ([127, 0, 0, 1], port).into(), redis_url })
    }
}

/// The session key of a page's count: one for each page, as Tuckbox's app has it.
pub fn key(page: &str) -> String {
    format!("views:{page}")
}

/// What a page says.
pub fn text(views: u64) -> String {
    format!("you viewed this page {views} times")
}
