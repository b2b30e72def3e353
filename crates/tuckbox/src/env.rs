//! The URL of the store, by the environment.

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
    fn a_blank_value_counts_as_unset_and_space_is_trimmed() {
        let blank = lookup(&[("REDIS_URL", "  "), ("UPSTASH_REDIS_URL", " redis://b\n")]);
        assert_eq!(url_from_env(blank).as_deref(), Some("redis://b"));
        assert_eq!(url_from_env(lookup(&[("REDIS_URL", "")])), None);
    }
}
