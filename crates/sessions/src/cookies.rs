//! [`Cookies`]: how the cookie looks, and how it is read from a request.

use std::{fmt::Write as _, time::Duration};

use http::{HeaderMap, HeaderValue, header::COOKIE};

use crate::{
    ConfigError, KeyRing,
    express::{BlobCookie, SidSecrets},
    id::{ID_LENGTH, Id},
};

/// What a cookie's signature is for; another use of the key ring has another.
const SIGNED_FOR: &[u8] = b"session cookie";

/// The longest signature behind an id, with its point.
const SIGNATURE_LENGTH: usize = 23;

/// The longest name and value together that a browser keeps (RFC 6265bis, 5.6).
const MAX_COOKIE_BYTES: usize = 4096;

/// The longest value of an attribute; browsers pass over longer ones (RFC
/// 6265bis, 5.6), and the cookie would have another path or domain.
const MAX_ATTRIBUTE_BYTES: usize = 1024;

/// How the session's cookie looks: name and attributes.
///
/// Start from [`Cookies::secure`], or on a plain HTTP development server from
/// [`Cookies::plain`]. A combination that browsers drop or that protects
/// nothing is refused when the [`Config`](crate::Config) is built. All cookies
/// are `HttpOnly`.
///
/// ```
/// use tuckbox_sessions::{Config, Cookies, SameSite};
///
/// let cookies = Cookies::secure().same_site(SameSite::Strict);
/// assert!(Config::builder().cookies(cookies).build().is_ok());
///
/// let cookies = Cookies::secure().domain("example.com"); // but `__Host-` allows none
/// assert!(Config::builder().cookies(cookies).build().is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Cookies {
    name: String,
    secure: bool,
    path: String,
    domain: Option<String>,
    same_site: SameSite,
    partitioned: bool,
    persistent: bool,
    signed: Option<KeyRing>,
    profile: Option<Profile>,
}

/// Cookies for a place that has its own rules; see [`Cookies::profile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// Links from other sites begin without the session: `SameSite=Strict`.
    /// Returning from a payment or an OAuth provider counts as such a link.
    Strict,
    /// [`Cookies::secure`].
    Lax,
    /// For pages that others show in a frame: `SameSite=None`, `Partitioned`
    /// (CHIPS), so that each embedding site has a session of its own. Needs
    /// protection against CSRF of your own.
    EmbeddedPartitioned,
    /// Behind Firebase Hosting, which takes every cookie out of a request but
    /// `__session`.
    FirebaseHosting,
}

/// Which requests from other sites carry the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// None of them, not even a followed link.
    Strict,
    /// Top-level navigation by a safe method, such as a followed link.
    Lax,
    /// All of them; needs `Secure`, and protection against CSRF of your own.
    None,
}

impl Cookies {
    /// For HTTPS: `__Host-session`, `Secure`, `Path=/`, `SameSite=Lax`. The
    /// prefix makes browsers refuse such a cookie from plain HTTP and from
    /// other hosts of the domain.
    #[must_use]
    pub fn secure() -> Self {
        Self {
            name: "__Host-session".to_owned(),
            secure: true,
            path: "/".to_owned(),
            domain: None,
            same_site: SameSite::Lax,
            partitioned: false,
            persistent: true,
            signed: None,
            profile: None,
        }
    }

    /// For a place that has its own rules, on HTTPS.
    ///
    /// ```
    /// use tuckbox_sessions::{Config, Cookies, Profile};
    ///
    /// let cookies = Cookies::profile(Profile::FirebaseHosting);
    /// assert_eq!(Config::builder().cookies(cookies).build()?.cookie_name(), "__session");
    /// # Ok::<(), tuckbox_sessions::ConfigError>(())
    /// ```
    #[must_use]
    pub fn profile(profile: Profile) -> Self {
        let cookies = Self { profile: Some(profile), ..Self::secure() };
        match profile {
            Profile::Strict => cookies.same_site(SameSite::Strict),
            Profile::Lax => cookies,
            Profile::EmbeddedPartitioned => cookies.same_site(SameSite::None).partitioned(),
            Profile::FirebaseHosting => cookies.name("__session"),
        }
    }

