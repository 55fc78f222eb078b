//! Any text is a configuration, or it has a mistake with a place; and that is soon known.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use maskgate::config::Flags;
use maskgate::config::Format;
use maskgate::config::Place;
use maskgate::config::Sources;
use maskgate::config::render;

use crate::seeds;

/// Far more than it takes, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(5);

const WORDS: [&[u8]; 52] = [
    b": ",
    b"- ",
    b"\n",
    b"\n  ",
    b"\n    - ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[",
    b"{a: ",
    b",",
    b"&a ",
    b"*a",
    b"<<: *a\n",
    b"!!int ",
    b"!t ",
    b"|\n",
    b">\n",
    b"'",
    b"\"",
    b"#",
    b"---\n",
    b"...\n",
    b"? ",
    b"~",
    b"\t",
    b"\r",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"0",
    b"-1",
    b"1e9",
    b"0x10",
    b"99999999999999999999",
    b"5s",
    b"1h",
    b"256KiB",
    b"off",
    b"true",
    b"limits: ",
    b"rate: ",
    b"overrides: ",
    b"match: ",
    b"upstream: ",
    b"url: ",
    b"http://127.0.0.1:9000",
    b"https://[::1]",
    b"10.0.0.0/8",
    b"KS0123456789abcdef0123456789abcdef",
];

/// Every example and every bad configuration that the tests have.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for directory in ["config", "tests/bad-config", "fuzz/seeds/configuration"] {
        let entries = fs::read_dir(seeds::repository(directory)).into_iter().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        files.sort();
        seeds.extend(files.iter().map(|file| fs::read(file).unwrap()));
    }
    seeds
}

#[expect(clippy::disallowed_methods, reason = "the time that it really takes")]
fn holds(bytes: &[u8]) {
    let file = Some(PathBuf::from("any.yaml"));
    let sources = Sources { file, variables: Vec::new(), flags: Flags::default() };
    let begun = Instant::now();
    let compiled = sources.compile(Some(bytes));
    assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
    let Err(errors) = compiled else { return };
    let is_placed = |place: &Place| !matches!(place, Place::Nowhere);
    assert!(errors.mistakes().iter().any(|mistake| is_placed(&mistake.place)), "{errors:?}");
    assert!(errors.mistakes().iter().all(|mistake| !mistake.message.is_empty()), "{errors:?}");
    for format in [Format::Text, Format::Json, Format::Github] {
        let report = render(&errors, format);
        assert!(!report.contains(|c: char| c.is_control() && c != '\n'), "{report:?}");
    }
}

#[test]
fn any_text_is_a_configuration_or_has_a_mistake_with_a_place() {
    let seeds = seeds();
    for seed in &seeds {
        holds(seed);
    }
    seeds::fuzz!(seeds::MOST_CHOICES, |choices: &[u8]| {
        holds(&seeds::changed(&seeds, &WORDS, choices).0);
    });
}
