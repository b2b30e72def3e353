use super::*;

fn sum(a: &str, b: &str) -> String {
    match add_float(a.as_bytes(), b.as_bytes()) {
        Ok(sum) => sum,
        Err(error) => error.text().to_owned(),
    }
}

fn number(text: &str) -> Float {
    Float::parse(text.as_bytes()).expect(text)
}

/// The sums are those of a Redis server on x86.
#[test]
fn sums_are_those_of_redis() {
    for (a, b, expected) in [
        ("0.1", "0.2", "0.3"),
        ("10.50", "0.1", "10.6"),
        ("3.0e3", "200", "3200"),
        ("5.0e3", "2.0e2", "5200"),
        ("-1", "0.1", "-0.9"),
        ("1", "1e-17", "1.00000000000000001"),
        ("0", "1e-18", "0"),
        ("-1e-18", "0", "0"),
        ("4688936.938", "6.2", "4688943.13799999999991996"),
        ("-7245891015.24157196", "-466750613.3", "-7712641628.5415719598531723"),
        ("+447.488008816", "-3.6648", "443.82320881600000001"),
        ("9223372036854775807", "1", "9223372036854775808"),
        ("18446744073709551615", "1", "18446744073709551616"),
        ("18446744073709551615", "0.5", "18446744073709551616"),
        ("18446744073709551616", "1", "18446744073709551616"),
        ("1e22", "1", "10000000000000000000000"),
        ("0x1.8p1", "0X.8", "3.5"),
        ("0x10000000000000001", "0", "18446744073709551616"),
        ("0x10000000000000003", "0", "18446744073709551620"),
    ] {
        assert_eq!(sum(a, b), expected, "{a} + {b}");
        assert_eq!(sum(b, a), expected, "{b} + {a}");
    }
}

#[test]
fn text_is_read_as_c_reads_it() {
    for text in ["5.", ".5", "+5", "-0", "0e99999999", "1E5", "1e05", "0x.8", "0x1P-3", "INF"] {
        assert!(Float::parse(text.as_bytes()).is_some(), "{text:?}");
    }
    for text in [
        "", ".", "-", "e5", " 1", "1 ", "1\0", "1e", "1e+", "1_0", "1,0", "--1", "+-1", "0x",
        "0x.", "0x1p", "infi", "nan", "-nan", "1e5.0", "1.2.3",
    ] {
        assert_eq!(Float::parse(text.as_bytes()), None, "{text:?}");
    }
    assert!(Float::parse("0".repeat(TEXT_BYTES - 1).as_bytes()).is_some());
    assert_eq!(Float::parse("0".repeat(TEXT_BYTES).as_bytes()), None);
}

#[test]
fn infinities_are_read_but_not_added() {
    assert!(!number("inf").is_finite());
    assert!(!number("-Infinity").is_finite());
    assert_eq!(sum("inf", "1"), NAN_OR_INFINITY);
    assert_eq!(sum("inf", "-inf"), NAN_OR_INFINITY);
    assert_eq!(sum("1.1e4932", "1.1e4932"), NAN_OR_INFINITY);
    assert_eq!(sum("inf", "x"), NOT_A_FLOAT);
}

#[test]
fn the_range_ends_where_that_of_80_bits_does() {
    assert!(number("1.18973149535723176502e4932").is_finite());
    assert_eq!(Float::parse(b"1.18973149535723176509e4932"), None);
    assert_eq!(Float::parse(b"1e99999999999999999999"), None);
    assert_eq!(number("3.6e-4951").mantissa, 1);
    assert_eq!(number("1.9e-4951").mantissa, 1);
    assert_eq!(Float::parse(b"1.8e-4951"), None);
    assert_eq!(Float::parse(b"1e-99999999999999999999"), None);
}

#[test]
fn both_ways_to_divide_agree() {
    for (text, numerator, denominator) in
        [("0.1", 1, 10), ("12345678.90123", 1_234_567_890_123, 100_000), ("0.75", 75, 100)]
    {
        let (quotient, exponent) = divide(numerator, denominator);
        let (big, big_exponent) = Big::from(numerator).divide(Big::from(denominator));
        assert_eq!(round(quotient, exponent), round(big, big_exponent), "{text}");
        // The zeros are taken off before the digits are counted.
        let long = format!("{}{text}{}", "0".repeat(40), "0".repeat(40));
        assert_eq!(number(&long), number(text));
    }
}

#[test]
fn long_numbers_are_printed_whole() {
    let text = number("1e4000").to_text();
    assert!(text.starts_with("99999999999999999999654638730996") && text.len() == 4000);
    assert_eq!(number(&text), number("1e4000"));
    assert_eq!(number("1e30").to_text(), "1000000000000000000024696061952");
    assert_eq!(number("-1e21").to_text(), "-1000000000000000000000");
}
