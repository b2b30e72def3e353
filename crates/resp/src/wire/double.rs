//! Doubles as Redis 7.2 prints them in replies.

use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};

/// Below this magnitude a whole number is printed without an exponent.
const PLAIN_INTEGER_MAX: f64 = (i64::MAX / 2) as f64;

/// The longest form: sign, 17 digits, point, `e-308`.
const TEXT_LEN_MAX: usize = 32;

/// A double as a reply shows it: the shortest digits that read back as the
/// same number; `inf`, `-inf` and `nan` by name.
///
/// ```
/// use tuckbox_resp::format_double;
/// assert_eq!(format_double(3.0), "3");
/// assert_eq!(format_double(0.1), "0.1");
/// assert_eq!(format_double(1e300), "1e+300");
/// ```
#[must_use]
pub fn format_double(value: f64) -> String {
    let mut buf = BytesMut::with_capacity(TEXT_LEN_MAX);
    write_double(value, &mut buf);
    String::from_utf8_lossy(&buf).into_owned()
}

/// Appends `value` in the form of [`format_double`].
pub(crate) fn write_double(value: f64, buf: &mut BytesMut) {
    if value.is_nan() {
        buf.put_slice(b"nan");
    } else if value.is_infinite() {
        buf.put_slice(if value > 0.0 { b"inf" } else { b"-inf" });
    } else if value == 0.0 {
        buf.put_slice(if value.is_sign_negative() { b"-0" } else { b"0" });
    } else if value.abs() <= PLAIN_INTEGER_MAX && value.fract() == 0.0 {
        buf.put_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        if value < 0.0 {
            buf.put_u8(b'-');
        }
        let mut digits = Digits { bytes: [0; TEXT_LEN_MAX], len: 0 };
        // Writing fails only when the text is longer than any double's is.
        let _ = write!(digits, "{:e}", value.abs());
        lay_out(&digits.bytes[..digits.len], buf);
    }
}

/// Appends the number that std wrote as `d.ddde±x`, with the point where
/// Redis puts it.
fn lay_out(scientific: &[u8], buf: &mut BytesMut) {
    let at = memchr::memchr(b'e', scientific).unwrap_or(scientific.len());
    let (mantissa, exponent) = scientific.split_at(at);
    let exponent = exponent.get(1..).and_then(super::decimal::parse).unwrap_or(0);
    let (first, rest) = mantissa.split_at(1);
    let rest = rest.get(1..).unwrap_or_default();
    let digit_count = 1 + rest.len() as i64;
    // Digits times ten to this power.
    let power = exponent - rest.len() as i64;
    if power >= 0 && exponent.abs() < digit_count + 7 {
        buf.put_slice(first);
        buf.put_slice(rest);
        buf.put_bytes(b'0', power as usize);
    } else if power < 0 && (power > -7 || exponent.abs() < 4) {
        if exponent < 0 {
            buf.put_slice(b"0.");
            buf.put_bytes(b'0', (-exponent - 1) as usize);
            buf.put_slice(first);
            buf.put_slice(rest);
        } else {
            let (whole, fraction) = rest.split_at(exponent as usize);
            buf.put_slice(first);
            buf.put_slice(whole);
            buf.put_u8(b'.');
            buf.put_slice(fraction);
        }
    } else {
        buf.put_slice(first);
        if !rest.is_empty() {
            buf.put_u8(b'.');
            buf.put_slice(rest);
        }
        buf.put_slice(if exponent < 0 { b"e-" } else { b"e+" });
        buf.put_slice(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
    }
}

/// A small text on the stack.
struct Digits {
    bytes: [u8; TEXT_LEN_MAX],
    len: usize,
}

impl std::fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        let place = self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_look_as_redis_prints_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-3.5, "-3.5"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (2.000_000_000_000_000_4, "2.0000000000000004"),
            (123_456.789, "123456.789"),
            (0.000_1, "0.0001"),
            (0.000_001, "0.000001"),
            (0.000_000_1, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (1e17, "100000000000000000"),
            (1e20, "1e+20"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ];
        for (value, text) in cases {
            assert_eq!(format_double(value), text);
        }
    }

    #[test]
    fn every_double_reads_back_as_itself() {
        let mut bits: u64 = 1;
        for _ in 0..100_000 {
            // A fixed walk over all exponents and mantissas.
            bits = bits.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            let value = f64::from_bits(bits);
            let text = format_double(value);
            assert!(text.len() <= TEXT_LEN_MAX);
            let read: f64 = text.parse().unwrap();
            assert!(read.to_bits() == bits || (read.is_nan() && value.is_nan()), "{text}");
        }
    }
}
