//! [`Float`]: numbers as `INCRBYFLOAT` and `HINCRBYFLOAT` compute with them.
//!
//! Redis adds in the 80-bit floating point of x86 and prints 17 decimals, so
//! that 0.1 + 0.2 is 0.3. The same is done here on every machine, bit for bit:
//! a mantissa of 64 bits, rounding to the nearest, ties to the even one.

mod big;

use std::cmp::Ordering;

use smallvec::SmallVec;
use tuckbox_resp::ErrorReply;

use self::big::Big;
use super::{NAN_OR_INFINITY, NOT_A_FLOAT};

/// The exponent of the smallest numbers.
const EXPONENT_MIN: i32 = -16_445;
/// The exponent of the largest numbers.
const EXPONENT_MAX: i32 = 16_320;
/// Redis reads numbers of fewer bytes than this.
const TEXT_BYTES: usize = 5 * 1024;
/// Decimals in a result.
const DECIMALS: u32 = 17;
/// No finite number has more digits before the point.
const DIGITS_MAX: i64 = 4_933;
/// A number that begins with more zeros than this after the point is 0.
const ZEROS_MAX: i64 = 4_951;

/// A number that is not NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Float {
    negative: bool,
    /// The upper bit is set, but for the smallest numbers and zero.
    mantissa: u64,
    /// The number is the mantissa times two to the power of this; larger than
    /// [`EXPONENT_MAX`] for an infinity.
    exponent: i32,
}

/// The sum of two numbers as text.
///
/// # Errors
/// When one is not a number, or the sum is not finite.
pub(crate) fn add_float(a: &[u8], b: &[u8]) -> Result<String, ErrorReply> {
    let parse = |text| Float::parse(text).ok_or(NOT_A_FLOAT);
    let sum = parse(a)?.add(parse(b)?).ok_or(NAN_OR_INFINITY)?;
    Ok(sum.to_text())
}

impl Float {
    /// The number that `text` is, by the rules of C's `strtold` without
    /// leading space: decimal or hexadecimal, or an infinity by name. `None`
    /// also for those too large or too small to tell from infinity or zero.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= TEXT_BYTES {
            return None;
        }
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let (mantissa, exponent) = match text {
            [b'0', b'x' | b'X', rest @ ..] => parse_hexadecimal(rest)?,
            [b'0'..=b'9' | b'.', ..] => parse_decimal(text)?,
            _ if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") => {
                (1 << 63, i32::MAX)
            }
            _ => return None,
        };
        Some(Self { negative, mantissa, exponent })
    }

    /// Whether it is not an infinity.
    pub(crate) fn is_finite(self) -> bool {
        self.exponent <= EXPONENT_MAX
    }

    /// The sum; `None` when that is not finite.
    pub(crate) fn add(self, other: Self) -> Option<Self> {
        if !self.is_finite() || !other.is_finite() {
            return None;
        }
        let (high, low) =
            if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        // 63 bits below the mantissa, and one above for the carry.
        let a = u128::from(high.mantissa) << 63;
        let b = shift_right_sticky(
            u128::from(low.mantissa) << 63,
            high.exponent.abs_diff(low.exponent),
        );
        let (sum, negative) = match (high.negative == low.negative, a.cmp(&b)) {
            (true, _) => (a + b, high.negative),
            (false, Ordering::Greater) => (a - b, high.negative),
            (false, Ordering::Less) => (b - a, low.negative),
            (false, Ordering::Equal) => (0, false),
        };
        let (mantissa, exponent) = round(sum, high.exponent - 63);
        Some(Self { negative, mantissa, exponent }).filter(|sum| sum.is_finite())
    }

    /// The number with up to 17 decimals and no zeros at the end.
    pub(crate) fn to_text(self) -> String {
        if self.exponent > 64 {
            let sign = if self.negative { "-" } else { "" };
            let mut whole = Big::from(self.mantissa);
            whole.shift_left(self.exponent.unsigned_abs() as usize);
            return format!("{sign}{}", whole.into_decimal());
        }
        let unit = 10u128.pow(DECIMALS);
        let (whole, decimals) = if self.exponent >= 0 {
            (u128::from(self.mantissa) << self.exponent, 0)
        } else {
            // 121 bits.
            let scaled = u128::from(self.mantissa) * unit;
            let scaled = shift_right_rounded(scaled, self.exponent.unsigned_abs());
            (scaled / unit, scaled % unit)
        };
        let sign = if self.negative && (whole, decimals) != (0, 0) { "-" } else { "" };
        if decimals == 0 {
            return format!("{sign}{whole}");
        }
        let mut text = format!("{sign}{whole}.{decimals:017}");
        text.truncate(text.trim_end_matches('0').len());
        text
    }
}

/// A number as it is written: digits times a base to the power of something.
struct Written {
    /// The value of each digit, without zeros at the ends.
    digits: SmallVec<[u8; 24]>,
    /// What to multiply the digits with: powers of the base for zeros and the
    /// point, and what stands behind the mark.
    zeros: i64,
    exponent: i64,
}

