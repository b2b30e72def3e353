//! Requests of a browser, without HTTP.

use std::time::Duration;

use http::{Extensions, HeaderMap, HeaderValue, header::COOKIE};
use tuckbox::Db;
use tuckbox_sessions::{Config, Cookies, Session, SessionError, SessionLayer};

/// The layer on the database at `url`, so patient that a busy machine is no
/// trouble.
pub(crate) async fn layer(url: &str) -> SessionLayer {
    let config = Config::builder()
        .cookies(Cookies::plain())
        .deadline(Duration::from_secs(30))
        .build()
        .unwrap();
    SessionLayer::new(Db::open(url).await.unwrap(), config)
}

#[derive(Clone)]
pub(crate) struct Browser {
    layer: SessionLayer,
    cookie: Option<String>,
}

impl Browser {
    pub(crate) fn new(layer: &SessionLayer) -> Self {
        Self { layer: layer.clone(), cookie: None }
    }

    pub(crate) async fn logged_in(layer: &SessionLayer, user: &str) -> Self {
        let mut browser = Self::new(layer);
        browser.visit(async |session: &Session| session.login(user).await).await.unwrap();
        browser
    }

    /// One request, whose handler is `work`; what that answers, unless the save
    /// is refused.
    pub(crate) async fn visit<T>(
        &mut self,
        work: impl AsyncFnOnce(&Session) -> Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        let mut headers = HeaderMap::new();
        if let Some(pair) = &self.cookie {
            headers.insert(COOKIE, HeaderValue::from_str(pair).unwrap());
        }
        let session = self.layer.begin(&headers, &Extensions::new());
        let answer = work(&session).await;
        if let Some(set) = session.conclude().await? {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        answer
    }

    pub(crate) async fn user(&mut self) -> Result<Option<String>, SessionError> {
        self.visit(async |session: &Session| Ok(session.user().await?.map(|user| user.to_string())))
            .await
    }

    pub(crate) async fn count(&mut self) -> Result<i64, SessionError> {
        self.visit(async |session: &Session| session.increment("n", 1).await).await
    }
}
