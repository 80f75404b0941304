//! A commented configuration whose values are replaced. Comments stay, and are aligned.

/// The column at which comments begin behind a value.
const COMMENT_COLUMN: usize = 36;

/// The lines of a configuration.
pub(super) struct Template {
    lines: Vec<String>,
}

impl Template {
    /// A configuration in which optional keys are commented out.
    pub(super) fn new(text: &str) -> Self {
        Self { lines: text.lines().map(str::to_owned).collect() }
    }

    /// Replaces the comment at the beginning, up to its first empty line.
    pub(super) fn set_head(&mut self, head: &str) {
        let end = self.lines.iter().position(|line| line == "#").unwrap_or(0);
        self.lines.splice(..end, head.lines().map(str::to_owned));
    }

    /// Sets a key of the first table with this header, which may be commented out. Its comment stays.
    pub(super) fn set(&mut self, header: &str, key: &str, value: &str) {
        self.edit(header, key, |comment| format!("{key} = {value}{comment}"));
    }

    /// Comments a key out, with an example as its value.
    pub(super) fn comment_out(&mut self, header: &str, key: &str, example: &str) {
        self.edit(header, key, |comment| format!("# {key} = {example}{comment}"));
    }

    /// Replaces the line of a key by one that is made from its comment. A key that is not there is added at the start of its table.
    fn edit(&mut self, header: &str, key: &str, line: impl FnOnce(&str) -> String) {
        let (start, end) = self.table(header);
        let is_key = |line: &String| {
            let bare = line.strip_prefix("# ").unwrap_or(line);
            bare.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        let found = self.lines.iter().take(end).skip(start).position(is_key);
        if let Some(old) = found.and_then(|at| self.lines.get_mut(start + at)) {
            let comment = split(old).1.map(|comment| format!(" {comment}")).unwrap_or_default();
            *old = line(&comment);
        } else {
            self.lines.insert(start, line(""));
        }
    }

    /// Replaces all tables with this header but the first one.
    pub(super) fn replace_further(&mut self, header: &str, text: &str) {
        let (_, end) = self.table(header);
        loop {
            let blank = self.lines.iter().skip(end).take_while(|line| line.is_empty()).count();
            if self.lines.get(end + blank).is_none_or(|line| line != header) {
                break;
            }
            let (_, next) = self.table_at(end + blank);
            self.lines.drain(end..next);
        }
        self.lines.splice(end..end, text.lines().map(str::to_owned));
    }

    /// The lines of the first table with this header, without the header.
    fn table(&self, header: &str) -> (usize, usize) {
        self.table_at(self.lines.iter().position(|line| line == header).unwrap_or(self.lines.len()))
    }

    /// The lines of the table whose header is at this line: up to the next header or empty line.
    fn table_at(&self, header: usize) -> (usize, usize) {
        let start = (header + 1).min(self.lines.len());
        let is_end = |line: &String| line.is_empty() || line.starts_with('[');
        let length = self.lines.iter().skip(start).position(is_end);
        (start, length.map_or(self.lines.len(), |length| start + length))
    }

    /// The text, with the comments behind values in one column.
    pub(super) fn finish(self) -> String {
        let aligned = self.lines.iter().map(|line| match split(line) {
            (code, Some(comment)) if !code.trim().is_empty() && code != "#" => {
                format!("{code:width$}{comment}\n", width = COMMENT_COLUMN.max(code.chars().count() + 1))
            }
            _ => format!("{line}\n"),
        });
        aligned.collect()
    }
}

/// A line's code, which may be commented out, and the comment behind it.
fn split(line: &str) -> (&str, Option<&str>) {
    let mut is_quoted = false;
    // The first character may comment the code out.
    for (at, c) in line.char_indices().skip(1) {
        match c {
            '"' => is_quoted = !is_quoted,
            '#' if !is_quoted && line.get(..at).is_some_and(|before| before.ends_with(' ')) => {
                let (code, comment) = line.split_at(at);
                let is_key = code.contains('=');
                return if is_key { (code.trim_end(), Some(comment)) } else { (line, None) };
            }
            _ => {}
        }
    }
    (line, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Head.\n#\n# More.\n\n[listen]\nhttps = [\"#1\"] # where\n# workers = 4 # threads\n\n[[route]]\npath = \"/a\" # exact\n\n[[route]]\npath = \"/b\"\n\n# An optional table.\n# [[profile]]\n# name = \"corp\" # its name\n";

    #[test]
    fn values_are_replaced_and_comments_stay_aligned() {
        let mut template = Template::new(TEXT);
        template.set_head("# Another head.");
        template.set("[listen]", "https", "[\"#2\"]");
        template.set("[listen]", "workers", "2");
        template.set("[listen]", "admin", "\"x\"");
        template.set("[[route]]", "path", "\"/c\"");
        template.replace_further("[[route]]", "\n[[route]]\npath = \"/d\"\n");
        let column = |code: &str, comment: &str| format!("{code:36}{comment}");
        let expected = [
            "# Another head.",
            "#",
            "# More.",
            "",
            "[listen]",
            "admin = \"x\"",
            &column("https = [\"#2\"]", "# where"),
            &column("workers = 2", "# threads"),
            "",
            "[[route]]",
            &column("path = \"/c\"", "# exact"),
            "",
            "[[route]]",
            "path = \"/d\"",
            "",
            "# An optional table.",
            "# [[profile]]",
            &column("# name = \"corp\"", "# its name"),
        ];
        assert_eq!(template.finish().lines().collect::<Vec<_>>(), expected);
        let mut template = Template::new(TEXT);
        template.comment_out("[listen]", "https", "[]");
        assert!(template.finish().contains(&column("# https = []", "# where")));
    }
}
