//! Data flows one way: a module knows only modules of a lower rank. A module of the same rank is
//! a stranger.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a source that cannot be read has failed the test"
)]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

const RANKS: &[&[&str]] = &[
    &[
        "time",
        "sync",
        "sid",
        "agent",
        "alarm",
        "authority",
        "budget",
        "media",
        "isolate",
        "fingerprint",
        "page",
        "systemd",
        "trace_context",
    ],
    &["policy"],
    &["config", "classify", "backend", "ingress"],
    &[
        "admit", "advise", "inspect", "pool", "forward", "http1", "learn", "links", "control",
        "store", "otlp",
    ],
    &["reject", "restart", "sharing"],
    &["observe"],
    &["respond", "report"],
    &["gateway", "door", "listen"],
    &["worker", "state"],
    &["admin", "reload", "sweep", "watchdog"],
    &["server"],
];

fn rank(module: &str) -> Option<usize> {
    RANKS.iter().position(|modules| modules.contains(&module))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The top module that a file belongs to.
fn module_of(file: &Path) -> String {
    let below = file.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that a text names behind `crate::`.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split("crate::").skip(1).map(|rest| {
        let end =
            rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

fn breaches(module: &str, text: &str) -> Vec<String> {
    let own = rank(module).unwrap_or_else(|| panic!("{module} has no rank"));
    named(text)
        .filter(|other| *other != module)
        .filter_map(|other| Some((other, rank(other)?)))
        .filter(|(_, rank)| *rank >= own)
        .map(|(other, _)| format!("{module} knows {other}"))
        .collect()
}

fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut files);
    files.retain(|file| !["lib", "bin"].contains(&module_of(file).as_str()));
    files
}

#[test]
fn every_module_knows_only_modules_of_a_lower_rank() {
    let breaches: Vec<_> = files()
        .iter()
        .flat_map(|file| {
            let found = breaches(&module_of(file), &fs::read_to_string(file).unwrap());
            found.into_iter().map(|breach| format!("{}: {breach}", file.display()))
        })
        .collect();
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn a_breach_would_be_seen() {
    assert_eq!(breaches("admit", "use crate::gateway::Gateway;"), ["admit knows gateway"]);
    assert_eq!(breaches("admit", "use crate::forward::Forwarder;"), ["admit knows forward"]);
    assert!(breaches("admit", "use crate::policy::Policy;").is_empty());
}

#[test]
fn serde_and_yaml_are_known_to_the_configuration_and_json_to_those_who_write_it() {
    for file in files() {
        let module = module_of(&file);
        let text = fs::read_to_string(&file).unwrap();
        let uses = |name: &str| text.contains(&format!("{name}::"));
        let place = file.display();
        assert!(module == "config" || !uses("serde_yaml"), "{place} knows YAML");
        assert!(
            ["config", "backend", "inspect", "learn"].contains(&module.as_str())
                || !uses("serde"),
            "{place} knows serde"
        );
        assert!(
            module == "observe" || module == "server" || !uses("prometheus"),
            "{place} knows Prometheus"
        );
    }
}