    /// For plain HTTP on one's own machine: `session`, `Path=/`,
    /// `SameSite=Lax`, without `Secure`. Anyone on the path between can read
    /// such a cookie.
    #[must_use]
    pub fn plain() -> Self {
        Self { name: "session".to_owned(), secure: false, ..Self::secure() }
    }

    /// Another name. Names that start with `__Host-` or `__Secure-` make
    /// browsers check what the prefix promises.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Another path: the cookie is sent to it and below only.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sends the cookie to all hosts of `domain`, not just to the one that set
    /// it. Each of those hosts can then read and replace it.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Which requests from other sites carry the cookie.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Keeps the cookie of each embedding site apart (`Partitioned`, CHIPS).
    #[must_use]
    pub fn partitioned(mut self) -> Self {
        self.partitioned = true;
        self
    }

    /// Leaves out `Max-Age`: browsers drop the cookie when they are closed, as
    /// far as they do that. By default it lives in the browser as long as the
    /// session may be idle, and is sent again with each slide.
    #[must_use]
    pub fn until_browser_closes(mut self) -> Self {
        self.persistent = false;
        self
    }

    /// Signs the cookie with the current key of `ring` (HMAC-SHA256, 128 bits),
    /// 23 bytes more. An id cannot be guessed anyway; but one that was made up
    /// then never reaches the store. A cookie without a signature, or with one
    /// of no key in the ring, is nobody's session.
    #[must_use]
    pub fn signed(mut self, ring: KeyRing) -> Self {
        self.signed = Some(ring);
        self
    }

    pub(crate) fn is_signed(&self) -> bool {
        self.signed.is_some()
    }

    /// The attributes as Express stores them with a session, for `max_age`.
    pub(crate) fn blob_cookie(&self, max_age: Duration) -> BlobCookie {
        BlobCookie {
            max_age: self.persistent.then_some(max_age),
            secure: self.secure,
            http_only: true,
            domain: self.domain.clone(),
            path: self.path.clone(),
            same_site: Some(self.same_site),
            partitioned: self.partitioned,
        }
    }

    /// Refuses what browsers would drop or what contradicts itself.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if self.name.is_empty() || !self.name.bytes().all(token) {
            return Err(ConfigError::CookieName);
        }
        if self.name.len() + ID_LENGTH + SIGNATURE_LENGTH > MAX_COOKIE_BYTES {
            return Err(ConfigError::CookieTooLong);
        }
        let in_attribute = |b: u8| (0x21..0x7f).contains(&b) && b != b';';
        let fits = |attribute: &str| attribute.len() <= MAX_ATTRIBUTE_BYTES;
        if !self.path.starts_with('/') || !self.path.bytes().all(in_attribute) || !fits(&self.path)
        {
            return Err(ConfigError::CookiePath);
        }
        if let Some(domain) = &self.domain {
            let in_host = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
            if domain.trim_matches('.').is_empty() || !domain.bytes().all(in_host) || !fits(domain)
            {
                return Err(ConfigError::CookieDomain);
            }
        }
        // Browsers compare the prefixes without regard to case.
        let has_prefix = |prefix: &str| {
            self.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if has_prefix("__Host-") && (!self.secure || self.path != "/" || self.domain.is_some()) {
            return Err(ConfigError::HostPrefix);
        }
        if (has_prefix("__Secure-") || has_prefix("__Http-")) && !self.secure {
            return Err(ConfigError::SecurePrefix);
        }
        if self.same_site == SameSite::None && !self.secure {
            return Err(ConfigError::SameSiteNone);
        }
        if self.partitioned && !self.secure {
            return Err(ConfigError::Partitioned);
        }
        if self.profile == Some(Profile::FirebaseHosting) && self.name != "__session" {
            return Err(ConfigError::FirebaseName);
        }
        Ok(())
    }
}

/// What stands behind an id in the cookie's value.
#[derive(Clone, Debug)]
enum Signature {
    None,
    Own(KeyRing),
    Express(SidSecrets),
}

/// [`Cookies`] that passed their check, ready to be read and sent.
#[derive(Clone, Debug)]
pub(crate) struct CookieForm {
    name: String,
    persistent: bool,
    signature: Signature,
    /// Everything behind the value of a cookie that is set.
    tail: String,
    removal: String,
}

