//! The code in the guide, compiled.
#![expect(dead_code, reason = "it is here to be compiled")]

use std::{fs, path::Path};

use axum::Router;
use tuckbox::Db;
use tuckbox_sessions::{
    Config, ConfigBuilder, Cookies, KeyRing, PublicId, Session, SessionError, Sessions, Trouble,
    express::{Express, SidSecrets},
};

type Failure = Box<dyn std::error::Error>;

async fn first() -> Result<Router, Failure> {
    use axum::{
        Router,
        routing::{get, post},
    };
    use tuckbox_sessions::{Config, Session, SessionError, SessionLayer};

    async fn log_in(session: Session) -> Result<&'static str, SessionError> {
        // … after the password was checked:
        session.login("ada").await?;
        Ok("welcome")
    }

    async fn visits(session: Session) -> Result<String, SessionError> {
        Ok(format!("visit {}", session.increment("visits", 1).await?))
    }

    let db = tuckbox::Db::open("redis://127.0.0.1:6379").await?;
    let app = Router::new()
        .route("/login", post(log_in))
        .route("/visits", get(visits))
        .layer(SessionLayer::new(db, Config::default()));
    Ok(app)
}

async fn everywhere(session: Session, id: PublicId) -> Result<(), SessionError> {
    for one in session.sessions().await? {
        println!("{} {:?} last seen {:?}", one.id, one.user_agent, one.last_seen);
    }
    session.revoke(id).await?; // one of them
    session.revoke_others().await?; // all but this
    session.revoke_all().await?; // this too
    Ok(())
}

async fn from_outside(db: Db, config: Config) -> Result<(), SessionError> {
    Sessions::new(&db, config).revoke_all("ada").await?;
    Ok(())
}

fn trouble() -> Router {
    use axum::routing::get;
    async fn front_page() {}
    Router::new().route("/", get(front_page).layer(Trouble::Anonymous))
}

fn behind_a_proxy() -> ConfigBuilder {
    Config::builder().client_address(|headers, _extensions| {
        // Right behind exactly one proxy that sets this header itself:
        headers.get("x-real-ip")?.to_str().ok()?.parse().ok()
    })
}

fn secrets() -> Result<ConfigBuilder, Failure> {
    let ring = KeyRing::parse(&std::env::var("SESSION_KEYS")?)?; // "k2:base64…,k1:base64…"
    Ok(Config::builder().cookies(Cookies::secure().signed(ring.clone())).seal(ring))
}

fn migrating() -> Result<ConfigBuilder, Failure> {
    let secrets = SidSecrets::new(["new", "old"])?;
    Ok(Config::builder()
        .cookies(Cookies::secure().until_browser_closes())
        .express(Express::new(secrets).user_key("passport.user")))
}

/// The code without its layout.
fn bare(code: &str) -> String {
    code.split_whitespace().collect::<String>().replace(",}", "}")
}

#[test]
fn the_guides_code_is_code_that_compiles() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(here.join("../../docs/sessions.md")).unwrap();
    let compiled = bare(include_str!("guide.rs"));
    let blocks = guide.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut count = 0;
    for line in blocks.flat_map(str::lines) {
        assert!(compiled.contains(&bare(line)), "not in guide.rs: {line}");
        count += 1;
    }
    assert!(count > 30, "{count}");
}
