//! A bar chart of the figures, in SVG.

use std::fmt::Write as _;

use super::table::Table;

const BAR: usize = 18;
const LEFT: usize = 130;
const LONGEST: f64 = 480.0;

/// Draws the rows of these tables one below the other, with one bar per contender, scaled to the longest of the row. The first
/// contender has its own colour; a contender without a figure has a dash.
pub fn svg(tables: &[Table]) -> String {
    let mut body = String::new();
    let mut y = 20;
    for table in tables {
        draw(table, &mut body, &mut y);
        y += 30;
    }
    let height = y - 10;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"740\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\"><rect width=\"100%\" height=\"100%\" fill=\"white\"/>{body}</svg>\n"
    )
}

fn draw(table: &Table, body: &mut String, y: &mut usize) {
    let _ = write!(body, "<text x=\"10\" y=\"{y}\" font-weight=\"bold\">{}</text>", escaped(&table.title));
    *y += 10;
    for row in &table.rows {
        *y += 28;
        let _ = write!(body, "<text x=\"10\" y=\"{y}\" font-weight=\"bold\">{}</text>", row.row.title());
        *y += 8;
        let figures: Vec<Option<f64>> = (0..table.contenders.len()).map(|index| row.figure(index)).collect();
        let longest = figures.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
        for (index, (figure, (name, _))) in figures.iter().zip(&table.contenders).enumerate() {
            let colour = if index == 0 { "#0b6e4f" } else { "#9aa5b1" };
            let middle = *y + BAR - 5;
            let _ = write!(
                body,
                "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>",
                LEFT - 6,
                escaped(name)
            );
            if let Some(figure) = figure {
                let width = figure / longest * LONGEST;
                let _ = write!(
                    body,
                    "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{colour}\"/>\
                     <text x=\"{:.1}\" y=\"{middle}\">{figure:.1} {}</text>",
                    BAR - 3,
                    f64::from(u32::try_from(LEFT).unwrap_or_default()) + width + 6.0,
                    row.row.unit().suffix(),
                );
            } else {
                let _ = write!(body, "<text x=\"{LEFT}\" y=\"{middle}\">-</text>");
            }
            *y += BAR;
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
