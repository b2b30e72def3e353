use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_700_000_000_123;

/// As express-session 1.19 writes it.
const PLAIN: &str =
    r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"n":1}"#;
const AGING: &str = r#"{"cookie":{"originalMaxAge":3600000,"partitioned":true,"expires":"2023-11-14T23:13:20.123Z","secure":false,"httpOnly":true,"domain":"example.com","path":"/","sameSite":"lax"},"n":1}"#;

fn parse(text: &str) -> Result<Blob, BlobError> {
    Blob::parse(Bytes::copy_from_slice(text.as_bytes()))
}

fn with_cookie(cookie: &str) -> Blob {
    parse(&format!("{{\"cookie\":{cookie}}}")).unwrap()
}

fn text(blob: &Blob) -> String {
    String::from_utf8(blob.to_text().unwrap().to_vec()).unwrap()
}

#[test]
fn a_new_session_is_written_as_express_writes_it() {
    let cookie = BlobCookie {
        max_age: Some(Duration::from_secs(3600)),
        domain: Some("example.com".to_owned()),
        same_site: Some(SameSite::Lax),
        partitioned: true,
        ..BlobCookie::default()
    };
    let mut blob = Blob::new(&cookie, NOW);
    blob.set("n", b"1").unwrap();
    assert_eq!(text(&blob), AGING);
    assert_eq!(blob.ttl_seconds(NOW, DEFAULT_TTL_SECONDS), 3600);

    let cookie =
        BlobCookie { secure: true, same_site: Some(SameSite::Strict), ..BlobCookie::default() };
    assert_eq!(
        text(&Blob::new(&cookie, NOW)),
        r#"{"cookie":{"originalMaxAge":null,"expires":null,"secure":true,"httpOnly":true,"path":"/","sameSite":"strict"}}"#
    );
}

