//! One change after the other, none overlapping: then there is no doubt, and every answer of the
//! pools is that of a plain list of numbers.

use std::collections::HashMap;

use maskgate::policy::pools::PoolKind;
use maskgate::pool::Change;
use maskgate::pool::Claim;
use maskgate::pool::Kinds;
use maskgate::sid::Sid;
use proptest::collection::vec;
use proptest::prelude::Just;
use proptest::prelude::ProptestConfig;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;

use proptest::test_runner::TestCaseError;

use crate::Bench;
use crate::RESERVED;
use crate::SECOND;
use crate::UNRESERVED;
use crate::add;
use crate::at;
use crate::flip;
use crate::phone;

/// What is asked for, and how far it gets.
#[derive(Clone, Copy, Debug)]
enum Step {
    Add(u128, PoolKind, End),
    Move(u128, PoolKind, End),
    Remove(u128, End),
}

/// How a change ends; granted by default, where the number allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Answered,
    Unsent,
    Refused,
    /// The client leaves after the head of a 2xx.
    Accepted,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = || any::<bool>().prop_map(PoolKind::of);
    let end = || {
        prop_oneof![
            5 => Just(End::Answered),
            1 => Just(End::Unsent),
            1 => Just(End::Refused),
        ]
    };
    // With a name that is known from the path, nothing is lost if the rest is not read.
    let end_of_named = || prop_oneof![6 => end(), 1 => Just(End::Accepted)];
    let step = prop_oneof![
        (0..9_u128, kind(), end()).prop_map(|(n, kind, end)| Step::Add(n, kind, end)),
        (0..9_u128, kind(), end_of_named()).prop_map(|(n, kind, end)| Step::Move(n, kind, end)),
        (0..9_u128, end_of_named()).prop_map(|(n, end)| Step::Remove(n, end)),
    ];
    vec(step, 0..60)
}

type Reference = HashMap<Sid, PoolKind>;

fn used(reference: &Reference, kind: PoolKind) -> u32 {
    u32::try_from(reference.values().filter(|each| **each == kind).count()).unwrap()
}

/// Carries out one step on both; the upstream grants what the number allows.
fn carry_out(
    bench: &Bench,
    reference: &mut Reference,
    step: Step,
) -> Result<(), TestCaseError> {
    let (number, kind, change, end) = match step {
        Step::Add(number, kind, end) => (number, Some(kind), add(kind), end),
        Step::Move(number, kind, end) => (number, Some(kind), flip(number, kind), end),
        Step::Remove(number, end) => {
            (number, None, Change::Remove { number: phone(number) }, end)
        }
    };
    let now = reference.get(&phone(number)).copied();
    let is_adding = matches!(step, Step::Add(..));
    let needs_room = kind.filter(|kind| is_adding || now != Some(*kind));
    let mut hold = match (bench.claim(change), needs_room) {
        (Claim::Held(hold), _) => hold,
        (Claim::Full(full), Some(kind)) => {
            prop_assert_eq!((full.kind, full.used), (kind, used(reference, kind)));
            prop_assert_eq!(full.used, full.limit);
            return Ok(());
        }
        (claim, _) => return Err(TestCaseError::fail(format!("{claim:?}"))),
    };
    if end == End::Unsent {
        return Ok(());
    }
    hold.sent();
    let is_allowed = is_adding == now.is_none();
    match end {
        End::Answered if is_allowed => hold.granted(Some(phone(number)), kind),
        End::Accepted if is_allowed => hold.accepted(),
        End::Answered | End::Accepted | End::Refused | End::Unsent => {
            hold.refused();
            return Ok(());
        }
    }
    match kind {
        Some(kind) => drop(reference.insert(phone(number), kind)),
        None => drop(reference.remove(&phone(number))),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn without_overlap_the_pools_are_a_plain_list(steps in steps(), limits in (0..5_u32, 0..5_u32)) {
        let bench = Bench::small(limits, (0, 0));
        let mut reference = Reference::new();
        for step in steps {
            carry_out(&bench, &mut reference, step)?;
            let expected = (used(&reference, RESERVED), used(&reference, UNRESERVED));
            prop_assert_eq!(bench.used(), expected);
            prop_assert!(!bench.is_due() && expected.0 <= limits.0 && expected.1 <= limits.1);
        }
        let drift = bench.counting(at(SECOND)).finish(reference, at(SECOND));
        prop_assert_eq!((drift.reserved, drift.unreserved), (0, 0));
    }

    #[test]
    fn a_form_with_two_readings_is_held_only_where_both_pools_have_room(
        limits in (0..3_u32, 0..3_u32),
        there in (0..3_u128, 0..3_u128),
    ) {
        let bench = Bench::small(limits, there);
        let has_room = there.0 < u128::from(limits.0) && there.1 < u128::from(limits.1);
        let claim = bench.claim(Change::Add { kinds: Kinds::Either });
        prop_assert_eq!(matches!(claim, Claim::Held(_)), has_room);
    }
}
