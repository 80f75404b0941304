//! Parts of messages for operators: quoted values, lists of choices, suggestions.

/// A value in quotes, with control characters escaped, cut to 60 characters.
#[must_use]
pub fn quote(found: &str) -> String {
    const LONGEST: usize = 60;
    if found.chars().count() <= LONGEST {
        return format!("{found:?}");
    }
    let head: String = found.chars().take(LONGEST).collect();
    format!("{head:?}... ({} bytes)", found.len())
}

/// A path, quoted for the shell if necessary, for commands to paste.
#[must_use]
pub fn shell_word(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

/// `a`, `a or b`, `a, b or c`.
pub fn any_of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    join(names, "or")
}

/// `a`, `a and b`, `a, b and c`.
pub fn all_of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    join(names, "and")
}

fn join<S: AsRef<str>>(names: impl IntoIterator<Item = S>, word: &str) -> String {
    let mut names: Vec<S> = names.into_iter().collect();
    let Some(last) = names.pop() else { return String::new() };
    if names.is_empty() {
        return last.as_ref().to_owned();
    }
    let head: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    format!("{} {word} {}", head.join(", "), last.as_ref())
}

/// The most similar known name by edit distance, if one is similar enough. Case and `-` for `_` are ignored.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = fold(found);
    known
        .into_iter()
        .map(|name| {
            let name_folded = fold(name);
            let longest = found.chars().count().max(name_folded.chars().count());
            (strsim::damerau_levenshtein(&found, &name_folded), longest / 3, name)
        })
        .filter(|(distance, limit, _)| distance <= limit)
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., name)| name)
}

/// `did you mean "x"?`, if a known name is similar enough, or else all of which the text is a part.
pub fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    /// Fewer letters are part of a name by chance.
    const SHORTEST_PART: usize = 3;
    let known: Vec<&str> = known.into_iter().collect();
    let mut meant: Vec<&str> = near(found, known.iter().copied()).into_iter().collect();
    if meant.is_empty() && found.len() >= SHORTEST_PART {
        let part = fold(found);
        meant.extend(known.into_iter().filter(|name| fold(name).contains(&part)));
    }
    (!meant.is_empty()).then(|| format!("did you mean {}?", any_of(meant.iter().map(|name| quote(name)))))
}

/// The known name that is near, if the text is not far longer than any.
pub fn near<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A text far longer than any name is not a typing error, and comparing it would take its square.
    (found.len() <= 200).then(|| nearest(found, known))?
}

/// Whether a text is a known name with one letter more, less, changed or swapped with the next. Case and `-` for `_` are ignored.
#[must_use]
pub fn is_misspelt(found: &str, known: &str) -> bool {
    found.len() <= 200 && strsim::damerau_levenshtein(&fold(found), &fold(known)) <= 1
}

fn fold(name: &str) -> String {
    name.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_suggests_the_nearest_name() {
        let known = ["required", "optional", "off"];
        assert_eq!(nearest("requird", known), Some("required"));
        assert_eq!(nearest("Optional", known), Some("optional"));
        assert_eq!(nearest("always", known), None);
        assert_eq!(nearest("client-ca", ["client_ca"]), Some("client_ca"));
    }

    #[test]
    fn a_part_suggests_each_name_that_contains_it() {
        let known = ["self_signed_tls_client_auth", "tls_client_auth", "none"];
        let meant = |found| did_you_mean(found, known);
        assert_eq!(meant("self-signed").unwrap(), "did you mean \"self_signed_tls_client_auth\"?");
        assert_eq!(
            meant("client").unwrap(),
            "did you mean \"self_signed_tls_client_auth\" or \"tls_client_auth\"?"
        );
        assert_eq!(meant("au"), None);
    }

    #[test]
    fn lists_read_as_english() {
        assert_eq!(any_of(["a"]), "a");
        assert_eq!(any_of(["a", "b"]), "a or b");
        assert_eq!(all_of(["a", "b", "c"]), "a, b and c");
    }

    #[test]
    fn a_quoted_text_stays_on_its_line() {
        assert_eq!(quote("a\nb\u{1b}"), r#""a\nb\u{1b}""#);
        assert!(quote(&"x".repeat(100)).ends_with("... (100 bytes)"));
    }
}
