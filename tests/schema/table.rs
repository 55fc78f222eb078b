//! The tables of `docs/configuration.md`: every key, what may stand there, its default, and what
//! it is for.

use std::fs;

/// One row.
pub(crate) struct Row {
    /// The key, with dots; relative to what the table is about.
    pub(crate) key: String,
    /// What may stand there, such as "1 to 1000000".
    pub(crate) value: String,
    /// As it is written there, where the table has such a column.
    pub(crate) default: Option<String>,
    /// A sentence or two, in Markdown.
    pub(crate) meaning: String,
}

/// The rows of the table under the heading `heading` whose first cell is a key.
pub(crate) fn under(heading: &str) -> Vec<Row> {
    let reference = fs::read_to_string("docs/configuration.md").unwrap();
    let (_, section) = reference.split_once(&format!("\n{heading}\n")).unwrap();
    let end = section.find("\n#").unwrap_or(section.len());
    let rows = section[..end].lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(row).collect()
}

/// One row of the text, which may be about several keys: "`a` and `b`".
fn row(line: &str) -> Vec<Row> {
    let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let (keys, value, meaning) = (cells[0], cells[1], cells[cells.len() - 1]);
    let default = (cells.len() == 4).then(|| cells[2].trim_matches('`').to_owned());
    keys.split('`')
        .skip(1)
        .step_by(2)
        .map(|key| Row {
            key: key.to_owned(),
            value: value.to_owned(),
            default: default.clone(),
            meaning: plain(meaning),
        })
        .collect()
}

/// Without the markup that an editor would show as it is.
fn plain(markdown: &str) -> String {
    let text = markdown.replace(" · **restart**", " (a change needs a restart)");
    let text = text.replace(", see below", "");
    match text.split_once(" [") {
        Some((before, _link)) => before.to_owned(),
        None => text,
    }
}
