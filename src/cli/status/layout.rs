//! Lays blocks of text out for a screen: tables that fit its width, wrapped sentences, colours.

use std::{
    fmt::Write,
    io::{self, IsTerminal},
};

use clap::builder::styling::{AnsiColor, Style};

use crate::{admin::Level, observe::has_colours, text::visible};

/// Before the rows of a block.
const INDENT: usize = 2;
/// Between two columns.
const GAP: usize = 2;
/// The width of a terminal that does not report one.
const USUAL_WIDTH: usize = 80;

/// What the text is shown on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    /// Characters per line; none if lines may have any length.
    width: Option<usize>,
    /// The number of lines; none if it is not known.
    pub(super) height: Option<usize>,
    has_colours: bool,
}

impl Screen {
    /// The terminal that standard output is connected to, or lines of any length without colours.
    pub(super) fn of_stdout() -> Self {
        let stdout = io::stdout();
        let has_colours = has_colours(&stdout);
        if !stdout.is_terminal() {
            return Self { width: None, height: None, has_colours };
        }
        let size = rustix::termios::tcgetwinsize(&stdout).ok();
        let known = |length: u16| (length > 0).then_some(usize::from(length));
        let width = size.and_then(|size| known(size.ws_col)).unwrap_or(USUAL_WIDTH);
        Self { width: Some(width), height: size.and_then(|size| known(size.ws_row)), has_colours }
    }

    /// The same without a limit on the length of lines.
    pub(super) fn unlimited(self) -> Self {
        Self { width: None, ..self }
    }
}

/// A text with the level of what it says, if that matters.
#[derive(Debug)]
pub(super) struct Cell {
    text: String,
    level: Option<Level>,
}

impl Cell {
    /// A text in the usual colour. Characters that are invisible or would be interpreted by a terminal are escaped: names come from
    /// certificates and files.
    pub(super) fn new(text: &(impl ToString + ?Sized)) -> Self {
        Self { text: visible(&text.to_string()).into_owned(), level: None }
    }

    /// A text in the colour of a level.
    pub(super) fn of(level: Level, text: &(impl ToString + ?Sized)) -> Self {
        Self { level: Some(level), ..Self::new(text) }
    }

    fn style(&self) -> Option<Style> {
        let colour = match self.level? {
            Level::Healthy => AnsiColor::Green,
            Level::Warning => AnsiColor::Yellow,
            Level::Degraded => AnsiColor::Red,
        };
        Some(Style::new().fg_color(Some(colour.into())))
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(&text)
    }
}

/// A part of the output.
#[derive(Debug)]
pub(super) enum Block {
    /// One line of cells.
    Line(Vec<Cell>),
    /// A label beside each sentence, under a title. Sentences are wrapped.
    Sentences(&'static str, Vec<(Cell, Cell)>),
    /// Rows under column headings and a title. Long cells are cut.
    Table(Table),
    /// Names with their values under a title. Nothing is cut, so that values can be copied.
    Facts(String, Vec<(&'static str, Cell)>),
}

/// Rows of cells under column headings.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) title: String,
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Vec<Cell>>,
}

/// The text of these blocks. Tables without rows are left out.
pub(super) fn text(blocks: &[Block], screen: Screen) -> String {
    let mut page = Page { screen, text: String::new() };
    for block in blocks {
        match block {
            Block::Line(cells) => page.line(cells.iter().map(|cell| (cell, cell.text.chars().count())), 0),
            Block::Sentences(_, sentences) if sentences.is_empty() => {}
            Block::Sentences(title, sentences) => {
                page.title(title);
                page.sentences(sentences);
            }
            Block::Table(table) if table.rows.is_empty() => {}
            Block::Table(table) => {
                page.title(&table.title);
                page.table(table);
            }
            Block::Facts(title, facts) => {
                page.title(title);
                page.facts(facts);
            }
        }
    }
    page.text
}

struct Page {
    screen: Screen,
    text: String,
}

impl Page {
    fn title(&mut self, title: &str) {
        self.text.push('\n');
        self.styled(title, Some(Style::new().bold()));
        self.text.push('\n');
    }

    fn styled(&mut self, text: &str, style: Option<Style>) {
        match style.filter(|_| self.screen.has_colours) {
            Some(style) => drop(write!(self.text, "{style}{text}{style:#}")),
            None => self.text.push_str(text),
        }
    }

    /// Cells, each with its width, without whitespace at the end.
    fn line<'a>(&mut self, cells: impl Iterator<Item = (&'a Cell, usize)>, indent: usize) {
        // The whitespace before the next cell that is not empty.
        let mut before = indent;
        for (cell, width) in cells {
            let shown = cut(&cell.text, width);
            let length = shown.chars().count();
            if length > 0 {
                self.blanks(before);
                self.styled(&shown, cell.style());
                before = 0;
            }
            before += width.saturating_sub(length) + GAP;
        }
        self.text.push('\n');
    }

