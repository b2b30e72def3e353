//! What the Lambda library does not do at the runtime's interface: to register for the signal of
//! the end without a process or a crate for it, and to report that the program cannot begin.

use std::{error::Error, time::Duration};

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, Uri};

use crate::{
    error::ServeError,
    loopback::{self, LoopbackError},
};

/// Required by the library, which panics without them.
const REQUIRED: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
];

/// Must be unique among the function's extensions.
const EXTENSION: &str = "tuckbox-sigterm";

/// How long to wait for an answer, which comes from this machine.
const LIMIT: Duration = Duration::from_secs(2);

const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where Lambda's runtime interface is.
#[derive(Clone, Debug)]
pub(super) struct RuntimeApi {
    /// `host:port`.
    address: String,
    /// Before each path: none on Lambda, something in some emulators.
    prefix: String,
}

impl RuntimeApi {
    pub(super) fn from_env() -> Result<Self, ServeError> {
        let value = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        for variable in REQUIRED {
            if value(variable).is_none() {
                return Err(ServeError::NotOnLambda { variable });
            }
        }
        let text = value(REQUIRED[0]).unwrap_or_default();
        Self::at(text.trim()).ok_or_else(|| {
            ServeError::Lambda(format!("AWS_LAMBDA_RUNTIME_API is {text:?}: no address").into())
        })
    }

    fn at(text: &str) -> Option<Self> {
        let text = text.strip_prefix("http://").unwrap_or(text);
        let uri: Uri = format!("http://{text}").parse().ok()?;
        let authority = uri.authority()?;
        let port = authority.port_u16().unwrap_or(80);
        Some(Self {
            address: format!("{}:{port}", authority.host()),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Registers an extension that asks for no events: Lambda announces the end by SIGTERM only to
    /// sandboxes that have one. A program without it works too, and is killed unannounced.
    pub(super) async fn register(&self) {
        let request = self.request(Method::POST, "/2020-01-01/extension/register", |headers| {
            headers.insert("lambda-extension-name", HeaderValue::from_static(EXTENSION));
        });
        let answer = self.send(request.map(|()| Body::from(r#"{"events":[]}"#))).await;
        let id = answer.as_ref().ok().and_then(|answer| {
            let id = answer.headers().get("lambda-extension-identifier")?.clone();
            answer.status().is_success().then_some(id)
        });
        match id {
            Some(id) => {
                let api = self.clone();
                tokio::spawn(async move { api.wait_for_events(id).await });
            }
            None => {
                let answer = answer.map(|answer| answer.status());
                tracing::debug!(?answer, "no extension: the end will come unannounced");
            }
        }
    }

    /// Tells Lambda that the extension is ready. The answer never comes, since there are no
    /// events, so this ends with the process.
    async fn wait_for_events(&self, id: HeaderValue) {
        let request = self.request(Method::GET, "/2020-01-01/extension/event/next", |headers| {
            headers.insert("lambda-extension-identifier", id);
        });
        let request = request.map(|()| Body::empty());
        if let Err(error) = loopback::send(&self.address, request, ANSWER_BYTES_MAX).await {
            tracing::debug!(%error, "the extension was let go");
        }
    }

    /// Tells Lambda why the program ends. The text of `error` shows in the function's responses.
    pub(super) async fn report_init_error(&self, error: &(dyn Error + Send + Sync)) {
        let path = "/2018-06-01/runtime/init/error";
        let request = self.request(Method::POST, path, |headers| {
            let kind = HeaderValue::from_static("Runtime.OpenFailed");
            headers.insert("lambda-runtime-function-error-type", kind);
        });
        let report = serde_json::json!({
            "errorType": "Runtime.OpenFailed",
            "errorMessage": error.to_string(),
            "stackTrace": [],
        });
        if let Err(error) = self.send(request.map(|()| Body::from(report.to_string()))).await {
            tracing::debug!(%error, "the error could not be reported to Lambda");
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        set: impl FnOnce(&mut http::HeaderMap),
    ) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = method;
        // Both parts come from URIs and constants; a path that were none would be answered 404.
        *request.uri_mut() = format!("{}{path}", self.prefix).parse().unwrap_or_default();
        if let Ok(host) = HeaderValue::from_str(&self.address) {
            request.headers_mut().insert(http::header::HOST, host);
        }
        set(request.headers_mut());
        request
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<bytes::Bytes>, LoopbackError> {
        let sent = loopback::send(&self.address, request, ANSWER_BYTES_MAX);
        tokio::time::timeout(LIMIT, sent)
            .await
            .unwrap_or_else(|_| Err(LoopbackError::Connect(std::io::ErrorKind::TimedOut.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_may_be_an_address_or_a_url() {
        for (text, address, prefix) in [
            ("127.0.0.1:9001", "127.0.0.1:9001", ""),
            ("http://127.0.0.1:9800/.rt", "127.0.0.1:9800", "/.rt"),
            ("http://rt/", "rt:80", ""),
        ] {
            let api = RuntimeApi::at(text).unwrap();
            assert_eq!((api.address.as_str(), api.prefix.as_str()), (address, prefix), "{text}");
        }
        assert!(RuntimeApi::at("a b").is_none());
    }
}
