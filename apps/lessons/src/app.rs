//! [`App`]: the whole app as a router.

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use http::{HeaderName, HeaderValue, header};
use jiff::Zoned;
use tuckbox::Db;
use tuckbox_sessions::SessionLayer;

use crate::{Login, Settings, api, page, progress::Progress};

/// No cache keeps what depends on who is logged in.
pub(crate) const NO_STORE: [(HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

/// The lessons app over one database. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) progress: Progress,
    pub(crate) login: Login,
    now: Arc<dyn Fn() -> Zoned + Send + Sync>,
}

impl App {
    /// The app on `db`, with the system's clock and time zone.
    #[must_use]
    pub fn new(db: Db, login: Login) -> Self {
        Self { progress: Progress::new(db), login, now: Arc::new(Zoned::now) }
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(mut self, now: impl Fn() -> Zoned + Send + Sync + 'static) -> Self {
        self.now = Arc::new(now);
        self
    }

    /// The routes, with sessions around them.
    pub fn router(self, db: Db, settings: &Settings) -> Router {
        let sessions = SessionLayer::new(db, settings.sessions.clone());
        Router::new()
            .route("/", get(page::show))
            .route("/page/login", post(page::log_in).get(page::back))
            .route("/page/mark-complete", post(page::mark_complete).get(page::back))
            .route("/page/logout", post(page::log_out).get(page::back))
            .route("/login", get(api::log_in).post(api::log_in_by_form))
            .route("/logout", post(api::log_out))
            .route("/lessons/completed", get(api::completed))
            .route("/lessons/{lessonSlug}/mark-complete", post(api::mark_complete))
            .layer(sessions)
            .with_state(self)
    }

    /// Whether the store answers, and keeps what it is given.
    ///
    /// # Errors
    /// When it does not.
    pub async fn health(&self) -> Result<(), tuckbox::Error> {
        self.progress.health().await
    }

    /// Now, in RFC 3339 to the second, with the local offset; `Z` for UTC, as
    /// the tutorial's program writes it.
    pub(crate) fn now(&self) -> String {
        let now = (self.now)();
        let form = if now.offset().is_zero() { "%FT%TZ" } else { "%FT%T%:z" };
        now.strftime(form).to_string()
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("login", &self.login).finish_non_exhaustive()
    }
}
