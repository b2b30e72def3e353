//! Numbers as C's `printf` writes them with `%.<n>g`.

use std::fmt::Write as _;

/// `number` with `digits` significant digits and no zeros at the end, with an
/// exponent where that is shorter; `inf`, `-inf`, `nan` and `-nan` otherwise.
pub(super) fn general(number: f64, digits: usize) -> String {
    if !number.is_finite() {
        let sign = if number.is_sign_negative() { "-" } else { "" };
        return format!("{sign}{}", if number.is_nan() { "nan" } else { "inf" });
    }
    let digits = digits.max(1);
    // Rounding to the digits decides the exponent.
    let scientific = format!("{number:.*e}", digits - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= digits as i32 {
        let mut text = without_zeros(mantissa).to_owned();
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(text, "e{sign}{:02}", exponent.abs());
        return text;
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    without_zeros(&format!("{number:.decimals$}")).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_c_does() {
        let cases = [
            (0.1, 17, "0.10000000000000001"),
            (0.1, 14, "0.1"),
            (1e20, 17, "1e+20"),
            (1e16, 17, "10000000000000000"),
            (1e17, 17, "1e+17"),
            (1e15, 14, "1e+15"),
            (12_345_678_901_234_567_890.0, 14, "1.2345678901235e+19"),
            (0.0001, 14, "0.0001"),
            (0.000_01, 14, "1e-05"),
            (9.9999e22, 3, "1e+23"),
            (-2.5, 14, "-2.5"),
            (0.0, 14, "0"),
            (-0.0, 17, "-0"),
            (f64::INFINITY, 14, "inf"),
            (f64::NEG_INFINITY, 14, "-inf"),
            (5e-324, 17, "4.9406564584124654e-324"),
        ];
        for (number, digits, expected) in cases {
            assert_eq!(general(number, digits), expected);
        }
    }
}
