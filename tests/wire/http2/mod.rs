//! The same over HTTP/2: frames, byte for byte, on a connection that begins with the preface.

mod case;
mod client;
mod frames;

use crate::LANES;
use crate::Lane;
use crate::REJECT;
use crate::client::probe;
use crate::verdict::requests_mismatch;
use case::Case;

fn cases() -> Vec<Case> {
    let cases = crate::files("tests/wire/cases/http2", case::read);
    let doubled = crate::case::doubled(cases.iter().map(|case| case.name.as_str()));
    assert!(doubled.is_empty(), "more than one case is named {doubled:?}");
    cases
}

/// Plays one case: what is wrong, if anything.
fn play(lane: &Lane, case: &Case) -> Vec<String> {
    lane.upstream.begin(None);
    let mut faults = client::play(case, lane.gateway.address);
    faults.extend(probe(case.number, lane.gateway.address));
    let record = lane.upstream.take();
    faults.extend(record.faults.iter().map(|fault| format!("at the upstream: {fault}")));
    faults.extend(requests_mismatch(&case.requests, &record.requests));
    faults
}

#[test]
fn every_case_of_http2_comes_out_as_it_should() {
    let mut cases = cases();
    cases.retain(|case| crate::is_chosen(&case.name));
    let failed = crate::play_all(&cases, LANES, REJECT, play);
    let describe = |(at, faults): &(usize, Vec<String>)| {
        let Case { place, name, .. } = &cases[*at];
        crate::describe(&format!("http2/{place}"), name, faults)
    };
    crate::report(cases.len(), failed.iter().map(describe).collect());
}
