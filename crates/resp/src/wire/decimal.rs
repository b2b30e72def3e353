//! Integers in decimal, as strictly as Redis reads them.

/// The integer that `text` is: digits, at most one minus, no plus, no leading
/// zero, nothing else.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    match text {
        // One digit is what most lengths are.
        [digit @ b'0'..=b'9'] => Some(i64::from(digit - b'0')),
        [b'-', digits @ ..] => 0i64.checked_sub_unsigned(magnitude(digits)?),
        digits => i64::try_from(magnitude(digits)?).ok(),
    }
}

#[inline]
fn magnitude(digits: &[u8]) -> Option<u64> {
    // Twenty digits hold every u64, and the first of them is no zero.
    if digits.is_empty() || digits.len() > 20 || digits[0] == b'0' {
        return None;
    }
    let mut value: u64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_an_integer() {
        for n in [0, 1, 9, 10, -1, -10, 12345, i64::MAX, i64::MIN] {
            assert_eq!(parse(n.to_string().as_bytes()), Some(n));
        }
        for text in ["", "-", "+1", "01", "-0", "-01", " 1", "1 ", "1a", "0x1", "--1"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        for text in ["9223372036854775808", "-9223372036854775809", "99999999999999999999"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
