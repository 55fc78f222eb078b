//! Small journals, and the cards that come of them.

use std::net::SocketAddr;
use std::time::Duration;

use super::Busiest;
use super::Check;
use super::Counts;
use super::Ended;
use super::Format;
use super::Report;
use super::Spacing;
use super::Verdict;
use super::render;
use crate::agent::Agent;
use crate::classify::RequestClass;
use crate::observe::journal::Entries;
use crate::observe::journal::Sighting;
use crate::policy::endpoint::Endpoint;
use crate::policy::rate::RateLimit;
use crate::reject::Decision;
use crate::reject::Refusal;
use crate::sid::AccountKey;
use crate::sid::Digest;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::sid::SidKind;
use crate::time::Tick;

/// A request that was forwarded, `millis` after the start; its answer took 2 ms. All come over
/// one connection.
fn sent(request: u128, millis: u64) -> Sighting {
    let begun = Tick::default().plus(Duration::from_millis(millis));
    Sighting {
        order: millis,
        connection: Some(SocketAddr::from(([127, 0, 0, 1], 1))),
        begun,
        ended: begun.plus(Duration::from_millis(2)),
        class: Some(RequestClass {
            endpoint: Endpoint::CreateSession,
            account: AccountKey::Sid(Sid::new(SidKind::Account, [1; 16])),
            service: Some(ServiceKey::Sid(Sid::new(SidKind::Service, [2; 16]))),
            credential: Digest([9; 16]),
        }),
        request,
        agent: Agent::TwilioPython,
        decision: Decision::Forwarded,
        refusal: None,
        limit: Some(RateLimit::API),
        enforced: true,
        retry_after: None,
    }
}

/// One that was refused, and told to come again after so many seconds.
fn refused(request: u128, millis: u64, retry_after: u64) -> Sighting {
    Sighting {
        decision: Decision::Limited,
        refusal: Some(Refusal::Rate),
        retry_after: Some(retry_after),
        ..sent(request, millis)
    }
}

/// The same over a connection of its own.
fn over(port: u16, sighting: Sighting) -> Sighting {
    Sighting { connection: Some(SocketAddr::from(([127, 0, 0, 1], port))), ..sighting }
}

fn report(kept: Vec<Sighting>) -> Report {
    Report::of(Entries { kept, missed: 0 })
}

#[test]
fn a_client_that_waits_as_told_comes_back_and_is_not_early() {
    let report = report(vec![refused(1, 0, 2), sent(2, 500), sent(1, 2000)]);
    let counts = Counts { requests: 3, refused: 1, came_back: 1, early: 0, gave_up: 0 };
    assert_eq!(report.total, counts);
    let wait = Duration::from_secs(2);
    assert_eq!(report.spacing, Some(Spacing { least: wait, median: wait, most: wait }));
}

#[test]
fn one_that_does_not_wait_is_early_each_time() {
    let kept = vec![refused(1, 0, 2), refused(1, 100, 2), refused(1, 300, 2), sent(1, 2300)];
    let report = report(kept);
    let counts = Counts { requests: 4, refused: 3, came_back: 3, early: 2, gave_up: 0 };
    assert_eq!(report.total, counts);
    let [least, median, most] = [100, 200, 2000].map(Duration::from_millis);
    assert_eq!(report.spacing, Some(Spacing { least, median, most }));
}

#[test]
fn a_timer_that_is_a_little_fast_makes_nobody_early() {
    assert_eq!(report(vec![refused(1, 0, 1), sent(1, 990)]).total.early, 0);
    assert_eq!(report(vec![refused(1, 0, 1), sent(1, 989)]).total.early, 1);
}

#[test]
fn what_is_never_sent_again_was_given_up() {
    let report = report(vec![refused(1, 0, 1), refused(2, 10, 1), sent(2, 1010)]);
    assert_eq!((report.total.came_back, report.total.gave_up), (1, 1));
    assert_eq!(report.endpoints, [(Endpoint::CreateSession, report.total)]);
    assert_eq!(report.agents, [(Agent::TwilioPython, report.total)]);
}

