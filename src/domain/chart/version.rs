//! Versions of charts and ranges of them, as Helm reads them.
//!
//! Helm takes more for a version than SemVer does (`v1.2`), and its ranges differ from those of other tools in
//! pre-releases: they are taken where the range names one itself, as `>=1.0.0-0` does, and then all of them. The rules are those
//! of <https://github.com/Masterminds/semver> 3.

use std::{cmp::Ordering, fmt};

use semver::{Prerelease, Version};

use super::Malformed;

/// The longest range that is read.
const LONGEST: usize = 256;

/// Reads a version of a chart; what is missing of it is 0.
pub fn parse_version(text: &str) -> Option<Version> {
    let operand = Operand::parse(text)?;
    (operand.given > 0).then_some(operand.version)
}

/// Which versions will do. Ranges are equal when they are written alike.
#[derive(Debug, Clone)]
pub struct VersionRange {
    text: String,
    /// One of these has to hold, with all that is in it.
    any: Vec<Vec<Comparison>>,
}

#[derive(Debug, Clone)]
struct Comparison {
    operator: Operator,
    operand: Operand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Tilde,
    Caret,
}

/// A version that may lack its last numbers.
#[derive(Debug, Clone)]
struct Operand {
    version: Version,
    /// How many of its three numbers are given.
    given: usize,
}

