//! Which type of `/status` a client prefers.

use http::HeaderMap;

/// Whether the client prefers a page to JSON (RFC 9110 section 12.5.1). JSON wins a tie.
pub(super) fn prefers_html(headers: &HeaderMap) -> bool {
    let accepted: Vec<&str> = headers
        .get_all(http::header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    quality(&accepted, "text/html") > quality(&accepted, "application/json")
}

/// The weight of a type, by the most specific range that fits, in thousandths.
fn quality(accepted: &[&str], kind: &str) -> u16 {
    let whole_type = format!("{}/*", kind.split('/').next().unwrap_or_default());
    for range in [kind, whole_type.as_str(), "*/*"] {
        for item in accepted {
            let mut parts = item.split(';').map(str::trim);
            if !parts.next().is_some_and(|name| name.eq_ignore_ascii_case(range)) {
                continue;
            }
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let weight = weight.map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0)).clamp(0.0, 1.0);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // From 0 to 1000.
            return (weight * 1000.0) as u16;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::quality;

    #[test]
    fn the_most_specific_range_gives_the_weight() {
        let browser = ["text/html", "application/xhtml+xml", " application/xml;q=0.9", " */*;q=0.8"];
        assert_eq!((quality(&browser, "text/html"), quality(&browser, "application/json")), (1000, 800));
        let json = ["*/*", "text/html;q=0", "text/*; q=0.5"];
        assert_eq!((quality(&json, "text/html"), quality(&json, "application/json")), (0, 1000));
        assert_eq!(quality(&[], "text/html"), 0);
    }
}
