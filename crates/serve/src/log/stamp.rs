//! The time at the head of a line.

use std::{
    cell::Cell,
    time::{SystemTime, UNIX_EPOCH},
};

/// The clock of the log: the only place of this crate that reads the time of day.
#[expect(clippy::disallowed_methods, reason = "the log's clock; tests pass another")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Length of `2026-11-22T11:20:30`.
const SECOND_LEN: usize = 19;

thread_local! {
    /// The last second written by this thread: lines come in many per second, and splitting a
    /// date costs more than copying it.
    static LAST: Cell<(u64, [u8; SECOND_LEN])> = const { Cell::new((u64::MAX, [0; SECOND_LEN])) };
}

/// Appends `time` as RFC 3339 in UTC with milliseconds. Times before 1970 show as 1970.
pub(super) fn append(out: &mut Vec<u8>, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let second = since.as_secs();
    let (mut cached, mut text) = LAST.get();
    if cached != second {
        text = format_second(second);
        cached = second;
        LAST.set((cached, text));
    }
    out.extend_from_slice(&text);
    let millis = since.subsec_millis();
    out.extend_from_slice(&[b'.', digit(millis / 100), digit(millis / 10), digit(millis), b'Z']);
}

/// Splits seconds since 1970 into a date and a time, by the Gregorian calendar.
fn format_second(second: u64) -> [u8; SECOND_LEN] {
    let (day, second_of_day) = (second / 86_400, second % 86_400);
    // Years are counted from March, so that the leap day is a year's last; 719468 days lie
    // between 0000-03-01 and 1970-01-01, and 146097 are in 400 years.
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);

    let mut text = *b"0000-00-00T00:00:00";
    let mut put = |at: usize, width: usize, mut value: u64| {
        for place in text[at..at + width].iter_mut().rev() {
            *place = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day_of_month);
    put(11, 2, second_of_day / 3_600);
    put(14, 2, second_of_day / 60 % 60);
    put(17, 2, second_of_day % 60);
    text
}

fn digit(number: u32) -> u8 {
    b'0' + (number % 10) as u8
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn text(second: u64, millis: u64) -> String {
        let mut out = Vec::new();
        append(&mut out, UNIX_EPOCH + Duration::from_millis(second * 1000 + millis));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_rfc_3339_in_utc_with_milliseconds() {
        assert_eq!(text(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(951_782_399, 7), "2000-02-28T23:59:59.007Z");
        assert_eq!(text(951_782_400, 42), "2000-02-29T00:00:00.042Z");
        assert_eq!(text(1_709_251_199, 999), "2024-02-29T23:59:59.999Z");
        assert_eq!(text(1_709_251_200, 0), "2024-03-01T00:00:00.000Z");
        assert_eq!(text(4_107_542_399, 0), "2100-02-28T23:59:59.000Z");
        assert_eq!(text(4_107_542_400, 0), "2100-03-01T00:00:00.000Z");
        assert_eq!(text(1_767_225_599, 500), "2025-12-31T23:59:59.500Z");
    }

    #[test]
    fn a_time_before_1970_does_not_panic() {
        let mut out = Vec::new();
        append(&mut out, UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(out, b"1970-01-01T00:00:00.000Z");
    }
}
