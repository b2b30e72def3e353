//! Redis' patterns: `*`, `?`, `[a-z]`, `[^a]` and `\` before a literal.

/// Whether the whole of `text` matches `pattern`.
///
/// `*` is any bytes, `?` any one byte, `[...]` one of the bytes listed (`a-z`
/// is a range in either order, a leading `^` means none of them), and a
/// backslash takes the next byte as it is, inside brackets too. Brackets that
/// do not close end with the pattern; a backslash at the end is itself.
///
/// Never worse than the two lengths multiplied: after a mismatch only the last
/// `*` is tried longer, which is enough because everything else is one byte.
pub(crate) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut at) = (pattern, 0);
    // What follows the last `*`, and where in the text that was tried.
    let mut retry: Option<(&[u8], usize)> = None;
    while at < text.len() {
        if let [b'*', after @ ..] = rest {
            if after.is_empty() {
                return true;
            }
            rest = after;
            retry = Some((after, at));
        } else if let Some(after) = one(rest, text[at]) {
            rest = after;
            at += 1;
        } else if let Some((after, from)) = &mut retry {
            *from += 1;
            (rest, at) = (after, *from);
        } else {
            return false;
        }
    }
    rest.iter().all(|&byte| byte == b'*')
}

/// What is left of `pattern` once its first element has matched `byte`;
/// `None` when it does not.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => {
            let (inside, rest) = class(rest, byte);
            inside.then_some(rest)
        }
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal == byte).then_some(rest),
        [] => None,
    }
}

/// Whether `byte` is in the class whose opening bracket comes before
/// `pattern`, and what follows the closing one.
fn class(mut pattern: &[u8], byte: u8) -> (bool, &[u8]) {
    let negated = pattern.first() == Some(&b'^');
    if negated {
        pattern = &pattern[1..];
    }
    let mut listed = false;
    loop {
        pattern = match pattern {
            [b'\\', literal, rest @ ..] => {
                listed |= *literal == byte;
                rest
            }
            [b']', rest @ ..] => return (listed != negated, rest),
            [] => return (listed != negated, pattern),
            [first, b'-', last, rest @ ..] => {
                listed |= (*first.min(last)..=*first.max(last)).contains(&byte);
                rest
            }
            [literal, rest @ ..] => {
                listed |= *literal == byte;
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "hllo", true),
            ("h*llo", "heeeello", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hello", false),
            ("h[^e]llo", "hbllo", true),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            ("session:*:data", "session:1:2:data", true),
            ("session:*:data", "session:1:2:datum", false),
            ("a**b", "ab", true),
            ("*?", "", false),
            ("*?", "x", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a\\", "a\\", true),
            ("[\\]]", "]", true),
            ("[\\-]", "-", true),
            ("[a-]", "-", false),
            ("[a-]", "_", true),
            ("[]", "]", false),
            ("[ab", "b", true),
            ("[ab", "c", false),
            ("[", "x", false),
            ("[", "[", false),
            ("[^", "x", true),
            ("x[a-z", "xq", true),
            ("[\\", "\\", true),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn every_byte_can_be_matched() {
        for byte in 0..=255 {
            assert!(glob(b"?", &[byte]));
            assert!(glob(&[b'\\', byte], &[byte]));
            assert!(glob(&[b'[', 0, b'-', 255, b']'], &[byte]));
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        // By trying every star longer, the first of these would take centuries.
        let text = vec![b'a'; 10_000];
        assert!(!glob(&[b"*a".repeat(1_000), b"b".to_vec()].concat(), &text));
        assert!(!glob(&[b"*".repeat(10_000), b"b".to_vec()].concat(), &text));
        assert!(!glob(&[b"*[a-a]?".repeat(1_000), b"[^a]".to_vec()].concat(), &text));
    }

    /// The plain recursive meaning of a pattern, as slow as it is obvious.
    fn plain(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|skip| plain(rest, &text[skip..])),
            (_, [byte, after @ ..]) => one(pattern, *byte).is_some_and(|rest| plain(rest, after)),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn one_star_at_a_time_is_enough(pattern in "[ab*?\\[\\]^\\\\-]{0,9}", text in "[ab\\-]{0,9}") {
            prop_assert_eq!(
                glob(pattern.as_bytes(), text.as_bytes()),
                plain(pattern.as_bytes(), text.as_bytes())
            );
        }
    }
}