impl Written {
    /// Reads all of `text`; the letter `mark` begins the exponent.
    fn parse(text: &[u8], is_digit: fn(&u8) -> bool, mark: u8) -> Option<Self> {
        let count = |text: &[u8]| text.iter().take_while(|byte| is_digit(byte)).count();
        let (whole, rest) = text.split_at(count(text));
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => rest.split_at(count(rest)),
            _ => (&[][..], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [letter, digits @ ..] if letter.eq_ignore_ascii_case(&mark) => parse_exponent(digits)?,
            _ => return None,
        };
        let mut digits: SmallVec<[u8; 24]> =
            whole.iter().chain(fraction).skip_while(|&&byte| byte == b'0').copied().collect();
        let len = digits.iter().rposition(|&byte| byte != b'0').map_or(0, |last| last + 1);
        let zeros = (digits.len() - len) as i64 - fraction.len() as i64;
        digits.truncate(len);
        for digit in &mut digits {
            *digit = char::from(*digit).to_digit(16).map_or(0, |digit| digit as u8);
        }
        Some(Self { digits, zeros, exponent })
    }
}

/// The exponent that is all of `text`, cut at a million, which is beyond every
/// number whichever way the digits before it shift it.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let exponent =
        digits.iter().fold(0, |n: i64, &d| (n * 10 + i64::from(d - b'0')).min(1_000_000));
    Some(if negative { -exponent } else { exponent })
}

fn parse_decimal(text: &[u8]) -> Option<(u64, i32)> {
    let written = Written::parse(text, u8::is_ascii_digit, b'e')?;
    let digits = &written.digits;
    if digits.is_empty() {
        return Some((0, EXPONENT_MIN));
    }
    let exponent = written.zeros + written.exponent;
    let point = digits.len() as i64 + exponent;
    if !(-ZEROS_MAX..=DIGITS_MAX).contains(&point) {
        return None;
    }
    let power = exponent.unsigned_abs() as u32;
    if digits.len() <= 19 && power <= 19 {
        // All the numbers that people write.
        let number = digits.iter().fold(0u64, |n, &digit| n * 10 + u64::from(digit));
        return if exponent >= 0 {
            in_range(u128::from(number) * 10u128.pow(power), 0)
        } else {
            let (quotient, exponent) = divide(number, 10u64.pow(power));
            in_range(quotient, exponent)
        };
    }
    let (mut numerator, mut denominator) = (Big::from_digits(digits, 10), Big::from(1));
    let scaled = if exponent >= 0 { &mut numerator } else { &mut denominator };
    scaled.multiply_by_power_of_ten(power);
    let (quotient, exponent) = numerator.divide(denominator);
    in_range(quotient, exponent)
}

fn parse_hexadecimal(text: &[u8]) -> Option<(u64, i32)> {
    let written = Written::parse(text, u8::is_ascii_hexdigit, b'p')?;
    if written.digits.is_empty() {
        return Some((0, EXPONENT_MIN));
    }
    let (quotient, exponent) = Big::from_digits(&written.digits, 16).divide(Big::from(1));
    in_range(quotient, exponent + i32::try_from(written.zeros * 4 + written.exponent).ok()?)
}

/// `numerator / denominator` to more than 64 bits, the lowest bit set when
/// there is a remainder, and the power of two to multiply it with. Neither is
/// zero.
fn divide(numerator: u64, denominator: u64) -> (u128, i32) {
    let shift = numerator.leading_zeros();
    let dividend = u128::from(numerator << shift) << 64;
    let low = denominator.leading_zeros();
    let divisor = u128::from(denominator << low);
    // 64 or 65 bits, and two more to round by.
    let (upper, rest) = (dividend / divisor, dividend % divisor);
    let (lower, rest) = ((rest << 2) / divisor, (rest << 2) % divisor);
    let sticky = u128::from(rest != 0);
    ((upper << 2) | lower | sticky, low as i32 - shift as i32 - 66)
}

/// The nearest mantissa and exponent; `None` beyond the largest and the
/// smallest numbers.
fn in_range(number: u128, exponent: i32) -> Option<(u64, i32)> {
    let (mantissa, exponent) = round(number, exponent);
    (mantissa != 0 && exponent <= EXPONENT_MAX).then_some((mantissa, exponent))
}

/// `number` times two to the power of `exponent` as mantissa and exponent.
fn round(number: u128, exponent: i32) -> (u64, i32) {
    if number == 0 {
        return (0, EXPONENT_MIN);
    }
    let bits = 128 - number.leading_zeros() as i32;
    let target = (exponent + bits - 64).max(EXPONENT_MIN);
    if target <= exponent {
        return ((number << (exponent - target)) as u64, target);
    }
    let rounded = shift_right_rounded(number, (target - exponent).unsigned_abs());
    match u64::try_from(rounded) {
        Ok(mantissa) => (mantissa, target),
        // All bits were set and the last was rounded up.
        Err(_) => (1 << 63, target + 1),
    }
}

/// `number >> by`, to the nearest, ties to even.
fn shift_right_rounded(number: u128, by: u32) -> u128 {
    if by == 0 {
        return number;
    }
    if by > 128 {
        return 0;
    }
    let half = 1 << (by - 1);
    let quotient = number.checked_shr(by).unwrap_or(0);
    let rest = number & (half | (half - 1));
    quotient + u128::from(rest > half || (rest == half && quotient & 1 == 1))
}

/// `number >> by`, the lowest bit set when a bit was lost.
fn shift_right_sticky(number: u128, by: u32) -> u128 {
    let kept = number.checked_shr(by).unwrap_or(0);
    let lost = kept.checked_shl(by).unwrap_or(0) != number;
    kept | u128::from(lost)
}

#[cfg(test)]
mod tests;
