//! What a page shows: blocks of code, commands, and what they print.

/// The blocks of one language in a page, in order.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    let fence = format!("```{language}");
    while lines.by_ref().any(|line| line == fence) {
        let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push(block.join("\n"));
    }
    assert!(!blocks.is_empty(), "the page has no {fence}");
    blocks
}

/// A command and the lines that it is shown to print.
pub(crate) fn commands(block: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((_, output))) => output.push(line.to_owned()),
            (None, None) => panic!("{line:?} comes before a command"),
        }
    }
    commands
}

/// Whether a line is as it is shown; `…` stands for anything.
pub(crate) fn fits(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = printed.strip_prefix(parts.next().unwrap()) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last == Some("")
}

/// Fails where a command has printed something else than is shown; a last line `…` stands for any number.
pub(crate) fn compare(command: &str, shown: &[String], printed: &[String]) {
    let whole = format!("$ {command}\nshown:\n{shown:#?}\nprinted:\n{printed:#?}");
    let (shown, open_ended) = match shown.split_last() {
        Some((last, rest)) if last == "…" => (rest, true),
        _ => (shown, false),
    };
    assert!(open_ended || shown.len() == printed.len(), "{whole}");
    for (shown, printed) in shown.iter().zip(printed) {
        assert!(fits(shown, printed), "{shown:?} is not {printed:?}\n{whole}");
    }
}
