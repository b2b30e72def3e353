//! All sessions of a user.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use axum::{Router, extract::Path, routing::any};
use http::StatusCode;
use tuckbox::{Db, Reply, cmd};
use tuckbox_sessions::{
    Clock, ConfigBuilder, MaxSessions, PublicId, Session, SessionError, SessionLayer, Sessions,
};

use crate::{
    app::{Browser, plain, routes},
    redis_server::{keys, on_every_store},
};

fn clock() -> Clock {
    Clock::fixed(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

const SECOND: Duration = Duration::from_secs(1);

/// The application with routes for the user's sessions.
fn app(db: &Db, config: ConfigBuilder) -> Router {
    let list = async |session: Session| {
        let all = session.sessions().await?.into_iter();
        let lines = all.map(|info| {
            let agent = info.user_agent.unwrap_or_default();
            let address = info.address.map(|address| address.to_string()).unwrap_or_default();
            format!("{} {agent} {address} {}", info.id, if info.current { "here" } else { "" })
        });
        Ok::<_, SessionError>(lines.collect::<Vec<_>>().join("\n"))
    };
    let revoke = async |session: Session, Path(id): Path<String>| {
        let id = PublicId::parse(&id).unwrap();
        Ok::<_, SessionError>(session.revoke(id).await?.to_string())
    };
    let others =
        async |session: Session| Ok::<_, SessionError>(session.revoke_others().await?.to_string());
    let all =
        async |session: Session| Ok::<_, SessionError>(session.revoke_all().await?.to_string());
    routes()
        .route("/sessions", any(list))
        .route("/revoke/{id}", any(revoke))
        .route("/revoke-others", any(others))
        .route("/revoke-all", any(all))
        .layer(SessionLayer::new(db.clone(), config.build().unwrap()))
}

#[tokio::test]
async fn a_user_sees_where_they_are_logged_in_last_seen_first() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let config = plain().clock(clock.clone()).slide_percent(0);
        let config = config.client_address(|headers, _| {
            headers.get("x-address")?.to_str().ok()?.parse::<IpAddr>().ok()
        });
        let app = app(&db, config);
        let mut phone = Browser::new(app.clone());
        phone.agent = Some("phone");
        let mut desk = Browser::new(app.clone());
        desk.agent = Some("desk");
        Browser::logged_in(app, "bob").await;
        for browser in [&mut phone, &mut desk] {
            browser.visit("/login/ada").await;
            clock.advance(SECOND);
        }
        let list = phone.body("/sessions").await;
        let lines: Vec<_> = list.lines().map(|line| &line[23..]).collect();
        assert_eq!(lines, ["phone  here", "desk  "]);
        clock.advance(SECOND);
        let list = desk.body("/sessions").await;
        assert!(list.lines().next().unwrap().contains("desk  here"), "{list}");
    })
    .await;
}

