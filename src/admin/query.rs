//! The query of `/status`.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::trust::AuthMethod;

/// Entries that expire within this many days are listed, unless the query names another number.
pub(super) const SOON_DAYS: u32 = 30;
/// The most applications on a page of the JSON document.
const PER_PAGE: usize = 100;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// The page of applications, from 1.
    pub(super) page: usize,
    /// The most applications on a page.
    pub(super) per_page: usize,
    /// Only applications with this in their `client_id` or method, in any case; empty: all.
    pub(super) search: String,
    /// Only applications with a credential in this state.
    pub(super) state: Option<CredentialState>,
    /// Only applications of this method.
    pub(super) method: Option<AuthMethod>,
    /// The order of the applications.
    pub(super) sort: Sort,
    /// Only this application.
    pub(super) client_id: Option<String>,
    /// Entries that expire within this many days are listed.
    pub(super) expiring_days: u32,
}

/// A state of a credential that an operator looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialState {
    /// It, or its certificate, has expired.
    Expired,
    /// It, or its certificate, expires within [`SOON_DAYS`].
    Expiring,
    /// No request has used it since the start.
    Unused,
}

impl CredentialState {
    pub(super) const ALL: [Self; 3] = [Self::Expired, Self::Expiring, Self::Unused];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Expiring => "expiring",
            Self::Unused => "unused",
        }
    }
}

/// An order of applications. Those without a value are last; those with equal values are ordered by `client_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) by: SortKey,
    pub(super) descending: bool,
}

/// What applications are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SortKey {
    ClientId,
    Method,
    /// When the first of its credentials expires.
    Expires,
    /// When one of its credentials was used last.
    LastUsed,
}

impl SortKey {
    const ALL: [Self; 4] = [Self::ClientId, Self::Method, Self::Expires, Self::LastUsed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::ClientId => "client_id",
            Self::Method => "method",
            Self::Expires => "expires",
            Self::LastUsed => "last_used",
        }
    }
}

impl Sort {
    /// Without a `sort`.
    const DEFAULT: Self = Self { by: SortKey::ClientId, descending: false };

    /// `expires`, or `-expires` for the reverse order.
    fn parse(text: &str) -> Option<Self> {
        let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let by = SortKey::ALL.into_iter().find(|key| key.as_str() == name)?;
        Some(Self { by, descending })
    }
}

impl Query {
    /// Parses the query of a request target.
    ///
    /// # Errors
    ///
    /// What the client can do about an invalid value.
    pub(super) fn parse(query: &str) -> Result<Self, &'static str> {
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let decoded = |name: &str| {
            value(name).map(|value| {
                let value = value.replace('+', " ");
                percent_decode_str(&value).decode_utf8_lossy().into_owned()
            })
        };
        // A form sends what is not selected as an empty value.
        let selected = |name: &str| value(name).filter(|value| !value.is_empty());
        let page = value("page").map_or(Some(1), |page| page.parse().ok().filter(|page| *page > 0));
        let days = value("expiring_days").map_or(Some(SOON_DAYS), |days| days.parse().ok());
        let state = |name: &str| CredentialState::ALL.into_iter().find(|state| state.as_str() == name);
        let method = |name: &str| AuthMethod::ALL.into_iter().find(|method| method.as_str() == name);
        Ok(Self {
            page: page.ok_or("page is a number from 1\n")?,
            per_page: PER_PAGE,
            search: decoded("q").unwrap_or_default(),
            state: selected("state")
                .map(|name| state(name).ok_or("state is expired, expiring or unused\n"))
                .transpose()?,
            method: selected("method")
                .map(|name| method(name).ok_or("method is one of token_endpoint_auth_method\n"))
                .transpose()?,
            sort: selected("sort").map_or(Ok(Sort::DEFAULT), |name| {
                Sort::parse(name)
                    .ok_or("sort is client_id, method, expires or last_used, with a - before it for the reverse order\n")
            })?,
            client_id: decoded("client_id"),
            expiring_days: days.ok_or("expiring_days is a number of days\n")?,
        })
    }

    /// The value of `sort`; empty for the usual order.
    pub(super) fn sort_value(&self) -> String {
        let Sort { by, descending } = self.sort;
        match (self.sort == Sort::DEFAULT, descending) {
            (true, _) => String::new(),
            (false, true) => format!("-{}", by.as_str()),
            (false, false) => by.as_str().to_owned(),
        }
    }

    /// The same query for another page.
    pub(super) fn of_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    /// The same query in the order of a column, in the reverse order if it has that order already; from the first page on.
    pub(super) fn sorted_by(&self, by: SortKey) -> Self {
        let descending = self.sort.by == by && !self.sort.descending;
        Self { page: 1, sort: Sort { by, descending }, ..self.clone() }
    }

    /// The target of a request with this query.
    pub(super) fn target(&self) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let page = if self.page == 1 { String::new() } else { self.page.to_string() };
        let pairs = [
            ("page", page),
            ("q", encoded(&self.search)),
            ("state", self.state.map(CredentialState::as_str).unwrap_or_default().to_owned()),
            ("method", self.method.map(AuthMethod::as_str).unwrap_or_default().to_owned()),
            ("sort", self.sort_value()),
        ];
        let pairs: Vec<String> = pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if pairs.is_empty() { "/status".to_owned() } else { format!("/status?{}", pairs.join("&")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_as_it_was_written() {
        let query = Query {
            page: 3,
            per_page: PER_PAGE,
            search: "a&b=\"c\" +d".to_owned(),
            state: Some(CredentialState::Unused),
            method: Some(AuthMethod::PrivateKeyJwt),
            sort: Sort { by: SortKey::Expires, descending: true },
            client_id: None,
            expiring_days: SOON_DAYS,
        };
        let target = query.target();
        assert_eq!(Query::parse(target.strip_prefix("/status?").unwrap()).as_ref(), Ok(&query), "{target}");
        let usual = Query::parse("q=&state=&method=&sort=").unwrap();
        assert_eq!((&usual, usual.target().as_str()), (&Query::parse("").unwrap(), "/status"));
        for wrong in ["page=0", "state=old", "method=mtls", "sort=age", "sort=--expires", "expiring_days=-1"]
        {
            assert!(Query::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_column_is_sorted_again_in_the_reverse_order() {
        let first = Query::parse("page=2").unwrap().sorted_by(SortKey::Expires);
        assert_eq!(first.target(), "/status?sort=expires");
        assert_eq!(first.sorted_by(SortKey::Expires).target(), "/status?sort=-expires");
        assert_eq!(first.sorted_by(SortKey::ClientId).target(), "/status");
        assert_eq!(
            first.sorted_by(SortKey::ClientId).sorted_by(SortKey::ClientId).target(),
            "/status?sort=-client_id"
        );
    }
}
