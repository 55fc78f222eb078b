//! What goes over the wire, byte for byte: each case of `cases/` is bytes from a client, what
//! may be answered, and what the upstream may see. `cases/README.md` says how they are written.
//!
//! `MASKGATE_CASE=word cargo test --test wire` plays the cases whose name has that word.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod case;
mod client;
mod exchange;
mod expand;
mod gateway;
mod http2;
mod judge;
mod message;
mod mutate;
mod mutation;
mod reading;
mod template;
mod upstream;
mod verdict;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use crate::case::Case;
use crate::gateway::Gateway;
use crate::upstream::Upstream;

/// How many gateways take cases, each one after the other.
const LANES: usize = 6;

/// What is none of the API's operations is refused.
const REJECT: &str = "unmatched: reject";

/// A gateway and its upstream.
struct Lane {
    gateway: Gateway,
    upstream: Upstream,
}

/// Every case of a directory's `.txt` files, numbered through.
fn files<C>(
    directory: &str,
    read: impl Fn(&str, &str, usize) -> Result<Vec<C>, String>,
) -> Vec<C> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = fs::read_dir(directory).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let read = read(name, &fs::read_to_string(&file).unwrap(), cases.len() + 1);
        cases.extend(read.unwrap_or_else(|mistake| panic!("{mistake}")));
    }
    cases
}

fn cases() -> Vec<Case> {
    let cases = files("tests/wire/cases", case::read);
    let doubled = case::doubled(cases.iter().map(|case| case.name.as_str()));
    assert!(doubled.is_empty(), "more than one case is named {doubled:?}");
    cases
}

/// Whether a case is to be played.
fn is_chosen(name: &str) -> bool {
    name.contains(&std::env::var("MASKGATE_CASE").unwrap_or_default())
}

/// Plays one case: what is wrong, if anything.
fn play(lane: &Lane, case: &Case) -> Vec<String> {
    lane.upstream.begin(case.reply.clone());
    let mut heard = client::play(case, lane.gateway.address);
    heard.faults.extend(client::probe(case.number, lane.gateway.address));
    verdict::of(case, &heard, &lane.upstream.take())
}

/// Has each case played by whichever lane is free; answers with what is wrong.
fn play_all<C: Sync>(
    cases: &[C],
    lanes: usize,
    limits: &str,
    play: impl Fn(&Lane, &C) -> Vec<String> + Sync,
) -> Vec<(usize, Vec<String>)> {
    let next = AtomicUsize::new(0);
    let take = || {
        let upstream = Upstream::start();
        let gateway = Gateway::start(limits, upstream.address);
        let lane = Lane { gateway, upstream };
        let mut failures = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(at) else { return failures };
            let faults = play(&lane, case);
            if !faults.is_empty() {
                failures.push((at, faults));
            }
        }
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(take)).collect();
        lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    })
}

/// Fails with every failure, in the order of the files.
fn report(total: usize, mut failures: Vec<String>) {
    failures.sort();
    let failed = failures.len();
    assert!(failures.is_empty(), "{failed} of {total} failed:\n{}", failures.join("\n"));
}

fn describe(place: &str, name: &str, faults: &[String]) -> String {
    format!("{place} {name}\n    {}", faults.join("\n    "))
}

#[test]
fn a_mistake_in_a_case_is_told_with_its_line() {
    for (line, mistake) in [
        ("answers 200", "unknown"),
        ("> {nothing}", "no short form {nothing}"),
        ("connection perhaps", "unknown"),
        ("upstream nothing", "say what is answered"),
        ("answer 200 ", "white space"),
    ] {
        let text = format!("case x\nwhy A1\n{line}\n");
        let told = case::read("x.txt", &text, 1).unwrap_err();
        assert!(told.starts_with("x.txt:") && told.contains(mistake), "{line}: {told}");
    }
    let twice = "case x\nwhy A1\nanswer 200\nupstream nothing\n".repeat(2);
    let twice = case::read("x.txt", &twice, 1).unwrap();
    assert_eq!(case::doubled(twice.iter().map(|case| case.name.as_str())), ["x"]);
}

#[test]
fn there_are_several_hundred_cases() {
    assert!(cases().len() >= 400);
}

#[test]
fn every_case_comes_out_as_it_should() {
    let (mut total, mut failures) = (0, Vec::new());
    for (unmatched, lanes) in [(false, LANES), (true, 1)] {
        let mut cases = cases();
        cases.retain(|case| is_chosen(&case.name) && case.unmatched == unmatched);
        total += cases.len();
        let limits = if unmatched { "unmatched: forward" } else { REJECT };
        let failed = play_all(&cases, lanes, limits, play);
        failures.extend(
            failed
                .iter()
                .map(|(at, faults)| describe(&cases[*at].place, &cases[*at].name, faults)),
        );
    }
    report(total, failures);
}
