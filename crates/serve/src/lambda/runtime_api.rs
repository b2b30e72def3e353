//! Where Lambda's runtime interface is, and what the library does not say there: that the program
//! cannot begin.

use std::{error::Error, time::Duration};

use axum::body::Body;
use http::{HeaderValue, Method, Request, Uri};

use crate::{error::ServeError, loopback};

/// Required by the library, which panics without them.
const REQUIRED: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
];

/// How long to wait for an answer, which comes from this machine.
pub(super) const LIMIT: Duration = Duration::from_secs(2);

const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where Lambda's runtime interface is.
#[derive(Clone, Debug)]
pub(super) struct RuntimeApi {
    /// `host:port`.
    pub(super) address: String,
    /// Before each path: none on Lambda, something in some emulators.
    pub(super) prefix: String,
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

    /// Tells Lambda why the program ends. The text of `error` shows in the function's responses.
    pub(super) async fn report_init_error(&self, error: &(dyn Error + Send + Sync)) {
        let report = serde_json::json!({
            "errorType": "Runtime.OpenFailed",
            "errorMessage": error.to_string(),
            "stackTrace": [],
        });
        let mut request = Request::new(Body::from(report.to_string()));
        *request.method_mut() = Method::POST;
        // Both parts come from URIs and constants; a path that were none would be answered 404.
        let path = format!("{}/2018-06-01/runtime/init/error", self.prefix);
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(&self.address) {
            headers.insert(http::header::HOST, host);
        }
        let kind = HeaderValue::from_static("Runtime.OpenFailed");
        headers.insert("lambda-runtime-function-error-type", kind);
        let sent = loopback::send(&self.address, request, ANSWER_BYTES_MAX);
        match tokio::time::timeout(LIMIT, sent).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the error could not be reported to Lambda"),
            Err(_) => tracing::debug!("the error could not be reported to Lambda in time"),
        }
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
