//! The `Keep-Alive` header of a response: for how long and how many requests the origin keeps the connection open (RFC 2068 section
//! 19.7.1.1, <https://datatracker.ietf.org/doc/html/draft-thomson-hybi-http-timeout>).

use std::time::Duration;

/// How much earlier than the origin the edge considers a connection closed: a request that is sent now arrives later.
const MARGIN: Duration = Duration::from_secs(1);

/// The limits that an origin stated for its connection. The last value of each parameter holds until a later response replaces it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeepAlive {
    /// How long the connection can stay unused.
    pub(super) limit: Option<Duration>,
    /// How many more requests it takes.
    pub(super) requests: Option<u64>,
}

impl KeepAlive {
    /// Reads one header line. Malformed and unknown parameters are ignored; of a repeated one the least value counts.
    pub(super) fn read(&mut self, line: &[u8]) {
        for parameter in line.split(|b| *b == b',' || *b == b';') {
            let mut parts = parameter.splitn(2, |b| *b == b'=').map(<[u8]>::trim_ascii);
            let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
            let Some(value) = number(value) else { continue };
            if name.eq_ignore_ascii_case(b"timeout") {
                let limit = Duration::from_secs(value).saturating_sub(MARGIN);
                self.limit = Some(self.limit.map_or(limit, |before| before.min(limit)));
            } else if name.eq_ignore_ascii_case(b"max") {
                self.requests = Some(self.requests.map_or(value, |before| before.min(value)));
            }
        }
    }

    /// The limits in force after a response that stated these.
    pub(super) fn followed_by(self, stated: Self) -> Self {
        Self { limit: stated.limit.or(self.limit), requests: stated.requests.or(self.requests) }
    }
}

/// Parses digits, which may be quoted. A number that is too large becomes `u64::MAX`.
fn number(digits: &[u8]) -> Option<u64> {
    let quoted = digits.strip_prefix(b"\"").and_then(|digits| digits.strip_suffix(b"\""));
    let digits = quoted.unwrap_or(digits);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(digits).ok()?.parse().ok().or(Some(u64::MAX)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_parameters_are_ignored() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (lines, limit, requests) in [
            (&["timeout=5, max=100"][..], seconds(4), Some(100)),
            (&["TIMEOUT = 5;Max=1"], seconds(4), Some(1)),
            (&["timeout=5", "max=0"], seconds(4), Some(0)),
            (&["timeout=0"], seconds(0), None),
            (&["timeout=1"], seconds(0), None),
            (&["timeout=\"30\""], seconds(29), None),
            (&["timeout=60, timeout=7"], seconds(6), None),
            (&["timeout=99999999999999999999999"], seconds(u64::MAX - 1), None),
            (&["x=1, timeout=-5, max=, timeout, =3, timeout=5s, timeout=+5, ,, max=1.5"], None, None),
            (&["300"], None, None),
            (&[""], None, None),
            (&["\u{ff}=\u{ff}, timeout=2"], seconds(1), None),
        ] {
            let mut stated = KeepAlive::default();
            for line in lines {
                stated.read(line.as_bytes());
            }
            assert_eq!(stated, KeepAlive { limit, requests }, "{lines:?}");
        }
    }
}