impl CookieForm {
    /// `cookies`, which passed [`Cookies::check`], living for `max_age`.
    pub(crate) fn new(cookies: &Cookies, max_age: Duration) -> Self {
        let name = cookies.name.clone();
        let max_age = cookies.persistent.then_some(max_age.as_secs());
        let tail = attributes(cookies, max_age);
        let removal = format!("{name}={}", attributes(cookies, Some(0)));
        let signature = cookies.signed.clone().map_or(Signature::None, Signature::Own);
        Self { name, persistent: cookies.persistent, signature, tail, removal }
    }

    /// The same with values as Express signs them.
    pub(crate) fn express(mut self, secrets: SidSecrets) -> Self {
        self.signature = Signature::Express(secrets);
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the cookie has a time to live, which slides with the session's.
    pub(crate) fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// Reads the cookie from a request's headers, without allocating.
    ///
    /// Several cookies of its name are nobody's session: a host beside this one
    /// may have planted the other, and there is no telling which is which.
    pub(crate) fn presented(&self, headers: &HeaderMap) -> Presented {
        let mut found = Presented::Nothing;
        for header in headers.get_all(COOKIE) {
            for value in values_of(header.as_bytes(), &self.name) {
                found = match (found, self.id_in(value)) {
                    (Presented::Nothing, Some(id)) => Presented::Id(id),
                    _ => Presented::Unusable,
                };
            }
        }
        found
    }

    /// The id in a cookie's value, if it has the shape of one and is signed
    /// where it must be.
    fn id_in(&self, value: &[u8]) -> Option<Id> {
        let ring = match &self.signature {
            Signature::None => return Id::parse(value),
            Signature::Own(ring) => ring,
            Signature::Express(secrets) => return secrets.read(value).map(Id::Express),
        };
        let (id, signature) = value.split_at_checked(ID_LENGTH)?;
        let tag = signature.strip_prefix(b".")?;
        let id = Id::parse(id)?;
        ring.verify(SIGNED_FOR, id.as_bytes(), tag).map(|_| id)
    }

    /// The `Set-Cookie` header that gives the browser `id`.
    pub(crate) fn set(&self, id: &Id) -> HeaderValue {
        let length = self.name.len() + 1 + ID_LENGTH + SIGNATURE_LENGTH + self.tail.len();
        let mut text = Vec::with_capacity(length);
        text.extend_from_slice(self.name.as_bytes());
        text.push(b'=');
        match (&self.signature, id) {
            (Signature::Express(secrets), Id::Express(sid)) => {
                text.extend_from_slice(secrets.sign(sid).as_bytes());
            }
            (Signature::Own(ring), id) => {
                text.extend_from_slice(id.as_bytes());
                text.push(b'.');
                text.extend_from_slice(ring.sign(SIGNED_FOR, id.as_bytes()).as_bytes());
            }
            _ => text.extend_from_slice(id.as_bytes()),
        }
        text.extend_from_slice(self.tail.as_bytes());
        header(text)
    }

    /// The `Set-Cookie` header that takes the cookie away: the same attributes,
    /// else browsers would keep the cookie (or, with `__Host-`, drop the header).
    pub(crate) fn remove(&self) -> HeaderValue {
        header(self.removal.clone().into_bytes())
    }
}

/// The attributes; those of the cookie and of its removal differ in `max_age`.
fn attributes(cookies: &Cookies, max_age: Option<u64>) -> String {
    let mut text = format!("; Path={}", cookies.path);
    if let Some(seconds) = max_age {
        // Writing to a String does not fail.
        let _ = write!(text, "; Max-Age={seconds}");
    }
    text.push_str("; HttpOnly");
    text.push_str(match cookies.same_site {
        SameSite::Strict => "; SameSite=Strict",
        SameSite::Lax => "; SameSite=Lax",
        SameSite::None => "; SameSite=None",
    });
    if let Some(domain) = &cookies.domain {
        let _ = write!(text, "; Domain={domain}");
    }
    if cookies.secure {
        text.push_str("; Secure");
    }
    if cookies.partitioned {
        text.push_str("; Partitioned");
    }
    text
}

fn header(text: Vec<u8>) -> HeaderValue {
    #[expect(clippy::expect_used, reason = "name and attributes were checked, ids are ASCII")]
    let mut value = HeaderValue::try_from(text).expect("a checked cookie is visible ASCII");
    value.set_sensitive(true);
    value
}

/// What a request presents as its session cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    /// No cookie of that name.
    Nothing,
    /// One that cannot be ours, or several: nobody's session.
    Unusable,
    /// One with the shape of an id. Whether it is one, the store knows.
    Id(Id),
}

