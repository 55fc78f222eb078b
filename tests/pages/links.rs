//! Every link within the repository leads to a file that is there, and to a heading in it.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Where pages are; not what is built or fetched.
const PLACES: [&str; 4] = ["docs", "benches", "tests/wire", "deploy"];

fn pages(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let is_own = !path.ends_with("results") && !path.ends_with("node_modules");
        if path.is_dir() && is_own {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

fn all_pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<_> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root.join(name)).into();
    for place in PLACES {
        pages(&root.join(place), &mut found);
    }
    found
}

/// The text without its blocks of code.
fn prose(page: &str) -> String {
    let mut is_code = false;
    let lines = page.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What the links of a text lead to.
fn targets(prose: &str) -> Vec<&str> {
    let inline = prose.split("](").skip(1).map(|rest| &rest[..rest.find(')').unwrap()]);
    let named = prose
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("]: ").map(|(_, target)| target));
    inline.chain(named).collect()
}

/// The names of a page's headings, as links have them.
fn anchors(page: &str) -> Vec<String> {
    let prose = prose(page);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let name = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(name).collect()
}

/// What is wrong with a link of the page at `place`.
fn fault(place: &Path, target: &str) -> Option<String> {
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (target, None),
    };
    let file =
        if file.is_empty() { place.to_owned() } else { place.parent().unwrap().join(file) };
    if !file.exists() {
        return Some(format!("{}: {target} is not there", place.display()));
    }
    let anchor =
        anchor.filter(|_| file.extension().is_some_and(|extension| extension == "md"))?;
    let is_there =
        anchors(&fs::read_to_string(file).unwrap()).iter().any(|name| name == anchor);
    (!is_there).then(|| format!("{}: no heading for {target}", place.display()))
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let pages = all_pages();
    assert!(pages.len() > 20, "{pages:?}");
    let faults: Vec<_> = pages
        .iter()
        .flat_map(|page| {
            let prose = prose(&fs::read_to_string(page).unwrap());
            let targets = targets(&prose).into_iter().map(str::to_owned).collect::<Vec<_>>();
            let own = targets.into_iter().filter(|target| !target.contains("://"));
            own.filter_map(|target| fault(page, &target)).collect::<Vec<_>>()
        })
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_page_that_is_meant_to_be_found_is_linked_from_the_readme_or_from_another() {
    let texts: Vec<_> = all_pages()
        .into_iter()
        .map(|page| (fs::read_to_string(&page).unwrap(), page))
        .collect();
    for (_, page) in texts.iter().filter(|(_, page)| page.ends_with("docs") || is_doc(page)) {
        let name = page.file_name().unwrap().to_str().unwrap();
        let is_linked = texts.iter().any(|(text, other)| other != page && text.contains(name));
        assert!(is_linked, "{} is linked from nowhere", page.display());
    }
}

fn is_doc(page: &Path) -> bool {
    page.parent().is_some_and(|directory| directory.ends_with("docs"))
}

#[test]
fn a_link_that_leads_nowhere_would_be_seen() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    assert_eq!(targets("a [b](c.md#d), ![e](f)\n[g]: https://h"), ["c.md#d", "f", "https://h"]);
    assert!(fault(&place, "docs/nothing.md").is_some());
    assert!(fault(&place, "docs/faq.md#no-such-heading").is_some());
    assert!(fault(&place, "#no-such-heading").is_some());
    assert_eq!(fault(&place, "docs/faq.md#replicas"), None);
    assert_eq!(prose("a\n```\n[x](y)\n```\nb"), "a\nb");
}