#[test]
fn equal_requests_at_once_are_no_retries_of_each_other() {
    // Refused in an instant, each over a connection of its own; one of them comes back.
    let at_once = (1..=4).map(|port| over(port, refused(1, u64::from(port), 1)));
    let kept = at_once.chain([over(5, sent(1, 1500))]).collect();
    let counts = Counts { requests: 5, refused: 4, came_back: 1, early: 0, gave_up: 3 };
    assert_eq!(report(kept).total, counts);
}

#[test]
fn threads_that_wait_as_told_are_not_early_whatever_connections_they_share() {
    for ports in [[1, 2, 3, 4, 5, 6, 7, 8], [1, 1, 1, 2, 2, 1, 2, 1], [1; 8]] {
        // One after another, the slowest long behind the first.
        let refused = (0..4).map(|thread| refused(1, 70 * thread, 1));
        let sent = (0..4).map(|thread| sent(1, 1000 + 70 * thread));
        let all = refused.chain(sent).zip(ports).map(|(each, port)| over(port, each));
        let counts = Counts { requests: 8, refused: 4, came_back: 4, early: 0, gave_up: 0 };
        assert_eq!(report(all.collect()).total, counts, "{ports:?}");
    }
}

#[test]
fn a_retry_that_is_early_is_so_over_a_new_connection_too() {
    // What it asks later, and over and over, excuses nothing.
    let hasty = [refused(1, 0, 1), refused(1, 100, 1), sent(1, 1100)];
    let kept = hasty.into_iter().chain([sent(1, 10_000), sent(1, 20_000)]);
    let kept = kept.zip(1..).map(|(each, port)| over(port, each)).collect();
    let counts = Counts { requests: 5, refused: 2, came_back: 2, early: 1, gave_up: 0 };
    assert_eq!(report(kept).total, counts);
}

#[test]
fn where_the_clock_stands_a_connection_tells_retries_from_calls_at_once() {
    let standing = |order: u64, port: u16| {
        let refused = refused(1, 0, 1);
        over(port, Sighting { order, ended: refused.begun, ..refused })
    };
    let separate = report(
        (0..4).map(|order| standing(order, 1 + u16::try_from(order).unwrap())).collect(),
    );
    assert_eq!((separate.total.early, separate.total.gave_up), (0, 4));
    let one = report((0..4).rev().map(|order| standing(order, 1)).collect());
    assert_eq!((one.total.early, one.total.gave_up), (3, 1));
}

#[test]
fn a_connection_that_carries_several_at_once_tells_nothing() {
    let over_http2 = |sighting| Sighting { connection: None, ..sighting };
    let kept = [refused(1, 0, 1), refused(1, 5, 1), refused(1, 300, 1)].map(over_http2);
    let counts = Counts { requests: 3, refused: 3, came_back: 1, early: 1, gave_up: 2 };
    assert_eq!(report(kept.to_vec()).total, counts);
}

#[test]
fn nothing_comes_back_to_a_refusal_that_is_still_to_be_answered() {
    let slow = Sighting { ended: Tick::from_micros(9_000_000), ..refused(1, 0, 1) };
    let report = report(vec![slow, over(2, sent(1, 1000))]);
    assert_eq!((report.total.came_back, report.total.gave_up), (0, 1));
}

#[test]
fn requests_are_ordered_by_when_they_began_whatever_the_journal_does() {
    let kept = vec![sent(1, 2000), sent(2, 500), refused(1, 0, 2)];
    let mut reversed = kept.clone();
    reversed.reverse();
    assert_eq!(report(kept), report(reversed));
}

#[test]
fn a_refusal_for_a_cap_is_no_breach_of_a_rate() {
    let refusal = Some(Refusal::InFlight);
    let report = report(vec![Sighting { refusal, limit: None, ..refused(1, 0, 1) }]);
    assert_eq!((report.total.refused, report.refused_for_rate), (1, 0));
    assert_eq!((Check::GaveUp.found(&report), Check::OverLimit.found(&report)), (1, 0));
}