/// The values of all cookies called `name` in one `Cookie` header.
fn values_of<'a>(header: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    header
        .split(|b| *b == b';')
        .filter_map(move |pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(headers: &[&[u8]]) -> Presented {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(COOKIE, HeaderValue::from_bytes(header).unwrap());
        }
        CookieForm::new(&Cookies::plain(), Duration::from_secs(1)).presented(&map)
    }

    fn id(letter: u8) -> (String, Presented) {
        let text = [letter; ID_LENGTH];
        (String::from_utf8(text.to_vec()).unwrap(), Presented::Id(Id::parse(&text).unwrap()))
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let (text, id) = id(b'a');
        assert_eq!(read(&[format!("session={text}").as_bytes()]), id);
        assert_eq!(read(&[format!("a=b; session={text};c=d").as_bytes()]), id);
        assert_eq!(read(&[b"a=b", format!("session={text}").as_bytes()]), id);
        let others = format!("xsession={text}; session2={text}; Session={text}; session");
        assert_eq!(read(&[others.as_bytes()]), Presented::Nothing);
        assert_eq!(read(&[]), Presented::Nothing);
    }

    #[test]
    fn malformed_oversized_and_non_ascii_cookies_are_nobodys_session() {
        for value in ["", "short", "\"quoted\"", "ä", &"a".repeat(53), &"a".repeat(100_000)] {
            let header = format!("session={value}");
            assert_eq!(read(&[header.as_bytes()]), Presented::Unusable, "{value:.9}");
        }
        let mut header = b"session=".to_vec();
        header.extend([0xff; ID_LENGTH]);
        assert_eq!(read(&[&header]), Presented::Unusable);
    }

    #[test]
    fn several_cookies_of_the_name_are_nobodys_session() {
        let (one, other) = (id(b'a').0, id(b'b').0);
        let in_one_header = format!("session={one}; session={other}");
        assert_eq!(read(&[in_one_header.as_bytes()]), Presented::Unusable);
        let same = format!("session={one}");
        assert_eq!(read(&[same.as_bytes(), same.as_bytes()]), Presented::Unusable);
        let third = format!("session=x; session=y; session={one}");
        assert_eq!(read(&[third.as_bytes()]), Presented::Unusable);
    }

    #[test]
    fn the_removal_has_the_attributes_of_the_cookie() {
        let cookies = Cookies::secure();
        let form = CookieForm::new(&cookies, Duration::from_secs(3600));
        let (text, id) = id(b'a');
        let Presented::Id(id) = id else { unreachable!() };
        assert_eq!(
            form.set(&id).as_bytes(),
            format!("__Host-session={text}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure")
                .as_bytes()
        );
        assert_eq!(
            form.remove().as_bytes(),
            b"__Host-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
        );
    }

    #[test]
    fn a_cookie_until_the_browser_closes_has_no_max_age_but_its_removal_has() {
        let cookies = Cookies::profile(Profile::EmbeddedPartitioned).until_browser_closes();
        let form = CookieForm::new(&cookies, Duration::from_secs(3600));
        let set = form.set(&Id::random().unwrap());
        let set = set.to_str().unwrap();
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=None; Secure; Partitioned"), "{set}");
        assert!(form.remove().to_str().unwrap().contains("; Max-Age=0;"));
    }

    #[test]
    fn a_signed_cookie_reads_back_and_no_other_value_does() {
        let ring = |secret: &[u8]| KeyRing::single(secret).unwrap();
        let form = |ring| CookieForm::new(&Cookies::plain().signed(ring), Duration::from_secs(1));
        let mine = form(ring(&[1; 32]));
        let id = Id::random().unwrap();
        let set = mine.set(&id);
        let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        let read = |form: &CookieForm, pair: &str| {
            let header = HeaderValue::from_str(pair).unwrap();
            form.presented(&HeaderMap::from_iter([(COOKIE, header)]))
        };
        assert_eq!(read(&mine, &pair), Presented::Id(id));
        assert_eq!(read(&form(ring(&[2; 32])), &pair), Presented::Unusable);
        for end in 8..pair.len() {
            assert_eq!(read(&mine, &pair[..end]), Presented::Unusable, "{end}");
        }
    }

    #[test]
    fn a_cookie_header_is_not_shown_by_debug() {
        let form = CookieForm::new(&Cookies::plain(), Duration::from_secs(1));
        assert_eq!(format!("{:?}", form.set(&Id::random().unwrap())), "Sensitive");
    }

    #[test]
    fn combinations_that_browsers_drop_are_refused() {
        use ConfigError as E;
        let secure = Cookies::secure;
        let plain = Cookies::plain;
        let refused = [
            (secure().domain("example.com"), E::HostPrefix),
            (secure().path("/app"), E::HostPrefix),
            (plain().name("__host-x"), E::HostPrefix),
            (plain().name("__Secure-x"), E::SecurePrefix),
            (plain().same_site(SameSite::None), E::SameSiteNone),
            (plain().partitioned(), E::Partitioned),
            (Cookies::profile(Profile::FirebaseHosting).name("session"), E::FirebaseName),
            (plain().name(""), E::CookieName),
            (plain().name("a b"), E::CookieName),
            (plain().name("a=b"), E::CookieName),
            (plain().name("sitzüng"), E::CookieName),
            (plain().name("n".repeat(4096)), E::CookieTooLong),
            (plain().path("app"), E::CookiePath),
            (plain().path("/a "), E::CookiePath),
            (plain().path(format!("/{}", "a".repeat(1024))), E::CookiePath),
            (plain().domain("a".repeat(1025)), E::CookieDomain),
            (plain().name("__Http-x"), E::SecurePrefix),
            (plain().path("/a; Domain=evil"), E::CookiePath),
            (plain().path("/a\r\nX: y"), E::CookiePath),
            (plain().domain(""), E::CookieDomain),
            (plain().domain("."), E::CookieDomain),
            (plain().domain("a;b"), E::CookieDomain),
        ];
        for (cookies, error) in refused {
            assert_eq!(cookies.check(), Err(error), "{cookies:?}");
        }
        for cookies in [
            secure(),
            plain(),
            plain().name("__session").path("/app").domain("example.com"),
            secure().name("__Secure-x").domain("example.com").same_site(SameSite::None),
            Cookies::profile(Profile::Strict),
            Cookies::profile(Profile::Lax),
            Cookies::profile(Profile::EmbeddedPartitioned),
            Cookies::profile(Profile::FirebaseHosting),
        ] {
            assert_eq!(cookies.check(), Ok(()), "{cookies:?}");
        }
    }

    /// The slow and obvious reading, to compare with.
    fn read_plainly(header: &[u8]) -> Presented {
        let mut values = Vec::new();
        for pair in header.split(|b| *b == b';') {
            let pair = pair.trim_ascii();
            if pair.starts_with(b"session=") {
                values.push(pair[8..].to_vec());
            }
        }
        match values.as_slice() {
            [] => Presented::Nothing,
            [one] => Id::parse(one).map_or(Presented::Unusable, Presented::Id),
            _ => Presented::Unusable,
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic_and_as_the_obvious_reading(
            parts in prop::collection::vec(
                prop_oneof![
                    Just(b"session=".to_vec()),
                    Just(b";".to_vec()),
                    Just(b"; ".to_vec()),
                    Just(b"=".to_vec()),
                    "[A-Za-z0-9_-]{52}".prop_map(String::into_bytes),
                    prop::collection::vec(0x20u8..=0xff, 0..8)
                        .prop_map(|bytes| bytes.into_iter().filter(|b| *b != 0x7f).collect()),
                ],
                0..12,
            )
        ) {
            let header = parts.concat();
            prop_assert_eq!(read(&[&header]), read_plainly(&header));
        }
    }
}
