//! What a session learns of the request.

use std::net::{IpAddr, SocketAddr};

use actix_web::{
    http::header::{COOKIE, HeaderName},
    web,
};
use http::{Extensions, HeaderMap};
use tuckbox::Db;
use tuckbox_sessions_actix::{Session, SessionError, SessionMiddleware};

use crate::{
    app::{Server, plain, sessions},
    browser::Browser,
    redis_server::on_every_store,
};

/// Where the user is logged in: user agents and addresses.
async fn list(session: Session) -> Result<String, SessionError> {
    let lines = session.sessions().await?.into_iter().map(|info| {
        let address = info.address.map(|address| address.to_string()).unwrap_or_default();
        format!("{} {address}", info.user_agent.unwrap_or_default())
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn middleware(
    db: &Db,
    find: impl Fn(&HeaderMap, &Extensions) -> Option<IpAddr> + Send + Sync + 'static,
) -> SessionMiddleware {
    sessions(db, plain().client_address(find))
}

async fn listed(sessions: SessionMiddleware, headers: &str) -> String {
    let server = Server::start(sessions, |config| {
        config.route("/sessions", web::to(list));
    });
    let mut browser = Browser::new(&server);
    browser.headers = headers.to_owned();
    browser.visit("/login/ada").await;
    browser.body("/sessions").await
}

fn address(headers: &HeaderMap, name: &str) -> Option<IpAddr> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

#[tokio::test]
async fn the_clients_address_can_be_that_of_the_peer() {
    on_every_store(async |db: Db| {
        let sessions =
            middleware(&db, |_, extensions| extensions.get::<SocketAddr>().map(SocketAddr::ip));
        assert_eq!(listed(sessions, "User-Agent: Firefox\r\n").await, "Firefox 127.0.0.1");
    })
    .await;
}

#[tokio::test]
async fn the_clients_address_can_be_what_a_proxy_says() {
    on_every_store(async |db: Db| {
        let sessions = middleware(&db, |headers, _| address(headers, "x-forwarded-for"));
        let headers = "X-Forwarded-For: 192.0.2.7\r\nUser-Agent: Firefox\r\n";
        assert_eq!(listed(sessions, headers).await, "Firefox 192.0.2.7");
    })
    .await;
}

#[tokio::test]
async fn other_headers_are_shown_where_they_are_named() {
    on_every_store(async |db: Db| {
        let find = |headers: &HeaderMap, _: &Extensions| address(headers, "cf-connecting-ip");
        let headers = "CF-Connecting-IP: 2001:db8::7\r\nUser-Agent: Firefox\r\n";
        assert_eq!(listed(middleware(&db, find), headers).await, "Firefox ");
    })
    .await;
    on_every_store(async |db: Db| {
        let find = |headers: &HeaderMap, _: &Extensions| address(headers, "cf-connecting-ip");
        let name = HeaderName::from_static("cf-connecting-ip");
        let sessions = middleware(&db, find).pass_header(name);
        let headers = "CF-Connecting-IP: 2001:db8::7\r\nUser-Agent: Firefox\r\n";
        assert_eq!(listed(sessions, headers).await, "Firefox 2001:db8::7");
    })
    .await;
}

#[tokio::test]
async fn naming_a_header_that_is_shown_anyway_does_not_show_it_twice() {
    on_every_store(async |db: Db| {
        let server = Server::start(sessions(&db, plain()).pass_header(COOKIE), |_| {});
        let mut browser = Browser::logged_in(&server, "ada").await;
        assert_eq!(browser.body("/user").await, "ada");
    })
    .await;
}
