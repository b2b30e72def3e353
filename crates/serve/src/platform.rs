//! Where the process runs.

use std::fmt;

/// Where the process runs, by what the platform says in the environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Platform {
    /// A machine of one's own, or any that is not known here.
    #[default]
    Local,
    /// A sandbox of AWS Lambda (`AWS_LAMBDA_RUNTIME_API` or `AWS_LAMBDA_FUNCTION_NAME` is set).
    Lambda,
    /// A container of Google Cloud Run (`K_SERVICE` is set).
    CloudRun,
}

impl Platform {
    /// Reads the process's environment.
    #[must_use]
    pub fn detect() -> Self {
        Self::from_lookup(|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// The same through `lookup`, which is asked for each variable's name.
    #[must_use]
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| lookup(name).is_some_and(|value| !value.trim().is_empty());
        // Both platforms run containers of the same kind; these names are their own.
        if set("AWS_LAMBDA_RUNTIME_API") || set("AWS_LAMBDA_FUNCTION_NAME") {
            Self::Lambda
        } else if set("K_SERVICE") {
            Self::CloudRun
        } else {
            Self::Local
        }
    }

    /// Whether the disk and the memory are lost with a sandbox that the platform ends when it
    /// likes, and that is one of many.
    #[must_use]
    pub fn is_ephemeral(self) -> bool {
        self != Self::Local
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "this machine",
            Self::Lambda => "AWS Lambda",
            Self::CloudRun => "Cloud Run",
        })
    }
}

/// A program would keep its data where they do not last; see
/// [`Config::require_durable`](crate::Config::require_durable).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a database within the process ({scheme}:) would not last here: {platform} ends a sandbox when \
     it likes, with its disk and memory, and runs several that would not see each other's data. \
     Use a server that all of them share, such as redis:// or rediss://. If the directory is on a \
     volume that outlives the sandbox and only one runs at a time, say so with \
     DATA_VOLUME=persistent"
)]
pub struct NotDurable {
    pub(crate) scheme: &'static str,
    pub(crate) platform: Platform,
}

impl NotDurable {
    /// The scheme of a URL that means a database within the process, if it is one.
    pub(crate) fn scheme_of(url: &str) -> Option<&'static str> {
        let (scheme, _) = url.trim_start().split_once(':')?;
        ["file", "memory"].into_iter().find(|known| known.eq_ignore_ascii_case(scheme))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(pairs: &[(&str, &str)]) -> Platform {
        Platform::from_lookup(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn each_platform_is_known_by_its_own_variables() {
        assert_eq!(detect(&[]), Platform::Local);
        assert_eq!(detect(&[("K_SERVICE", " ")]), Platform::Local);
        assert_eq!(detect(&[("K_SERVICE", "lessons")]), Platform::CloudRun);
        assert_eq!(detect(&[("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")]), Platform::Lambda);
        assert_eq!(detect(&[("AWS_LAMBDA_FUNCTION_NAME", "lessons")]), Platform::Lambda);
    }

    #[test]
    fn databases_within_the_process_are_known_by_their_scheme() {
        for (url, scheme) in [
            ("file:./data", Some("file")),
            ("FILE:/mnt", Some("file")),
            ("memory:", Some("memory")),
            ("redis://files", None),
            ("redis+unix:///file:", None),
            ("nonsense", None),
        ] {
            assert_eq!(NotDurable::scheme_of(url), scheme, "{url}");
        }
    }
}
