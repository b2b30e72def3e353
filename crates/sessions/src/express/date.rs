//! Times as JavaScript writes them in JSON.

/// The latest and, negated, the earliest time of a JavaScript `Date`, in
/// milliseconds from 1970.
const MAX_DATE: i64 = 8_640_000_000_000_000;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// `Date.prototype.toISOString` for milliseconds since 1970: UTC, always with
/// milliseconds. What no `Date` can hold becomes the nearest that one can.
pub(crate) fn to_iso(ms: i64) -> String {
    let ms = ms.clamp(-MAX_DATE, MAX_DATE);
    let (year, month, day) = civil(ms.div_euclid(DAY_MS));
    let time = ms.rem_euclid(DAY_MS);
    let (hour, minute) = (time / 3_600_000, time / 60_000 % 60);
    let (second, milli) = (time / 1000 % 60, time % 1000);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{year:+07}"),
    };
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The milliseconds since 1970 in a text of `toISOString`; `None` for any other
/// text.
pub(crate) fn from_iso(text: &str) -> Option<i64> {
    let year_length = if text.starts_with(['+', '-']) { 7 } else { 4 };
    let (year, rest) = text.split_at_checked(year_length)?;
    let year = match year.strip_prefix(['+', '-']) {
        Some(digits) if year.starts_with('-') => -number(digits)?,
        Some(digits) => number(digits)?,
        None => number(year)?,
    };
    let field = |start: usize, end: usize| number(rest.get(start..end)?);
    let (month, day) = (field(1, 3)?, field(4, 6)?);
    let (hour, minute, second, milli) =
        (field(7, 9)?, field(10, 12)?, field(13, 15)?, field(16, 19)?);
    let time = hour * 3_600_000 + minute * 60_000 + second * 1000 + milli;
    let ms = days(year, month, day) * DAY_MS + time;
    // Writing it again shows wrong separators, and a 31st of June.
    (to_iso(ms) == text).then_some(ms)
}

fn number(digits: &str) -> Option<i64> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Days of a cycle of the calendar: 400 years.
const CYCLE: i64 = 146_097;

/// Year, month and day of a number of days since 1970-01-01. Years are counted
/// from March, so that the leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // since 0000-03-01
    let cycle = days.div_euclid(CYCLE);
    let day_of_cycle = days.rem_euclid(CYCLE);
    let leap_days = day_of_cycle / 1460 - day_of_cycle / 36_524 + day_of_cycle / 146_096;
    let year = (day_of_cycle - leap_days) / 365;
    let day_of_year = day_of_cycle - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153; // from March, which is 0
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (cycle * 400 + year + carry, month, day)
}

/// The inverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let cycle = year.div_euclid(400);
    let year = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    cycle * CYCLE + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_spelled_as_node_spells_them() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
            (-8_640_000_000_000_000, "-271821-04-20T00:00:00.000Z"),
            (-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(to_iso(ms), text);
            assert_eq!(from_iso(text), Some(ms), "{text}");
        }
        assert_eq!(to_iso(i64::MAX), "+275760-09-13T00:00:00.000Z");
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "Z",
            "2023-11-14",
            "2023-11-14T22:13:20Z",
            "2023-11-14 22:13:20.123Z",
            "2023-11-14T22:13:20.123z",
            "2023-11-14T22:13:20.123+00:00",
            "2023-02-29T00:00:00.000Z",
            "2023-06-31T00:00:00.000Z",
            "2023-13-01T00:00:00.000Z",
            "2023-00-00T00:00:00.000Z",
            "2023-11-14T24:00:00.000Z",
            "2023-11-14T22:13:20.1234Z",
            "+002023-11-14T22:13:20.123Z",
            "-000000-01-01T00:00:00.000Z",
            "+999999-01-01T00:00:00.000Z",
            "+-12023-11-14T22:13:20.123Z",
            "２０２３-11-14T22:13:20.123Z",
            "Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            assert_eq!(from_iso(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(ms in -MAX_DATE..=MAX_DATE) {
            prop_assert_eq!(from_iso(&to_iso(ms)), Some(ms));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9T:.Z]{0,30}|\\PC{0,30}") {
            let _ = from_iso(&text);
        }
    }
}
