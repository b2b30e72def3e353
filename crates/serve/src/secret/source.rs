//! Where a secret comes from.

use std::{fmt, fs::File, io::Read as _, path::PathBuf, sync::Arc};

use super::{SecretError, SecretText};

/// Longest secret. Sources of secrets hold less.
const SECRET_BYTES_MAX: u64 = 64 << 10;

pub(super) enum Source {
    Text(SecretText),
    File(PathBuf),
    #[cfg(feature = "secrets-ssm")]
    Ssm(super::ssm::Parameter),
}

impl Source {
    pub(super) fn from_lookup(
        name: &str,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, SecretError> {
        let mut found: Option<(String, &str, String)> = None;
        for suffix in ["", "_FILE", "_SSM_PARAMETER"] {
            let variable = format!("{name}{suffix}");
            let value = lookup(&variable).map(|value| value.trim().to_owned());
            let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
            if let Some((first, ..)) = found {
                return Err(SecretError::Twice { first, second: variable });
            }
            found = Some((variable, suffix, value));
        }
        let Some((variable, suffix, value)) = found else { return Ok(None) };
        match suffix {
            "" => Ok(Some(Self::Text(SecretText(value.into())))),
            "_FILE" => Ok(Some(Self::File(value.into()))),
            _ => parameter(variable, value, lookup).map(Some),
        }
    }

    pub(super) async fn read(&self, name: &str) -> Result<SecretText, SecretError> {
        let text = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::File(path) => read_file(name, path).await?,
            #[cfg(feature = "secrets-ssm")]
            Self::Ssm(parameter) => parameter.read(name).await?,
        };
        let unusable = |what| {
            Err(SecretError::Unusable { name: name.to_owned(), place: self.to_string(), what })
        };
        match text.trim() {
            "" => unusable("empty"),
            text if text.contains(['\0', '\n', '\r']) => unusable("more than one line"),
            text => Ok(SecretText(text.into())),
        }
    }
}

#[cfg(feature = "secrets-ssm")]
fn parameter(
    _: String,
    value: String,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Source, SecretError> {
    Ok(Source::Ssm(super::ssm::Parameter::new(value, lookup)))
}

#[cfg(not(feature = "secrets-ssm"))]
fn parameter(
    variable: String,
    _: String,
    _: &dyn Fn(&str) -> Option<String>,
) -> Result<Source, SecretError> {
    Err(SecretError::LeftOut { variable, feature: "secrets-ssm" })
}

/// Reads the file on another thread: a mounted secret may be fetched over the network only now.
async fn read_file(name: &str, path: &std::path::Path) -> Result<String, SecretError> {
    let error = |source| SecretError::File {
        name: name.to_owned(),
        path: path.to_owned(),
        source: Arc::new(source),
    };
    let opened = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        File::open(opened)?.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    let bytes = read.await.unwrap_or_else(|ended| Err(std::io::Error::other(ended)));
    let bytes = bytes.map_err(error)?;
    let unusable = |what| SecretError::Unusable {
        name: name.to_owned(),
        place: Source::File(path.to_owned()).to_string(),
        what,
    };
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(unusable("too long for a secret"));
    }
    String::from_utf8(bytes).map_err(|_| unusable("no UTF-8 text"))
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("the environment"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            #[cfg(feature = "secrets-ssm")]
            Self::Ssm(parameter) => write!(f, "the SSM parameter {:?}", parameter.name()),
        }
    }
}