impl VersionRange {
    /// Reads a range, or one version.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let wrong = || Malformed {
            problem: format!("`{}` is no version of a chart and no range of versions", text.escape_debug()),
            remedy: "write one such as `20.1.0`, `^20.1` or `>=20.1.0 <21`",
        };
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(wrong());
        }
        let any: Option<Vec<_>> = text.split("||").map(alternative).collect();
        let any = any.filter(|any| any.iter().all(|all| !all.is_empty())).ok_or_else(wrong)?;
        Ok(Self { text: text.to_owned(), any })
    }

    /// Says whether a version will do.
    pub fn holds_for(&self, version: &Version) -> bool {
        self.any.iter().any(|all| all.iter().all(|comparison| comparison.holds_for(version)))
    }

    /// Returns the one version that will do, when the range is one.
    pub fn exact(&self) -> Option<&Version> {
        match self.any.as_slice() {
            [all] => match all.as_slice() {
                [Comparison { operator: Operator::Equal, operand: Operand { version, given: 3 } }] => Some(version),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns it as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for VersionRange {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for VersionRange {}

impl PartialOrd for VersionRange {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for VersionRange {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

/// Reads comparisons with commas or spaces between them, or two versions with ` - ` between.
fn alternative(text: &str) -> Option<Vec<Comparison>> {
    if let Some((low, high)) = text.split_once(" - ") {
        let one = |text: &str, operator| {
            let operand = Operand::parse(text.trim()).filter(|operand| operand.given > 0)?;
            Some(Comparison { operator, operand })
        };
        return Some(vec![one(low, Operator::GreaterOrEqual)?, one(high, Operator::LessOrEqual)?]);
    }
    let mut comparisons = Vec::new();
    let mut words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let (operator, rest) = Operator::split(word);
        // There may be a space behind an operator.
        let operand = if rest.is_empty() { words.next()? } else { rest };
        comparisons.push(Comparison { operator, operand: Operand::parse(operand)? });
    }
    Some(comparisons)
}

impl Operator {
    fn split(word: &str) -> (Self, &str) {
        let operators = [
            ("!=", Self::NotEqual),
            (">=", Self::GreaterOrEqual),
            ("=>", Self::GreaterOrEqual),
            ("<=", Self::LessOrEqual),
            ("=<", Self::LessOrEqual),
            ("~>", Self::Tilde),
            ("~", Self::Tilde),
            ("^", Self::Caret),
            (">", Self::Greater),
            ("<", Self::Less),
            ("=", Self::Equal),
        ];
        let found = operators.into_iter().find_map(|(text, operator)| Some((operator, word.strip_prefix(text)?)));
        found.unwrap_or((Self::Equal, word))
    }
}

impl Operand {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let end = text.find(['-', '+']).unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        let numbers: Vec<&str> = numbers.split('.').collect();
        if numbers.len() > 3 {
            return None;
        }
        let is_open = |number: &&str| matches!(*number, "*" | "x" | "X");
        let given = numbers.iter().take_while(|number| !is_open(number)).count();
        if !numbers[given..].iter().all(is_open) {
            return None;
        }
        let number = |position: usize| match numbers.get(position).filter(|_| position < given) {
            Some(number) if number.bytes().all(|b| b.is_ascii_digit()) => number.parse::<u64>().ok(),
            Some(_) => None,
            None => Some(0),
        };
        let (major, minor, patch) = (number(0)?, number(1)?, number(2)?);
        Some(Self { version: Version::parse(&format!("{major}.{minor}.{patch}{rest}")).ok()?, given })
    }
}

impl Comparison {
    fn holds_for(&self, version: &Version) -> bool {
        let Self { operator, operand: Operand { version: wanted, given } } = self;
        if version.pre != Prerelease::EMPTY && wanted.pre == Prerelease::EMPTY {
            return false;
        }
        let order = version.cmp_precedence(wanted);
        let parts = |version: &Version| [version.major, version.minor, version.patch];
        // What is given of both, and nothing more.
        let of_given = parts(version)[..*given].cmp(&parts(wanted)[..*given]);
        match operator {
            Operator::Equal if *given == 3 => order == Ordering::Equal,
            Operator::NotEqual if *given == 3 => order != Ordering::Equal,
            Operator::NotEqual => of_given != Ordering::Equal,
            Operator::Greater if *given == 3 => order == Ordering::Greater,
            Operator::Greater => of_given == Ordering::Greater,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual if *given == 3 => order != Ordering::Greater,
            Operator::LessOrEqual => of_given != Ordering::Greater,
            Operator::Equal | Operator::Tilde => order != Ordering::Less && is_within_tilde(version, wanted, *given),
            Operator::Caret => order != Ordering::Less && is_within_caret(version, wanted, *given),
        }
    }
}

/// Says whether a version has the major and, where it is given, the minor number of another.
fn is_within_tilde(version: &Version, wanted: &Version, given: usize) -> bool {
    let is_any = given == 0 || (given == 3 && [wanted.major, wanted.minor, wanted.patch] == [0; 3]);
    is_any || (version.major == wanted.major && (given == 1 || version.minor == wanted.minor))
}

/// Says whether a version has the first number of another that is not 0, and all before it.
fn is_within_caret(version: &Version, wanted: &Version, given: usize) -> bool {
    if given == 0 {
        return true;
    }
    if version.major != wanted.major {
        return false;
    }
    if wanted.major > 0 || given == 1 {
        return true;
    }
    if version.minor != wanted.minor {
        return false;
    }
    wanted.minor > 0 || given == 2 || version.patch == wanted.patch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(range: &str, version: &str) -> bool {
        VersionRange::parse(range).expect(range).holds_for(&parse_version(version).expect(version))
    }

    #[test]
    fn ranges_hold_for_what_helm_takes() {
        for (range, good, bad) in [
            ("1.2.3", vec!["1.2.3", "v1.2.3", "1.2.3+build"], vec!["1.2.4", "1.2.3-rc.1"]),
            ("1.2", vec!["1.2.0", "1.2.9"], vec!["1.3.0", "1.1.9"]),
            ("1.x", vec!["1.0.0", "1.9.9"], vec!["2.0.0", "0.9.0"]),
            ("*", vec!["0.0.1", "12.0.0"], vec!["1.0.0-rc.1"]),
            ("~1.2.3", vec!["1.2.3", "1.2.9"], vec!["1.3.0", "1.2.2"]),
            ("~1", vec!["1.0.0", "1.9.0"], vec!["2.0.0"]),
            ("^1.2.3", vec!["1.2.3", "1.9.0"], vec!["2.0.0", "1.2.2"]),
            ("^0.2.3", vec!["0.2.3", "0.2.9"], vec!["0.3.0"]),
            ("^0.0.3", vec!["0.0.3"], vec!["0.0.4"]),
            ("^0.0", vec!["0.0.4"], vec!["0.1.0"]),
            ("^0", vec!["0.9.0"], vec!["1.0.0"]),
            (">=1.2 <2, !=1.5.0", vec!["1.2.0", "1.9.9"], vec!["1.5.0", "2.0.0", "1.1.0"]),
            (">= 1.2.0", vec!["1.2.0"], vec!["1.1.9"]),
            (">1", vec!["2.0.0"], vec!["1.9.9"]),
            ("<=1", vec!["1.9.9"], vec!["2.0.0"]),
            ("!=1.x", vec!["2.0.0"], vec!["1.4.0"]),
            ("1.2 - 1.4.5", vec!["1.2.0", "1.4.5"], vec!["1.4.6", "1.1.0"]),
            ("<1 || >=3", vec!["0.9.0", "3.0.0"], vec!["2.0.0"]),
            (">=1.0.0-0", vec!["1.0.0-rc.1", "2.0.0-alpha", "1.5.0"], vec!["0.9.0"]),
            ("~1.2.3-rc.1", vec!["1.2.3-rc.2", "1.2.3"], vec!["1.2.3-beta", "1.3.0"]),
        ] {
            for version in good {
                assert!(holds(range, version), "{range} {version}");
            }
            for version in bad {
                assert!(!holds(range, version), "{range} {version}");
            }
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", " ", "latest", "1.2.3.4", "1..2", "-1", "1.2.3 || ", ">", "1.x.3", "a - b", &"1 ".repeat(200)]
        {
            assert!(VersionRange::parse(text).is_err(), "{text}");
        }
        assert_eq!(VersionRange::parse(" =1.2.3 ").expect("a range").exact(), parse_version("1.2.3").as_ref());
        assert_eq!(VersionRange::parse("1.2").expect("a range").exact(), None);
        assert!(parse_version("*").is_none() && parse_version("nightly").is_none());
    }
}
