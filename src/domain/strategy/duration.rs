//! Durations as people write them: `30s`, `10m`, `1h30m`, `2d`.

use jiff::SignedDuration;

/// What a duration looks like, as a regular expression for the JSON Schema.
pub(super) const PATTERN: &str = "^([0-9]{1,6}[dhms])+$";

/// The longest duration that can be meant: a year.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);

/// Returns the duration that `text` spells, or nothing when it spells none, or a longer one than can be meant.
pub(crate) fn parse_duration(text: &str) -> Option<SignedDuration> {
    spelled(text).filter(|duration| *duration <= LONGEST)
}

/// Says whether `text` spells a duration that is longer than can be meant.
pub(super) fn is_too_long(text: &str) -> bool {
    spelled(text).is_some_and(|duration| duration > LONGEST)
}

fn spelled(text: &str) -> Option<SignedDuration> {
    let mut total = SignedDuration::ZERO;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        let seconds = match rest.as_bytes().get(digits)? {
            b'd' => 86_400,
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        total = total.checked_add(SignedDuration::from_secs(number.checked_mul(seconds)?))?;
        rest = rest.get(digits + 1..)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let parsed = |text| parse_duration(text).map(|duration| duration.as_secs());
        assert_eq!(parsed("30s"), Some(30));
        assert_eq!(parsed("10m"), Some(600));
        assert_eq!(parsed("1h30m"), Some(5_400));
        assert_eq!(parsed("2d"), Some(172_800));
        assert_eq!(parsed("0s"), Some(0));
        for bad in ["", "30", "m", "1w", "-5m", "1.5h", "1h 30m", "99999999999999999999s", "400d", "5ms"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
        assert!(is_too_long("400d") && !is_too_long("366d") && !is_too_long("1w"));
    }
}
