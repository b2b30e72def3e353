use proptest::prelude::*;

use super::*;

fn ring(names: &[(&str, u8)]) -> KeyRing {
    let text: Vec<String> = names.iter().map(|(name, byte)| entry(name, &[*byte; 32])).collect();
    KeyRing::parse(&text.join(",")).unwrap()
}

fn entry(name: &str, secret: &[u8]) -> String {
    let mut text = vec![0; secret.len() * 2 + 4];
    let length = general_purpose::STANDARD.encode_slice(secret, &mut text).unwrap();
    format!("{name}:{}", std::str::from_utf8(&text[..length]).unwrap())
}

fn refused(text: &str) -> KeyRingError {
    KeyRing::parse(text).unwrap_err()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn keys_are_derived_by_hkdf() {
    // RFC 5869, A.3: no salt and no info.
    let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d";
    assert_eq!(hex(&*expand(&[0x0b; 22], b"")), expected);
    // By Python's hmac; the text of the purpose never changes.
    let expected = "d23e6dacbf34981caf993fc7a8056a9831543f31e49ed4c49d94be30ce45358e";
    assert_eq!(hex(&*expand(&[2; 32], SEALING)), expected);
    assert_ne!(*expand(&[2; 32], SEALING), *expand(&[2; 32], SIGNING));
}

#[test]
fn signatures_are_hmac_sha_256() {
    // RFC 4231, 4.2 and 4.7 (a key longer than a block).
    let mut mac = signer(&[0x0b; 20]);
    mac.update(b"Hi There");
    let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
    assert_eq!(hex(&mac.finalize().into_bytes()), expected);
    let mut mac = signer(&[0xaa; 131]);
    mac.update(b"Test Using Larger Than Block-Size Key - Hash Key First");
    let expected = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54";
    assert_eq!(hex(&mac.finalize().into_bytes()), expected);
}

#[test]
fn the_signature_of_a_cookie_does_not_change() {
    // By Python: the first 16 bytes of HMAC-SHA256(HKDF(secret), u64 length of
    // the context, context, value).
    let tag = ring(&[("k2", 2)]).sign(b"session", &[b'a'; 52]);
    assert_eq!(tag.as_bytes(), b"wP3C92nf0KjevVA4XqYkXw");
}

#[test]
fn a_signature_is_good_for_its_context_and_value_only() {
    let ring = ring(&[("k1", 1)]);
    let tag = ring.sign(b"session", b"value");
    assert_eq!(ring.verify(b"session", b"value", tag.as_bytes()), Some(Freshness::Current));
    assert_eq!(ring.verify(b"session", b"valuf", tag.as_bytes()), None);
    assert_eq!(ring.verify(b"sessio", b"nvalue", tag.as_bytes()), None);
    assert_eq!(ring.verify(b"", b"sessionvalue", tag.as_bytes()), None);
}

#[test]
fn after_a_rotation_old_signatures_hold_until_their_key_is_taken_out() {
    let before = ring(&[("k1", 1)]);
    let rotated = ring(&[("k2", 2), ("k1", 1)]);
    let after = ring(&[("k2", 2)]);
    let tag = before.sign(b"c", b"v");
    assert_eq!(rotated.verify(b"c", b"v", tag.as_bytes()), Some(Freshness::Old));
    assert_eq!(after.verify(b"c", b"v", tag.as_bytes()), None);
    let tag = rotated.sign(b"c", b"v");
    assert_eq!(after.verify(b"c", b"v", tag.as_bytes()), Some(Freshness::Current));
    assert_eq!(before.verify(b"c", b"v", tag.as_bytes()), None);
}

#[test]
fn every_other_spelling_of_a_signature_is_refused() {
    let ring = ring(&[("k1", 1)]);
    let tag = ring.sign(b"c", b"v").0;
    for place in 0..TAG_LENGTH {
        for byte in 0..=u8::MAX {
            let mut changed = tag;
            changed[place] = byte;
            let holds = ring.verify(b"c", b"v", &changed).is_some();
            assert_eq!(holds, changed == tag, "{byte:#x} at {place}");
        }
    }
    assert!(ring.verify(b"c", b"v", &tag[..21]).is_none());
    assert!(ring.verify(b"c", b"v", &[&tag[..], b"="].concat()).is_none());
    assert!(ring.verify(b"c", b"v", b"").is_none());
}

#[test]
fn a_ring_is_read_from_text_as_people_paste_it() {
    let secret = [0xfb, 0xff, 0xbf].repeat(11);
    let standard = entry("k1", &secret);
    let url_safe = standard.replace('+', "-").replace('/', "_");
    assert!(url_safe.contains('-') && url_safe.contains('_'));
    let expected = KeyRing::single(&secret).unwrap().sign(b"c", b"v");
    let pasted = format!("\n {} ,\n", standard.replace(':', " : "));
    for text in [&standard, &url_safe, &pasted] {
        assert_eq!(KeyRing::parse(text).unwrap().sign(b"c", b"v"), expected, "{text}");
    }
    let padded = entry("k1", &[7; 32]);
    assert!(padded.ends_with('='));
    let (padded, bare) = (KeyRing::parse(&padded), KeyRing::parse(padded.trim_end_matches('=')));
    assert_eq!(padded.unwrap().sign(b"", b""), bare.unwrap().sign(b"", b""));
}

#[test]
fn the_first_key_of_a_text_is_the_current_one() {
    let both = ring(&[("b", 2), ("a", 1)]);
    assert_eq!(format!("{both:?}"), r#"KeyRing { current: "b", old: ["a"] }"#);
    assert_eq!(both.sign(b"", b"v"), ring(&[("z", 2)]).sign(b"", b"v"));
}

#[test]
fn a_ring_without_a_current_key_is_refused() {
    for text in ["", " ", ",", " , ,"] {
        assert_eq!(refused(text), KeyRingError::NoCurrent, "{text:?}");
    }
    let only_old = KeyRing::builder().old("k1", [1; 32]).build();
    assert_eq!(only_old.unwrap_err(), KeyRingError::NoCurrent);
}

#[test]
fn wrong_keys_are_refused_by_name_and_never_shown() {
    let good = entry("k1", &[1; 32]);
    assert_eq!(refused(&format!("{good},{good}")), KeyRingError::Duplicate("k1".to_owned()));
    for name in ["", "K1", "k 1", "k-1", "ä", "k0123456789abcdef"] {
        let error = refused(&entry(name, &[1; 32]));
        assert!(matches!(error, KeyRingError::Name(_)), "{name:?}: {error}");
    }
    let name = "k1".to_owned();
    assert_eq!(
        refused(&entry("k1", &[1; 31])),
        KeyRingError::TooShort { name: name.clone(), bytes: 31 }
    );
    assert_eq!(refused(&entry("k1", &[1; 1025])), KeyRingError::TooLong { name, bytes: 1025 });
    for secret in ["!", "a", "a+b-", &"=".repeat(44), &"ä".repeat(32)] {
        let error = refused(&format!("k1:{secret}"));
        assert_eq!(error, KeyRingError::Base64("k1".to_owned()), "{secret}");
    }
    // The secret alone, or in the name's place.
    let secret = good.strip_prefix("k1:").unwrap();
    for text in [secret.to_owned(), format!("{secret}:k1"), format!("{secret}:{secret}")] {
        let message = refused(&text).to_string();
        assert!(!message.contains(&secret[..8]), "{message}");
    }
    let nine = (0..9).map(|n| entry(&format!("k{n}"), &[n; 32])).collect::<Vec<_>>();
    assert_eq!(refused(&nine.join(",")), KeyRingError::TooMany(9));
    assert!(KeyRing::parse(&nine[1..].join(",")).is_ok());
}

#[test]
fn the_builder_keeps_an_earlier_current_key_for_reading() {
    let ring = KeyRing::builder().current("k1", [1; 32]).current("k2", [2; 32]).build().unwrap();
    assert_eq!(format!("{ring:?}"), r#"KeyRing { current: "k2", old: ["k1"] }"#);
}

#[test]
fn debug_shows_names_only() {
    let builder = KeyRing::builder().current("k2", [b's'; 32]).old("k1", [b't'; 32]);
    let shown = format!("{builder:?}");
    assert_eq!(shown, r#"KeyRingBuilder { current: Some("k2"), old: ["k1"] }"#);
    assert_eq!(format!("{:?}", builder.build().unwrap().sign(b"", b"")), "Tag(redacted)");
}

proptest! {
    #[test]
    fn any_text_is_a_ring_or_an_error(
        parts in prop::collection::vec("[ ,:=a-zA-Z0-9+/_-]{0,50}|\\PC{0,9}|k[0-9]:[A-Za-z0-9+/]{43}=", 0..6),
        separator in "[,:]?",
    ) {
        if let Ok(ring) = KeyRing::parse(&parts.join(&separator)) {
            let tag = ring.sign(b"c", b"v");
            prop_assert_eq!(ring.verify(b"c", b"v", tag.as_bytes()), Some(Freshness::Current));
        }
    }

    #[test]
    fn no_bytes_are_a_signature(tag in prop::collection::vec(any::<u8>(), 0..30)) {
        prop_assert_eq!(ring(&[("k2", 2), ("k1", 1)]).verify(b"c", b"v", &tag), None);
    }
}
