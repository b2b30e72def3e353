//! The app as every program of it begins and ends, whatever serves it.

use std::{error::Error, net::Ipv4Addr, time::Duration};

use tuckbox::{Db, Options, Refresh};
use tuckbox_serve::{
    Config,
    secret::{Ask, Secret, SecretError},
};

use crate::{App, Login, Settings};

/// Opens the database that the environment names, and gives the routes over it.
///
/// # Errors
/// When a setting cannot be used, or the database not opened; the message says what to change.
pub async fn open(config: Config) -> Result<tuckbox_serve::App, Box<dyn Error + Send + Sync>> {
    // A platform brings requests from everywhere, whatever address it brings them to.
    let reached_at = if config.is_private() { config.bind } else { Ipv4Addr::UNSPECIFIED.into() };
    let settings = Settings::from_lookup(variable, reached_at)?;
    let secret = secret_url()?;
    // The extension that reads it works from the first request on.
    let before_requests = secret.is_none();
    let db = open_database(&config, &settings.database_url, secret).await?;
    tracing::info!(database = ?db, "database opened");
    if settings.login == Login::Open {
        tracing::warn!("anybody can log in as anybody (LOGIN=open): for demonstrations only");
    }
    let app = App::new(db.clone(), settings.login);
    let (checked, looked_at, warmed) = (app.clone(), db.clone(), app.clone());
    let served = tuckbox_serve::App::new(app.router(db.clone(), &settings))
        .readiness(move || {
            let app = checked.clone();
            async move { app.health().await }
        })
        .health(move || looked_at.trouble())
        .on_close(move || async move { db.close().await });
    Ok(match before_requests {
        true => served.warm_up(async move { warmed.health().await }),
        false => served,
    })
}

/// A URL in a file or in Parameter Store. That is read when it is first needed, and again when the
/// server refuses its password: so it can be rotated.
fn secret_url() -> Result<Option<Secret>, SecretError> {
    let secret = Secret::from_env("REDIS_URL")?.filter(|secret| secret.fixed().is_none());
    // The database bounds by itself how often it asks.
    Ok(secret.map(|secret| secret.pause(Duration::ZERO)))
}

/// The database at `secret`, or else at `url`.
async fn open_database(
    config: &Config,
    url: &str,
    secret: Option<Secret>,
) -> Result<Db, Box<dyn Error + Send + Sync>> {
    let Some(secret) = secret else {
        config.require_durable(url)?;
        return Ok(Db::open(url).await?);
    };
    let read = move |refresh| {
        let secret = secret.clone();
        async move {
            let ask = if refresh == Refresh::Again { Ask::Fresh } else { Ask::Cached };
            secret.get(ask).await.map(|url| url.expose().to_owned())
        }
    };
    Ok(Db::from_source(read, Options::default()))
}

/// A variable of the environment. A value that is not Unicode is one that no
/// setting accepts: it must not count as unset.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
