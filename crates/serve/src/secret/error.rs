use std::{io, path::PathBuf, sync::Arc, time::Duration};

/// Why there is no secret. No message shows one, or a part of one.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Two variables name the same secret.
    #[error("{first} and {second} are both set: unset one of them")]
    Twice {
        /// A variable.
        first: String,
        /// Another.
        second: String,
    },
    /// The program was built without the feature.
    #[error("{variable} is set, but this program is built without the feature {feature:?}")]
    LeftOut {
        /// The variable.
        variable: String,
        /// What it would need.
        feature: &'static str,
    },
    /// The file cannot be read.
    #[error("{name}: the file {} cannot be read: {source}; is the secret mounted there?", path.display())]
    File {
        /// The secret's name.
        name: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// There is something, but no text that could be a secret.
    #[error("{name}: {place} is {what}")]
    Unusable {
        /// The secret's name.
        name: String,
        /// Where it should have been.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Nobody answers where the extension should.
    #[error(
        "{name}: no AWS Parameters and Secrets extension on port {port}: add its layer to the \
         function; it answers while a request is handled, not before ({cause})"
    )]
    NoExtension {
        /// The secret's name.
        name: String,
        /// The port on this machine.
        port: u16,
        /// What the system said.
        cause: String,
    },
    /// The extension does not answer yet.
    #[error(
        "{name}: the AWS Parameters and Secrets extension is not ready: it answers while a request \
         is handled, not before"
    )]
    NotReady {
        /// The secret's name.
        name: String,
    },
    /// There is no such parameter.
    #[error(
        "{name}: there is no SSM parameter {parameter:?} in this account and region: make it, or \
         correct {name}_SSM_PARAMETER"
    )]
    NotFound {
        /// The secret's name.
        name: String,
        /// The parameter.
        parameter: String,
    },
    /// The function may not read it.
    #[error(
        "{name}: the function may not read the SSM parameter {parameter:?}: give its role \
         ssm:GetParameter on it, and kms:Decrypt on its key"
    )]
    Denied {
        /// The secret's name.
        name: String,
        /// The parameter.
        parameter: String,
    },
    /// The extension answered something else.
    #[error("{name}: the AWS Parameters and Secrets extension answered {status}: {what}")]
    BadAnswer {
        /// The secret's name.
        name: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The source did not answer in time.
    #[error("{name}: {place} did not answer within {} ms", limit.as_millis())]
    TooSlow {
        /// The secret's name.
        name: String,
        /// Where it should have come from.
        place: String,
        /// How long was waited.
        limit: Duration,
    },
}
