//! SSM Parameter Store, by way of the extension that AWS offers for Lambda: it signs the request,
//! keeps the answer for `SSM_PARAMETER_STORE_TTL` seconds, and answers on this machine only.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};

use super::SecretError;
use crate::loopback::{self, LoopbackError};

const DEFAULT_PORT: u16 = 2773;

const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A parameter, and what it takes to ask for it.
pub(super) struct Parameter {
    name: String,
    port: u16,
    /// Shows the extension that the question comes from within the sandbox: a secret as well.
    token: Option<HeaderValue>,
}

impl Parameter {
    pub(super) fn new(name: String, lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let port = lookup("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT")
            .and_then(|port| port.trim().parse().ok())
            .unwrap_or(DEFAULT_PORT);
        let token = lookup("AWS_SESSION_TOKEN").and_then(|token| {
            let mut token = HeaderValue::from_str(token.trim()).ok()?;
            token.set_sensitive(true);
            Some(token)
        });
        Self { name, port, token }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn read(&self, name: &str) -> Result<String, SecretError> {
        // By number, since the name may mean an address of version 6 on which nobody listens.
        let address = format!("127.0.0.1:{}", self.port);
        let answer = loopback::send(&address, self.request(), ANSWER_BYTES_MAX).await;
        let name = name.to_owned();
        let answer = answer.map_err(|error| match error {
            LoopbackError::Connect(cause) => SecretError::NoExtension {
                name: name.clone(),
                port: self.port,
                cause: cause.to_string(),
            },
            LoopbackError::Broken(_) | LoopbackError::Body(_) => SecretError::BadAnswer {
                name: name.clone(),
                status: 0,
                what: "the connection broke off, or the answer is too large",
            },
        })?;
        match answer.status() {
            StatusCode::OK => value(answer.body()).ok_or(SecretError::BadAnswer {
                name,
                status: 200,
                what: "no parameter's value is in it",
            }),
            status => Err(self.refused(name, status, answer.body())),
        }
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        let path = format!(
            "/systemsmanager/parameters/get?name={}&withDecryption=true",
            percent_encoded(&self.name)
        );
        // Every byte that a URI cannot have is encoded.
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        if let Some(token) = &self.token {
            headers.insert("x-aws-parameters-secrets-token", token.clone());
        }
        request
    }

    /// Sorts a refusal by what its reader can do. The body is looked through for the names of
    /// errors, and never shown.
    fn refused(&self, name: String, status: StatusCode, body: &Bytes) -> SecretError {
        let says = |word: &str| body.windows(word.len()).any(|part| part == word.as_bytes());
        let parameter = self.name.clone();
        if says("not ready to serve traffic") {
            SecretError::NotReady { name }
        } else if says("ParameterNotFound")
            || says("ParameterVersionNotFound")
            || status == StatusCode::NOT_FOUND
        {
            SecretError::NotFound { name, parameter }
        } else if says("AccessDenied")
            || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        {
            SecretError::Denied { name, parameter }
        } else {
            let what = "its log in CloudWatch says more";
            SecretError::BadAnswer { name, status: status.as_u16(), what }
        }
    }
}

/// `Parameter.Value` of the answer.
fn value(body: &Bytes) -> Option<String> {
    let mut answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    match answer.pointer_mut("/Parameter/Value")?.take() {
        serde_json::Value::String(text) => Some(text),
        _ => None,
    }
}

fn percent_encoded(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_encoded_with_its_slashes() {
        assert_eq!(percent_encoded("/lessons/redis url+é"), "%2Flessons%2Fredis%20url%2B%C3%A9");
    }
}
