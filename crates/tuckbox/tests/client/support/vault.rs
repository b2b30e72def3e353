//! A source of URLs that a test can change.

use std::sync::{Arc, Mutex};

use tuckbox::{Db, Options, Refresh};

/// Holds a URL, or why there is none, and remembers how it was asked.
#[derive(Clone)]
pub(crate) struct Vault(Arc<Mutex<Inside>>);

struct Inside {
    url: Result<String, String>,
    asked: Vec<Refresh>,
}

impl Vault {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self(Arc::new(Mutex::new(Inside { url: Ok(url.into()), asked: Vec::new() })))
    }

    pub(crate) fn set(&self, url: impl Into<String>) {
        self.0.lock().unwrap().url = Ok(url.into());
    }

    pub(crate) fn fail(&self, problem: &str) {
        self.0.lock().unwrap().url = Err(problem.to_owned());
    }

    pub(crate) fn asked(&self) -> Vec<Refresh> {
        self.0.lock().unwrap().asked.clone()
    }

    /// The answer, which comes a moment later.
    pub(crate) async fn ask(self, refresh: Refresh) -> Result<String, String> {
        let url = {
            let mut inside = self.0.lock().unwrap();
            inside.asked.push(refresh);
            inside.url.clone()
        };
        tokio::task::yield_now().await;
        url
    }

    pub(crate) fn db(&self, options: Options) -> Db {
        let vault = self.clone();
        Db::from_source(move |refresh| vault.clone().ask(refresh), options)
    }
}