#[tokio::test]
async fn a_stranger_has_no_list() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::new(app(&db, plain()));
        for path in ["/sessions", "/revoke-others", "/revoke-all"] {
            assert_eq!(browser.visit(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn one_session_is_revoked_by_its_public_id_and_nobody_elses() {
    on_every_store(async |db: Db| {
        let app = app(&db, plain());
        let mut ada = Browser::logged_in(app.clone(), "ada").await;
        let mut other = Browser::logged_in(app.clone(), "ada").await;
        let mut bob = Browser::logged_in(app, "bob").await;
        let id = other.body("/sessions").await;
        let id = id.lines().find(|line| line.ends_with("here")).unwrap()[..22].to_owned();
        assert_eq!(bob.body(&format!("/revoke/{id}")).await, "false");
        assert_eq!(other.body("/user").await, "ada");
        assert_eq!(ada.body(&format!("/revoke/{id}")).await, "true");
        assert_eq!(other.body("/user").await, "nobody");
        assert_eq!(ada.body(&format!("/revoke/{id}")).await, "false");
        assert_eq!(ada.body("/sessions").await.lines().count(), 1);
    })
    .await;
}

#[tokio::test]
async fn all_others_are_revoked_and_a_write_in_flight_does_not_bring_one_back() {
    on_every_store(async |db: Db| {
        let app = app(&db, plain());
        let mut ada = Browser::logged_in(app.clone(), "ada").await;
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(Browser::logged_in(app.clone(), "ada").await);
        }
        assert_eq!(ada.body("/revoke-others").await, "3");
        for other in &mut others {
            assert_eq!(other.body("/user").await, "nobody");
        }
        assert_eq!(ada.body("/user").await, "ada");
        assert_eq!(keys(&db).await.len(), 1);
        assert_eq!(ada.body("/revoke-all").await, "0");
        assert_eq!(ada.cookie, None);
        assert!(keys(&db).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_administrator_ends_all_sessions_of_a_user_from_outside() {
    on_every_store(async |db: Db| {
        let app = app(&db, plain());
        let mut ada = Browser::logged_in(app.clone(), "ada").await;
        let mut bob = Browser::logged_in(app, "bob").await;
        let sessions = Sessions::new(&db, plain().build().unwrap());
        let listed = sessions.list("ada").await.unwrap();
        assert_eq!((listed.len(), listed[0].current), (1, false));
        assert_eq!(sessions.revoke_all("ada").await.unwrap(), 1);
        assert_eq!(sessions.revoke_all("ada").await.unwrap(), 0);
        assert_eq!(ada.body("/user").await, "nobody");
        assert_eq!(bob.body("/user").await, "bob");
    })
    .await;
}

#[tokio::test]
async fn the_index_forgets_sessions_that_are_over_and_expires_itself() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let app = app(&db, plain().clock(clock.clone()));
        let mut gone = Browser::logged_in(app.clone(), "ada").await;
        gone.visit("/logout").await;
        let mut taken = Browser::logged_in(app.clone(), "ada").await;
        taken.visit("/login/bob").await;
        Browser::logged_in(app.clone(), "ada").await;
        clock.advance(3600 * SECOND);
        let mut ada = Browser::logged_in(app, "ada").await;
        assert_eq!(db.call(cmd!("HLEN", "sessions:ada")).await.unwrap(), Reply::Integer(4));
        assert_eq!(ada.body("/sessions").await.lines().count(), 1);
        assert_eq!(db.call(cmd!("HLEN", "sessions:ada")).await.unwrap(), Reply::Integer(1));
        let expiry = db.call(cmd!("PTTL", "sessions:ada")).await.unwrap().into_integer().unwrap();
        let month = 30 * 24 * 3_600_000;
        assert!((month - 60_000..=month).contains(&expiry), "{expiry}");
    })
    .await;
}

#[tokio::test]
async fn beyond_the_limit_a_login_ends_the_session_not_seen_for_longest() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let config = plain().clock(clock.clone()).slide_percent(0);
        let app = app(&db, config.max_sessions(MaxSessions::EndOldest(2)));
        let mut browsers = Vec::new();
        for _ in 0..2 {
            browsers.push(Browser::logged_in(app.clone(), "ada").await);
            clock.advance(SECOND);
        }
        // The first is in use, so it is the second that goes.
        browsers[0].visit("/user").await;
        clock.advance(SECOND);
        browsers.push(Browser::logged_in(app, "ada").await);
        let mut users = Vec::new();
        for browser in &mut browsers {
            users.push(browser.body("/user").await);
        }
        assert_eq!(users, ["ada", "nobody", "ada"]);
    })
    .await;
}

#[tokio::test]
async fn beyond_the_limit_a_login_may_be_refused_until_one_has_ended() {
    on_every_store(async |db: Db| {
        let app = app(&db, plain().max_sessions(MaxSessions::Refuse(2)));
        let mut first = Browser::logged_in(app.clone(), "ada").await;
        Browser::logged_in(app.clone(), "ada").await;
        first.visit("/login/ada").await;
        let mut third = Browser::new(app);
        let visit = third.visit("/login/ada").await;
        assert_eq!((visit.status, visit.set_cookie()), (StatusCode::FORBIDDEN, None));
        assert_eq!(third.visit("/login/bob").await.status, StatusCode::OK);
        first.visit("/logout").await;
        assert_eq!(third.visit("/login/ada").await.status, StatusCode::OK);
        assert_eq!(third.body("/user").await, "ada");
    })
    .await;
}
