//! Indents a JSON document without changing the order of its members.

use std::fmt::Write;

/// One member or element per line, two spaces per level. The document must be valid. Control characters in strings, which a terminal
/// would interpret, are escaped.
pub(super) fn indented(document: &str) -> String {
    let mut text = String::with_capacity(document.len() * 2);
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut characters = document.chars().peekable();
    while let Some(c) = characters.next() {
        if in_string {
            match c {
                '\\' => text.extend([Some(c), characters.next()].into_iter().flatten()),
                '"' => {
                    in_string = false;
                    text.push(c);
                }
                c if c.is_control() => drop(write!(text, "\\u{:04x}", u32::from(c))),
                c => text.push(c),
            }
            continue;
        }
        match c {
            '"' => {
                in_string = true;
                text.push(c);
            }
            '{' | '[' => {
                text.push(c);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(end);
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(c);
            }
            ',' => {
                text.push(c);
                new_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => text.push(c),
        }
    }
    text.push('\n');
    text
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_strings_their_text() {
        let document = "{\"z\":[1,{\"a\":\"{,:\\\"\u{9b}\\\\\"}],\"b\":{},\"c\":[ ],\"d\":null}";
        let expected = "{\n  \"z\": [\n    1,\n    {\n      \"a\": \"{,:\\\"\\u009b\\\\\"\n    }\n  ],\n  \"b\": {},\n  \"c\": [],\n  \"d\": null\n}\n";
        assert_eq!(indented(document), expected);
        assert_eq!(indented(expected), expected);
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(document), parse(expected));
    }
}
