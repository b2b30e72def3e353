//! The store's URL and CA file, by the environment.

use std::path::PathBuf;

/// The store's URL: `REDIS_URL`, else `UPSTASH_REDIS_URL`; white space around
/// it is dropped and a blank value counts as unset.
///
/// ```
/// let url = tuckbox::url_from_env(|name| std::env::var(name).ok());
/// # let _ = url;
/// ```
pub fn url_from_env(lookup: impl Fn(&str) -> Option<String>) -> Option<String> {
    ["REDIS_URL", "UPSTASH_REDIS_URL"]
        .into_iter()
        .filter_map(lookup)
        .map(|url| url.trim().to_owned())
        .find(|url| !url.is_empty())
}

/// The file with the certificates to trust, for
/// [`Options::ca_file`](crate::Options::ca_file): `REDIS_CA_FILE`; a blank value
/// counts as unset. The URL's `cacert` parameter overrides it.
pub fn ca_file_from_env(lookup: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let path = lookup("REDIS_CA_FILE").map(|path| path.trim().to_owned());
    path.filter(|path| !path.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn redis_url_comes_before_upstash_redis_url() {
        let both = lookup(&[("UPSTASH_REDIS_URL", "redis://b"), ("REDIS_URL", "redis://a")]);
        assert_eq!(url_from_env(both).as_deref(), Some("redis://a"));
    }

    #[test]
    fn the_ca_file_has_a_variable_of_its_own() {
        let set = lookup(&[("REDIS_CA_FILE", " /etc/ca.pem ")]);
        assert_eq!(ca_file_from_env(set), Some("/etc/ca.pem".into()));
        assert_eq!(ca_file_from_env(lookup(&[("REDIS_CA_FILE", " ")])), None);
    }

    #[test]
    fn a_blank_value_counts_as_unset_and_space_is_trimmed() {
        let blank = lookup(&[("REDIS_URL", "  "), ("UPSTASH_REDIS_URL", " redis://b\n")]);
        assert_eq!(url_from_env(blank).as_deref(), Some("redis://b"));
        assert_eq!(url_from_env(lookup(&[("REDIS_URL", "")])), None);
    }
}
