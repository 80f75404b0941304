//! Numbers on the command line.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

/// Parses a number of this range. `what` names it in the message, such as "a number of days".
pub(super) fn number<T>(
    range: RangeInclusive<T>,
    what: &'static str,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("expected {what} from {} to {}", range.start(), range.end()))
    }
}
