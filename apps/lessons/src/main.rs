//! The lessons app as a local server: `cargo run --release`.

use std::{error::Error, process::ExitCode};

use lessons::{App, Login, Settings};
use tuckbox::Db;
use tuckbox_serve::{Config, Server};

fn main() -> ExitCode {
    tuckbox_serve::run(serve)
}

async fn serve(config: Config) -> Result<(), Box<dyn Error + Send + Sync>> {
    let settings = Settings::from_lookup(variable, config.bind)?;
    let db = Db::open(&settings.database_url).await?;
    tracing::info!(database = ?db, "database opened");
    if settings.login == Login::Open {
        tracing::warn!("anybody can log in as anybody (LOGIN=open): for demonstrations only");
    }
    let app = App::new(db.clone(), settings.login);
    let checked = app.clone();
    let served = Server::new(app.router(db.clone(), &settings), config)
        .readiness(move || {
            let app = checked.clone();
            async move { app.ping().await }
        })
        .serve()
        .await;
    // Closed whatever became of the server; its error comes first.
    let closed = db.close().await;
    served?;
    Ok(closed?)
}

/// A variable of the environment. A value that is not Unicode is one that no
/// setting accepts: it must not count as unset.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