#[test]
fn the_most_in_a_window_is_counted_over_every_span_of_its_length() {
    // 3 in 5 s at most: the fourth is just outside the span that the first three are in.
    let kept = vec![sent(1, 0), sent(2, 1000), refused(3, 4999, 1), sent(4, 6000)];
    let busiest = report(kept).busiest;
    let expected = Busiest {
        endpoint: Endpoint::CreateSession,
        of: Some(Sid::new(SidKind::Service, [2; 16])),
        window: Duration::from_secs(5),
        sent: 3,
        admitted: 2,
        allowed: RateLimit::API.admissions(),
        enforced: true,
    };
    assert_eq!(busiest, Some(expected));
}

#[test]
fn what_was_admitted_is_counted_in_the_span_in_which_most_was_sent() {
    // Two are admitted in the first span; most is sent in the second, and one is admitted there.
    let late = (0..3).map(|call| refused(3 + call, 9000 + u64::try_from(call).unwrap(), 1));
    let kept = [sent(1, 0), sent(2, 1), sent(9, 8999)].into_iter().chain(late);
    let busiest = report(kept.collect()).busiest.unwrap();
    assert_eq!((busiest.sent, busiest.admitted), (4, 1));
}

#[test]
fn a_rate_that_is_not_enforced_is_said_to_be_so() {
    let report = report(vec![Sighting { enforced: false, ..sent(1, 0) }]);
    assert!(!report.busiest.unwrap().enforced);
    let card = render(&report, &verdict(Ended::Status(0)), Format::Text);
    assert!(card.contains("sent, 1 admitted, 150 allowed but not enforced: CreateS"), "{card}");
}

#[test]
fn what_is_no_request_of_the_api_is_counted_and_named_nowhere() {
    let foreign = Sighting { class: None, limit: None, ..sent(1, 0) };
    let report = report(vec![Sighting { decision: Decision::Unroutable, ..foreign }]);
    assert_eq!(report.total.requests, 1);
    assert_eq!((report.endpoints.len(), report.busiest), (0, None));
}

/// A run with everything in it.
fn eventful() -> Report {
    let list = |mut sighting: Sighting| {
        if let Some(class) = &mut sighting.class {
            class.endpoint = Endpoint::ListSession;
        }
        Sighting { agent: Agent::TwilioNode, ..sighting }
    };
    let kept = vec![
        sent(1, 0),
        refused(2, 10, 1),
        refused(2, 110, 1),
        sent(2, 1210),
        refused(3, 1300, 4),
        list(sent(4, 1400)),
        list(refused(5, 1500, 1)),
        list(sent(5, 2600)),
    ];
    Report::of(Entries { kept, missed: 7 })
}

fn verdict(ended: Ended) -> Verdict {
    Verdict { ended, fail_on: vec![Check::GaveUp, Check::EarlyRetry] }
}

#[test]
fn the_card_for_a_person_is_as_it_is_shown() {
    let card = render(&eventful(), &verdict(Ended::Status(0)), Format::Text);
    assert_eq!(card, include_str!("golden/card.txt"));
}

#[test]
fn the_card_for_a_program_is_one_object() {
    let card = render(&eventful(), &verdict(Ended::Status(3)), Format::Json);
    assert_eq!(card, include_str!("golden/card.json"));
}

#[test]
fn the_card_for_a_ci_server_is_a_suite_of_four_cases() {
    let card = render(&eventful(), &verdict(Ended::Signal(15)), Format::Junit);
    assert_eq!(card, include_str!("golden/card.xml"));
}

#[test]
fn a_card_without_requests_asks_where_they_went() {
    let card = render(&report(Vec::new()), &verdict(Ended::Status(0)), Format::Text);
    assert!(card.contains("is the client's base URL MASKGATE_URL?"), "{card}");
    assert!(!card.contains("what helps") && !card.contains("failed:"), "{card}");
}
