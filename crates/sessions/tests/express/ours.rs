//! Our service: the routes of the Express one, and some of its own.

use std::{collections::BTreeMap, time::Duration};

use axum::{Json, Router, extract::Query, routing::get};
use serde::Deserialize;
use serde_json::Value;
use tuckbox_sessions::{Config, ConfigBuilder, Cookies, Session, SessionError};

/// A configuration with these cookies, and patience with a busy machine.
pub(crate) fn config(cookies: Cookies) -> ConfigBuilder {
    Config::builder().cookies(cookies).deadline(Duration::from_secs(10))
}

/// One that fits to Express without `maxAge`.
pub(crate) fn session_cookies() -> ConfigBuilder {
    config(Cookies::plain().until_browser_closes())
}

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/untouched", get(async |_: Session| ()))
        .route("/read", get(read))
        .route("/user", get(user))
        .route("/write", get(write))
        .route("/set", get(set))
        .route("/read-and-set", get(read_and_set))
        .route("/remove", get(remove))
        .route("/take", get(take))
        .route("/append", get(append))
        .route("/login", get(login))
        .route("/login-and-set", get(login_and_set))
        .route("/renew", get(renew))
        .route("/logout", get(logout))
        .route("/recent", get(recent))
        .route("/sessions", get(sessions))
        .route("/revoke", get(revoke))
        .route("/revoke-others", get(revoke_others))
        .route("/revoke-all", get(revoke_all))
}

type Answer<T = ()> = Result<Json<T>, SessionError>;

#[derive(Deserialize)]
struct Named {
    key: String,
}

#[derive(Deserialize)]
struct Member {
    key: String,
    value: String,
}

impl Member {
    fn value(&self) -> Value {
        serde_json::from_str(&self.value).unwrap()
    }
}

#[derive(Deserialize)]
struct Who {
    user: String,
}

async fn read(session: Session) -> Answer<BTreeMap<String, Value>> {
    Ok(Json(session.values().await?))
}

async fn user(session: Session) -> Answer<Option<String>> {
    Ok(Json(session.user().await?.map(|user| user.to_string())))
}

async fn write(session: Session) -> Answer<Value> {
    let n = session.increment("n", 1).await?;
    Ok(Json(serde_json::json!({ "n": n })))
}

async fn set(session: Session, Query(member): Query<Member>) -> Answer {
    Ok(Json(session.insert(&member.key, &member.value()).await?))
}

async fn read_and_set(session: Session, Query(member): Query<Member>) -> Answer {
    session.get::<Value>(&member.key).await?;
    Ok(Json(session.insert(&member.key, &member.value()).await?))
}

async fn remove(session: Session, Query(named): Query<Named>) -> Answer {
    Ok(Json(session.remove(&named.key).await?))
}

async fn take(session: Session, Query(named): Query<Named>) -> Answer<Option<Value>> {
    Ok(Json(session.take(&named.key).await?))
}

async fn append(session: Session, Query(member): Query<Member>) -> Answer {
    Ok(Json(session.append(&member.key, &member.value()).await?))
}

async fn login(session: Session, Query(who): Query<Who>) -> Answer {
    Ok(Json(session.login(&who.user).await?))
}

async fn login_and_set(session: Session, Query(member): Query<Member>) -> Answer {
    session.login("eve").await?;
    Ok(Json(session.insert(&member.key, &member.value()).await?))
}

async fn renew(session: Session) -> Answer {
    Ok(Json(session.renew().await?))
}

async fn logout(session: Session) -> Answer {
    Ok(Json(session.logout().await?))
}

async fn recent(session: Session) -> Answer<bool> {
    Ok(Json(session.is_recent().await?))
}

async fn sessions(session: Session) -> Answer<usize> {
    Ok(Json(session.sessions().await?.len()))
}

async fn revoke(session: Session) -> Answer<bool> {
    session.user().await?;
    let Some(id) = session.public_id() else { return Ok(Json(false)) };
    Ok(Json(session.revoke(id).await?))
}

async fn revoke_others(session: Session) -> Answer<usize> {
    Ok(Json(session.revoke_others().await?))
}

async fn revoke_all(session: Session) -> Answer<usize> {
    Ok(Json(session.revoke_all().await?))
}
