//! [`Visitor`]: what a request says of who sends it.

use std::{fmt, net::IpAddr, sync::Arc};

use http::{Extensions, HeaderMap, HeaderValue, header::USER_AGENT};

/// The longest part of a user agent that is kept, in bytes.
const MAX_AGENT_BYTES: usize = 256;

/// What requests without a cookie of robots and probes do to the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Robots {
    /// Their sessions live for the request only: nothing is stored, and no
    /// cookie is set. The default. A robot is a request without a session
    /// cookie whose user agent says so (`bot`, `crawler`, `spider`, the health
    /// checkers of Google, AWS, Azure and Kubernetes).
    #[default]
    Forget,
    /// They are like others.
    Keep,
}

/// Finds the client's address in a request.
#[derive(Clone)]
pub(crate) struct AddressOf(Arc<FindAddress>);

type FindAddress = dyn Fn(&HeaderMap, &Extensions) -> Option<IpAddr> + Send + Sync;

impl AddressOf {
    pub(crate) fn new(
        find: impl Fn(&HeaderMap, &Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(find))
    }
}

impl fmt::Debug for AddressOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressOf")
    }
}

/// What a request says of who sends it.
#[derive(Debug, Default)]
pub(crate) struct Visitor {
    agent: Option<HeaderValue>,
    pub(crate) address: Option<IpAddr>,
}

impl Visitor {
    /// Costs no more than a reference count, so that every request can.
    pub(crate) fn of(
        headers: &HeaderMap,
        extensions: &Extensions,
        address_of: Option<&AddressOf>,
    ) -> Self {
        let address = address_of.and_then(|find| (find.0)(headers, extensions));
        Self { agent: headers.get(USER_AGENT).cloned(), address }
    }

    /// The user agent as text, cut at [`MAX_AGENT_BYTES`].
    pub(crate) fn agent(&self) -> Option<String> {
        let agent = self.agent.as_ref()?.as_bytes();
        let agent = agent.get(..MAX_AGENT_BYTES).unwrap_or(agent);
        Some(String::from_utf8_lossy(agent).into_owned())
    }

    /// Whether the user agent says that it is a program without a person.
    pub(crate) fn is_robot(&self) -> bool {
        const WORDS: [&[u8]; 8] = [
            b"bot",
            b"crawler",
            b"spider",
            b"slurp",
            b"googlehc",
            b"healthcheck",
            b"kube-probe",
            b"edge health probe",
        ];
        let Some(agent) = &self.agent else { return false };
        let agent = agent.as_bytes();
        let agent = agent.get(..MAX_AGENT_BYTES).unwrap_or(agent);
        let has = |word: &[u8]| agent.windows(word.len()).any(|at| at.eq_ignore_ascii_case(word));
        WORDS.into_iter().any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(agent: &'static str) -> Visitor {
        let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(agent))]);
        Visitor::of(&headers, &Extensions::new(), None)
    }

    #[test]
    fn robots_and_probes_are_told_from_browsers() {
        for robot in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "GoogleHC/1.0",
            "ELB-HealthChecker/2.0",
            "kube-probe/1.29",
            "Mozilla/5.0 (compatible; Baiduspider/2.0)",
        ] {
            assert!(visitor(robot).is_robot(), "{robot}");
        }
        for person in [
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15",
            "curl/8.5.0",
        ] {
            assert!(!visitor(person).is_robot(), "{person}");
        }
        assert!(!Visitor::default().is_robot());
    }

    #[test]
    fn a_long_user_agent_is_cut() {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_bytes(&[0xe4; 1000]).unwrap());
        let visitor = Visitor::of(&headers, &Extensions::new(), None);
        assert_eq!(visitor.agent().unwrap().chars().count(), MAX_AGENT_BYTES);
    }
}