#[test]
fn what_is_not_changed_keeps_its_bytes_and_its_place() {
    let values = r#""a":1.50,"b":[ ],"c":"\u00e4\ud800\/","__proto__":{"x":1},"id":7,"d":123456789012345678901"#;
    let before = format!("{{\"z\":0,\"cookie\":{{\"path\":\"/\"}},{values}}}");
    let mut blob = parse(&before).unwrap();
    assert_eq!(text(&blob), before);
    blob.set("z", b" [1, 2] ").unwrap();
    blob.set("new", b"null").unwrap();
    assert_eq!(
        text(&blob),
        format!("{{\"z\":[1, 2],\"cookie\":{{\"path\":\"/\"}},{values},\"new\":null}}")
    );
    assert!(blob.remove("z") && blob.remove("new") && !blob.remove("absent"));
    assert_eq!(text(&blob), format!("{{\"cookie\":{{\"path\":\"/\"}},{values}}}"));
    assert_eq!(blob.get("__proto__").unwrap(), r#"{"x":1}"#);
}

#[test]
fn the_same_value_again_is_no_change() {
    let spaced = PLAIN.replace(',', " , ");
    let mut blob = parse(&spaced).unwrap();
    blob.set("n", b"1").unwrap();
    assert_eq!(text(&blob), spaced);
    assert!(!blob.remove("m"));
    assert_eq!(text(&blob), spaced);
}

#[test]
fn the_cookies_attributes_are_no_value() {
    let mut blob = parse(PLAIN).unwrap();
    assert_eq!(blob.get("cookie"), None);
    assert_eq!(blob.values().collect::<Vec<_>>(), [("n", &Bytes::from_static(b"1"))]);
    assert!(!blob.remove("cookie"));
    assert_eq!(blob.set("cookie", b"{}"), Err(BlobError::Name("cookie".into())));
    assert_eq!(text(&blob), PLAIN);
}

#[test]
fn names_that_express_would_drop_are_refused() {
    let mut blob = parse(PLAIN).unwrap();
    for name in DROPPED {
        assert_eq!(blob.set(name, b"1"), Err(BlobError::Name(name.into())));
    }
    blob.set("ids", b"1").unwrap();
}

#[test]
fn only_json_becomes_a_value() {
    let mut blob = parse(PLAIN).unwrap();
    for wrong in [&b""[..], b"1 2", b"{", b"undefined", b"1}", b"\"\xff\"", b"1,\"user\":\"eve\""] {
        assert_eq!(blob.set("v", wrong), Err(BlobError::Value("v".into())));
    }
    assert_eq!(text(&blob), PLAIN);
}

#[test]
fn a_touch_moves_the_end_and_keeps_the_other_attributes() {
    let mut blob = parse(&AGING.replace("\"path\"", "\"priority\":\"high\",\"path\"")).unwrap();
    blob.touch(NOW + 1_000);
    let expected = AGING.replace("23:13:20", "23:13:21");
    assert_eq!(text(&blob), expected.replace("\"path\"", "\"priority\":\"high\",\"path\""));
    assert_eq!(blob.ttl_seconds(NOW + 1_000, DEFAULT_TTL_SECONDS), 3600);

    let mut blob = parse(PLAIN).unwrap();
    blob.touch(NOW);
    assert_eq!(text(&blob), PLAIN);
}

#[test]
fn a_session_can_be_given_another_age() {
    let mut blob = parse(PLAIN).unwrap();
    blob.set_max_age(Some(Duration::from_secs(60)), NOW);
    assert_eq!(blob.max_age(), Some(60_000));
    assert_eq!(blob.expires(), Some(1_700_000_060_123));
    blob.set_max_age(None, NOW);
    assert_eq!(text(&blob), PLAIN);
}

#[test]
fn the_store_keeps_a_session_to_its_cookies_end_and_without_one_for_a_day() {
    let ttl = |cookie: &str| with_cookie(cookie).ttl_seconds(NOW, DEFAULT_TTL_SECONDS);
    for (end, seconds) in [
        ("2023-11-14T22:13:20.124Z", 1), // 1 ms ahead
        ("2023-11-14T22:13:21.123Z", 1),
        ("2023-11-14T22:13:21.124Z", 2),
        ("2023-11-14T22:13:20.123Z", 0),
        ("1969-01-01T00:00:00.000Z", 0),
    ] {
        assert_eq!(ttl(&format!(r#"{{"expires":"{end}"}}"#)), seconds, "{end}");
    }
    for none in ["{}", r#"{"expires":null}"#, r#"{"expires":false}"#, r#"{"expires":0}"#] {
        assert_eq!(ttl(none), 86_400, "{none}");
    }
    assert_eq!(ttl(r#"{"expires":"next week"}"#), 86_400);
    assert_eq!(ttl(r#"{"expires":1700000001123}"#), 1);
}

#[test]
fn odd_ages_do_no_harm() {
    for age in ["\"1\"", "{}", "true", "[1]", "1e400"] {
        let mut blob = with_cookie(&format!(r#"{{"originalMaxAge":{age}}}"#));
        assert_eq!(blob.max_age(), None, "{age}");
        blob.touch(NOW);
        assert_eq!(blob.expires(), None, "{age}");
    }
    for (age, end) in [
        ("-5", NOW as i64 - 5),
        ("1.9", NOW as i64 + 1),
        ("1e300", 8_640_000_000_000_000),
        ("-1e300", -8_640_000_000_000_000),
    ] {
        let mut blob = with_cookie(&format!(r#"{{"originalMaxAge":{age}}}"#));
        blob.touch(NOW);
        assert_eq!(blob.expires(), Some(end), "{age}");
    }
    let mut blob = with_cookie(r#"{"originalMaxAge":1}"#);
    blob.touch(u64::MAX);
    assert_eq!(blob.ttl_seconds(u64::MAX, 1), 0);
}

#[test]
fn texts_that_are_no_session_are_told_apart() {
    let refused = |text: &str| parse(text).unwrap_err();
    assert_eq!(refused(""), BlobError::NotJson);
    assert_eq!(refused("{\"cookie\":{}"), BlobError::NotJson);
    assert_eq!(refused("[{\"cookie\":{}}]"), BlobError::NotAnObject);
    assert_eq!(refused("{}"), BlobError::NoCookie);
    for cookie in ["null", "[]", "\"\"", "1"] {
        assert_eq!(refused(&format!("{{\"cookie\":{cookie}}}")), BlobError::NoCookie);
    }
    // The last one counts.
    assert_eq!(refused(r#"{"cookie":{},"cookie":null}"#), BlobError::NoCookie);
    assert!(parse(r#"{"cookie":null,"cookie":{}}"#).is_ok());
}

#[test]
fn the_size_is_limited_when_reading_and_when_writing() {
    let filler = "x".repeat(MAX_BLOB_BYTES - r#"{"cookie":{},"a":""}"#.len());
    let full = format!(r#"{{"cookie":{{}},"a":"{filler}"}}"#);
    let mut blob = parse(&full).unwrap();
    let longer = format!("{full} ");
    assert_eq!(parse(&longer).unwrap_err(), BlobError::TooLarge(MAX_BLOB_BYTES + 1));
    blob.set("b", b"1").unwrap();
    assert_eq!(blob.to_text(), Err(BlobError::TooLarge(MAX_BLOB_BYTES + 6)));
    assert!(blob.remove("a"));
    assert_eq!(text(&blob), r#"{"cookie":{},"b":1}"#);
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        values in prop::collection::vec((any::<String>(), any_json()), 0..8),
        age in proptest::option::of(0..400 * 86_400_000_u64),
    ) {
        let max_age = age.map(Duration::from_millis);
        let mut blob = Blob::new(&BlobCookie { max_age, ..BlobCookie::default() }, NOW);
        let mut expected = indexmap::IndexMap::new();
        for (name, value) in values {
            let value = value.to_string();
            blob.set(&name, value.as_bytes()).unwrap();
            expected.insert(name, value);
        }
        let read = Blob::parse(blob.to_text().unwrap()).unwrap();
        let values = |blob: &Blob| -> Vec<(String, Bytes)> {
            blob.values().map(|(name, value)| (name.to_owned(), value.clone())).collect()
        };
        prop_assert_eq!(values(&read), values(&blob));
        let expected: Vec<_> = expected.into_iter().map(|(k, v)| (k, Bytes::from(v))).collect();
        prop_assert_eq!(values(&read), expected);
        prop_assert_eq!(read.max_age(), age.map(|age| age as i64));
        prop_assert_eq!(read.expires(), age.map(|age| (NOW + age) as i64));
    }

    #[test]
    fn any_bytes_are_a_session_or_an_error(
        parts in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"", "\"cookie\":{", "\"cookie\"", "\"expires\":",
                    "\"originalMaxAge\":", "\"a\":", "1", "-0.5e9", "null", "\\ud800", " ",
                    "\"2023-11-14T22:13:20.123Z\"",
                ]).prop_map(|part| part.as_bytes().to_vec()),
                prop::collection::vec(any::<u8>(), 0..6),
            ],
            0..16,
        )
    ) {
        let text = Bytes::from(parts.concat());
        if let Ok(mut blob) = Blob::parse(text.clone()) {
            prop_assert_eq!(blob.to_text().unwrap(), text);
            blob.set("v", b"1").unwrap();
            blob.touch(NOW);
            let again = Blob::parse(blob.to_text().unwrap()).unwrap();
            prop_assert_eq!(again.get("v").unwrap(), "1");
            prop_assert_eq!(again.expires(), blob.expires());
        }
    }
}
