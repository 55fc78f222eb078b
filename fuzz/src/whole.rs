//! Any bytes to a whole gateway: what the suite of the wire holds its changed cases to.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crate::exchange;
use crate::exchange::Exchange;
use crate::gateway::Gateway;
use crate::ingress;
use crate::mutation::WORDS;
use crate::seeds;
use crate::upstream::Upstream;

#[test]
fn nothing_reaches_the_upstream_but_what_a_second_parser_reads_too() {
    let upstream = Upstream::start();
    let gateway = Gateway::start("unmatched: reject\n  mode: off", upstream.address);
    let next = AtomicUsize::new(1);
    let holds = |text: Vec<u8>, left: &[u8]| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let bytes = [text, exchange::last_request(number)].concat();
        let cut = left.first().map_or(bytes.len(), |cut| usize::from(*cut).min(bytes.len()));
        let faults = Exchange::play(&upstream, gateway.address, bytes, cut).faults();
        assert!(faults.is_empty(), "{faults:#?}");
    };
    let mut seeds = ingress::seeds();
    seeds.retain(|seed| !seed.starts_with(b"PRI "));
    // As they stand, the suite of the wire has them.
    seeds::fuzz!(seeds::MOST_CHOICES, |choices: &[u8]| {
        let (text, left) = seeds::changed(&seeds, &WORDS, choices);
        holds(text, left);
    });
}
