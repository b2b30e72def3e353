//! A small application with sessions, and a browser that visits it.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Path,
    response::{IntoResponse, Response},
    routing::any,
};
use http::{
    HeaderMap, HeaderValue, Request, StatusCode,
    header::{COOKIE, SET_COOKIE, USER_AGENT},
};
use tower::ServiceExt as _;
use tuckbox::Db;
use tuckbox_sessions::{Config, ConfigBuilder, Cookies, Session, SessionError, SessionLayer};

/// The defaults, on plain HTTP.
pub(crate) fn plain() -> ConfigBuilder {
    Config::builder().cookies(Cookies::plain())
}

/// Routes that each do one thing to the session.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/ignore", any(async || "ok"))
        .route("/untouched", any(async |_: Session| "ok"))
        .route("/user", any(user))
        .route("/get/{key}", any(get))
        .route("/set/{key}/{value}", any(set))
        .route("/remove/{key}", any(remove))
        .route("/move/{from}/{to}", any(move_value))
        .route("/count/{key}", any(count))
        .route("/append/{key}/{value}", any(append))
        .route("/add/{key}/{value}", any(add))
        .route("/take/{key}", any(take))
        .route("/swap/{key}/{from}/{to}", any(swap))
        .route("/login/{user}", any(login))
        .route("/logout", any(async |session: Session| session.logout().await))
}

/// [`routes`] with sessions in `db`.
pub(crate) fn app(db: &Db, config: ConfigBuilder) -> Router {
    routes().layer(SessionLayer::new(db.clone(), config.build().unwrap()))
}

/// `routes` with sessions in `db`.
pub(crate) fn with_sessions(routes: Router, db: &Db) -> Router {
    routes.layer(SessionLayer::new(db.clone(), plain().build().unwrap()))
}

async fn user(session: Session) -> Result<String, SessionError> {
    Ok(session.user().await?.map_or_else(|| "nobody".to_owned(), |user| user.to_string()))
}

async fn get(session: Session, Path(key): Path<String>) -> Result<String, SessionError> {
    Ok(session.get::<String>(&key).await?.unwrap_or_else(|| "nothing".to_owned()))
}

async fn set(
    session: Session,
    Path((key, value)): Path<(String, String)>,
) -> Result<(), SessionError> {
    session.insert(&key, &value).await
}

async fn remove(session: Session, Path(key): Path<String>) -> Result<(), SessionError> {
    session.remove(&key).await
}

async fn move_value(
    session: Session,
    Path((from, to)): Path<(String, String)>,
) -> Result<(), SessionError> {
    if let Some(value) = session.get::<String>(&from).await? {
        session.insert(&to, &value).await?;
    }
    session.remove(&from).await
}

async fn count(session: Session, Path(key): Path<String>) -> Result<String, SessionError> {
    Ok(session.increment(&key, 1).await?.to_string())
}

async fn append(
    session: Session,
    Path((key, value)): Path<(String, String)>,
) -> Result<(), SessionError> {
    session.append(&key, &value).await
}

async fn add(
    session: Session,
    Path((key, value)): Path<(String, String)>,
) -> Result<String, SessionError> {
    Ok(session.insert_if_absent(&key, &value).await?.to_string())
}

async fn take(session: Session, Path(key): Path<String>) -> Result<String, SessionError> {
    let taken: Option<serde_json::Value> = session.take(&key).await?;
    Ok(taken.map_or_else(|| "nothing".to_owned(), |value| value.to_string()))
}

async fn swap(
    session: Session,
    Path((key, from, to)): Path<(String, String, String)>,
) -> Result<String, SessionError> {
    Ok(session.compare_and_set(&key, Some(&from), &to).await?.to_string())
}

async fn login(session: Session, Path(user): Path<String>) -> Result<(), SessionError> {
    session.login(&user).await
}

/// Keeps the cookie that the application sets, as a browser does.
#[derive(Clone)]
pub(crate) struct Browser {
    app: Router,
    pub(crate) cookie: Option<String>,
    /// The `User-Agent` header.
    pub(crate) agent: Option<&'static str>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Visit {
    /// The only `Set-Cookie` header, if there is one.
    pub(crate) fn set_cookie(&self) -> Option<&str> {
        let mut all = self.headers.get_all(SET_COOKIE).iter();
        let first = all.next().map(|value| value.to_str().unwrap());
        assert!(all.next().is_none(), "several cookies");
        first
    }
}

impl Browser {
    pub(crate) fn new(app: Router) -> Self {
        Self { app, cookie: None, agent: None }
    }

    /// A browser with a session in which `user` is logged in.
    pub(crate) async fn logged_in(app: Router, user: &str) -> Self {
        let mut browser = Self::new(app);
        let visit = browser.visit(&format!("/login/{user}")).await;
        assert_eq!(visit.status, StatusCode::OK);
        assert!(browser.cookie.is_some());
        browser
    }

    /// The same browser before another application.
    pub(crate) fn before(&self, app: Router) -> Self {
        Self { app, ..self.clone() }
    }

    pub(crate) async fn visit(&mut self, path: &str) -> Visit {
        let visit = self.send(path, self.cookie.as_deref().map(str::as_bytes)).await;
        if let Some(cookie) = visit.set_cookie() {
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            let removed = attributes.contains("Max-Age=0;");
            self.cookie = (!removed).then(|| pair.to_owned());
        }
        visit
    }

    /// Visits with this `Cookie` header, and takes no cookie.
    pub(crate) async fn send(&self, path: &str, cookie: Option<&[u8]>) -> Visit {
        let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
        if let Some(cookie) = cookie {
            let header = HeaderValue::from_bytes(cookie).unwrap();
            request.headers_mut().insert(COOKIE, header);
        }
        if let Some(agent) = self.agent {
            request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(agent));
        }
        let response = self.app.clone().oneshot(request).await.unwrap();
        Visit::read(response).await
    }

    pub(crate) async fn body(&mut self, path: &str) -> String {
        let visit = self.visit(path).await;
        assert_eq!(visit.status, StatusCode::OK, "{path}");
        visit.body
    }

    /// The value of the cookie.
    pub(crate) fn id(&self) -> &str {
        self.cookie.as_deref().unwrap().split_once('=').unwrap().1
    }
}

impl Visit {
    async fn read(response: impl IntoResponse) -> Self {
        let response: Response = response.into_response();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Self { status: parts.status, headers: parts.headers, body }
    }
}
