//! UTC dates as Unix seconds and back, in the proleptic Gregorian calendar.

/// Seconds of a day; UTC days as Unix counts them have no leap second.
const DAY: u64 = 86_400;

/// Reads `YYYY-MM-DD`, `YYYY-MM-DDTHH:MM:SSZ` or `YYYY-MM-DD HH:MM:SS`; `None` for anything else,
/// for a day that no calendar has, and for years before 1970.
pub(crate) fn parse_utc(text: &str) -> Option<u64> {
    let (date, time) = text.split_at_checked(10)?;
    let (year, rest) = date.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let midnight = midnight(digits(year, 4)?, digits(month, 2)?, digits(day, 2)?)?;
    if time.is_empty() {
        return Some(midnight);
    }
    let time = time.strip_prefix('T').and_then(|time| time.strip_suffix('Z')).or_else(|| time.strip_prefix(' '))?;
    let (hour, rest) = time.split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    midnight.checked_add((hour * 60 + minute) * 60 + second)
}

/// Midnight UTC of a day, in Unix seconds; `None` for a day that no calendar has, and outside 1970 to 9999.
pub(crate) fn midnight(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || day == 0 || day > days_of_month(year, month)? {
        return None;
    }
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let mut days = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969) + (day - 1);
    for earlier in 1..month {
        days += days_of_month(year, earlier)?;
    }
    days.checked_mul(DAY)
}

/// Unix seconds as `YYYY-MM-DD`, or `YYYY-MM-DDTHH:MM:SSZ` where they are not midnight; `None` after 9999.
pub(crate) fn format_utc(seconds: u64) -> Option<String> {
    let (mut days, rest) = (seconds / DAY, seconds % DAY);
    if seconds >= 253_402_300_800 {
        return None;
    }
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let mut month = 1;
    loop {
        let length = days_of_month(year, month)?;
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let date = format!("{year:04}-{month:02}-{:02}", days + 1);
    if rest == 0 {
        return Some(date);
    }
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// A number of exactly this many digits.
fn digits(text: &str, count: usize) -> Option<u64> {
    if text.len() != count || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_month(year: u64, month: u64) -> Option<u64> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if is_leap(year) => Some(29),
        2 => Some(28),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-03-01", 951_868_800),
            ("2024-02-29", 1_709_164_800),
            ("2037-12-31", 2_145_830_400),
            ("2038-01-19T03:14:08Z", 2_147_483_648),
            ("2038-01-19 03:14:08", 2_147_483_648),
            ("2100-03-01", 4_107_542_400),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(parse_utc(text), Some(seconds), "{text}");
            assert_eq!(parse_utc(&format_utc(seconds).unwrap()), Some(seconds), "{text}");
        }
        assert_eq!(format_utc(951_868_800).unwrap(), "2000-03-01");
        assert_eq!(format_utc(2_147_483_648).unwrap(), "2038-01-19T03:14:08Z");
        assert_eq!(format_utc(253_402_300_800), None);
        assert_eq!(format_utc(u64::MAX), None);
    }

    #[test]
    fn days_follow_each_other() {
        for day in 0..60_000 {
            let text = format_utc(day * DAY).unwrap();
            assert_eq!(parse_utc(&text), Some(day * DAY), "{text}");
        }
    }

    #[test]
    fn what_no_calendar_has_is_refused() {
        for text in [
            "",
            "2025",
            "2025-02-29",
            "2100-02-29",
            "2025-04-31",
            "2025-13-01",
            "2025-00-01",
            "2025-01-00",
            "2025-1-01",
            "1969-12-31",
            "0000-01-01",
            "2025-01-01T00:00:00",
            "2025-01-01 00:00:00Z",
            "2025-01-01T24:00:00Z",
            "2025-01-01T00:60:00Z",
            "2025-01-01T00:00:60Z",
            "2025-01-01Z",
            "2025/01/01",
            "+025-01-01",
            "2025-01-01 ",
            "2025-01-0é",
            "2025-01-01T1:00:00Z",
            "01/02/2025",
        ] {
            assert_eq!(parse_utc(text), None, "{text}");
        }
    }
}
