//! A program as a server that listens on a port: on a machine of one's own, or in a container.

use std::process::ExitCode;

use crate::{
    app::{App, BoxError},
    config::Config,
    serve::serve,
};

/// The whole of a program's `main`: as [`run`](crate::run()), with [`serve`](crate::serve()) on
/// what `open` makes.
///
/// `open` gets the configuration, which decides nothing that is not also in the environment; it
/// reads what else it needs itself.
pub fn run<O, F, E>(open: O) -> ExitCode
where
    O: FnOnce(Config) -> F,
    F: Future<Output = Result<App, E>>,
    E: Into<BoxError>,
{
    crate::run(|config| async move {
        let app = open(config.clone()).await.map_err(Into::into)?;
        serve(app, config).await.map_err(BoxError::from)
    })
}