    fn blanks(&mut self, count: usize) {
        self.text.extend(std::iter::repeat_n(' ', count));
    }

    fn table(&mut self, table: &Table) {
        let head: Vec<Cell> = table.columns.iter().map(Cell::from).collect();
        let rows = || std::iter::once(&head).chain(&table.rows);
        let width = |column: usize| {
            rows().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count()).max()
        };
        let mut widths: Vec<usize> = (0..table.columns.len()).filter_map(width).collect();
        if let Some(limit) = self.screen.width {
            let gaps = INDENT + GAP * widths.len().saturating_sub(1);
            shrink(&mut widths, limit.saturating_sub(gaps));
        }
        for row in rows() {
            self.line(row.iter().zip(widths.iter().copied()), INDENT);
        }
    }

    fn facts(&mut self, facts: &[(&'static str, Cell)]) {
        let names = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in facts {
            let name = Cell::new(name);
            self.line([(&name, names), (value, value.text.chars().count())].into_iter(), INDENT);
        }
    }

    fn sentences(&mut self, sentences: &[(Cell, Cell)]) {
        let labels = sentences.iter().map(|(label, _)| label.text.chars().count()).max().unwrap_or(0);
        let before = INDENT + labels + GAP;
        let none = Cell::new("");
        for (label, sentence) in sentences {
            let lines = match self.screen.width {
                Some(width) => wrapped(&sentence.text, width.saturating_sub(before).max(labels)),
                None => vec![sentence.text.clone()],
            };
            for (number, line) in lines.into_iter().enumerate() {
                let width = line.chars().count();
                let label = if number == 0 { label } else { &none };
                let part = Cell { text: line, level: sentence.level };
                self.line([(label, labels), (&part, width)].into_iter(), INDENT);
            }
        }
    }
}

/// Narrows the widest columns until all fit into `limit`, each to a few characters at least.
fn shrink(widths: &mut [usize], limit: usize) {
    const LEAST: usize = 6;
    while widths.iter().sum::<usize>() > limit {
        let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > LEAST) else { return };
        *widest -= 1;
    }
}

/// A text of at most `width` characters; the end of a longer one is replaced by an ellipsis.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}\u{2026}", kept.trim_end())
}

/// The lines of a text, broken at spaces; a longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(width: usize) -> Screen {
        Screen { width: Some(width), height: None, has_colours: false }
    }

    fn table(rows: Vec<Vec<Cell>>) -> Block {
        Block::Table(Table { title: "t".to_owned(), columns: &["name", "value"], rows })
    }

    #[test]
    fn the_widest_column_is_cut_until_the_table_fits() {
        let rows = vec![vec!["billing".into(), "0123456789012345".into()], vec!["a".into(), "".into()]];
        let blocks = [table(rows), table(Vec::new())];
        assert_eq!(text(&blocks, screen(20)), "\nt\n  name     value\n  billing  01234567\u{2026}\n  a\n");
        let all = text(&blocks, screen(20).unlimited());
        assert!(all.contains("  billing  0123456789012345\n"), "{all}");
    }

    #[test]
    fn a_sentence_is_wrapped_beside_its_label() {
        let sentence = Block::Sentences("t", vec![("label".into(), "one two three averylongword".into())]);
        assert_eq!(
            text(&[sentence], screen(18)),
            "\nt\n  label  one two\n         three\n         averylongword\n"
        );
    }

    #[test]
    fn a_name_cannot_control_the_terminal() {
        let line = Block::Line(vec![Cell::of(Level::Degraded, "a\u{1b}[2Jb\u{202e}")]);
        let coloured = Screen { has_colours: true, ..screen(80) };
        assert_eq!(text(&[line], coloured), "\u{1b}[31ma\\u{1b}[2Jb\\u{202e}\u{1b}[0m\n");
    }
}
