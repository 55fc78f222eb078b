use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::ProptestConfig;
use proptest::proptest;

use crate::admit::Admission;
use crate::admit::Told;
use crate::classify::DigestKey;
use crate::classify::RequestClass;
use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::policy::upstream::Origin;
use crate::policy::upstream::Scheme;
use crate::policy::upstream::Upstream;
use crate::restart::Leaving;
use crate::restart::Outcome;
use crate::restart::StateFile;
use crate::restart::Written;
use crate::restart::moment::Moment;
use crate::sid::AccountKey;
use crate::sid::Digest;
use crate::sid::ServiceKey;
use crate::sid::Sid;
use crate::sid::SidKind;
use crate::time::Tick;

const ACCOUNT: Sid = Sid::new(SidKind::Account, [1; 16]);
const API_KEY: Sid = Sid::new(SidKind::ApiKey, [3; 16]);
const NAMES_KEY: [u8; 16] = [9; 16];

/// A file that is removed in the end.
struct Scratch(StateFile);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("maskgate-state-{}-{name}", std::process::id());
        Self(StateFile::new(std::env::temp_dir().join(name)))
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_file(self.0.path()));
    }
}

fn policy() -> Policy {
    let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".to_owned(), port: 1 };
    Policy::for_upstream(Upstream::plain(origin))
}

fn digests() -> DigestKey {
    DigestKey::new(&[7; 16]).with_names_by(&NAMES_KEY)
}

fn at(micros: u64) -> Tick {
    Tick::from_micros(micros)
}

fn service(number: u8) -> ServiceKey {
    ServiceKey::Sid(Sid::new(SidKind::Service, [number; 16]))
}

fn class(endpoint: Endpoint, service: Option<ServiceKey>) -> RequestClass {
    let account = AccountKey::Sid(ACCOUNT);
    RequestClass { endpoint, account, service, credential: Digest([4; 16]) }
}

fn is_admitted(admission: &Admission, class: &RequestClass, now: Tick) -> bool {
    admission.admit(&policy(), class, now).is_ok()
}

fn leave(file: &StateFile, admission: &Admission, now: Tick) -> Written {
    let (policy, digests) = (policy(), digests());
    let names_key = NAMES_KEY;
    let leaving = Leaving { admission, policy: &policy, digests: &digests, names_key, now };
    file.write_at(&leaving, &moment(now)).unwrap()
}

/// The clocks of one machine, which agree.
fn moment(now: Tick) -> Moment {
    Moment { boot: "this-one".to_owned(), tick: now, wall: now.since(Tick::default()) }
}

fn outcome(file: &StateFile, now: Tick) -> Outcome {
    file.take_at(&moment(now)).0
}

/// What the next process begins with.
fn restored(file: &StateFile, policy: &Policy, now: Tick) -> Admission {
    let (outcome, kept) = file.take_at(&moment(now));
    assert_eq!(outcome, Outcome::Restored);
    let kept = kept.unwrap();
    assert_eq!(*kept.names_key(), NAMES_KEY);
    let admission = Admission::new();
    kept.restore(&admission, policy, &digests(), now);
    admission
}

#[test]
fn a_restart_gives_nobody_a_second_burst_and_takes_nobody_a_slot() {
    let scratch = Scratch::new("burst");
    let (first, second) = (Admission::new(), class(Endpoint::FetchSession, Some(service(2))));
    for micros in 0..150 {
        assert!(is_admitted(&first, &second, at(micros)));
    }
    let written = leave(&scratch.0, &first, at(1_000));
    assert_eq!(written, Written { windows: 1, left_out: 0 });
    let next = restored(&scratch.0, &policy(), at(2_000));
    assert!(!is_admitted(&next, &second, at(4_999_999)));
    // Five seconds after the first of them, to the microsecond.
    assert!(is_admitted(&next, &second, at(5_000_000)));
    assert!(!is_admitted(&next, &second, at(5_000_000)));
    assert!(is_admitted(&next, &second, at(5_000_001)));
}

#[test]
fn what_was_charged_to_a_name_before_is_its_services_when_that_is_learned_behind() {
    let scratch = Scratch::new("name");
    let name = digests().of_name(AccountKey::Sid(ACCOUNT), "orders");
    let by_name = class(Endpoint::FetchSession, Some(ServiceKey::Named(name)));
    let first = Admission::new();
    for micros in 0..150 {
        assert!(is_admitted(&first, &by_name, at(micros)));
    }
    leave(&scratch.0, &first, at(1_000));
    let next = restored(&scratch.0, &policy(), at(2_000));
    let limits = policy().limits;
    let told = Told { credential: Digest([4; 16]), limits: &limits, now: at(3_000) };
    next.learn_service(name, Sid::new(SidKind::Service, [2; 16]), &told);
    let by_sid = class(Endpoint::FetchSession, Some(service(2)));
    assert!(!is_admitted(&next, &by_sid, at(4_000)));
    assert_eq!(next.live_windows(), 1);
}

#[test]
fn the_file_is_used_once() {
    let scratch = Scratch::new("once");
    let admission = Admission::new();
    assert!(is_admitted(&admission, &class(Endpoint::ListService, None), at(0)));
    leave(&scratch.0, &admission, at(1));
    assert_eq!(restored(&scratch.0, &policy(), at(2)).live_windows(), 1);
    assert_eq!(outcome(&scratch.0, at(2)), Outcome::Absent);
}

#[test]
fn what_has_left_every_window_is_not_kept() {
    let scratch = Scratch::new("left");
    let admission = Admission::new();
    assert!(is_admitted(&admission, &class(Endpoint::ListService, None), at(0)));
    let written = leave(&scratch.0, &admission, at(6_000_000));
    assert_eq!(written.windows, 0);
}

#[test]
fn a_damaged_file_is_none_wherever_the_damage_is() {
    let scratch = Scratch::new("damaged");
    let admission = Admission::new();
    for number in 0..3 {
        let class = class(Endpoint::FetchSession, Some(service(number)));
        assert!(is_admitted(&admission, &class, at(number.into())));
    }
    leave(&scratch.0, &admission, at(10));
    let whole = fs::read(scratch.path()).unwrap();
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        fs::write(scratch.path(), damaged).unwrap();
        assert_eq!(outcome(&scratch.0, at(20)), Outcome::Unreadable, "byte {place}");
        fs::write(scratch.path(), &whole[..place]).unwrap();
        assert_eq!(outcome(&scratch.0, at(20)), Outcome::Unreadable, "cut at {place}");
    }
    fs::write(scratch.path(), whole).unwrap();
    assert_eq!(outcome(&scratch.0, at(20)), Outcome::Restored);
}

#[test]
fn a_file_that_is_none_of_ours_is_neither_used_nor_replaced() {
    let scratch = Scratch::new("foreign");
    fs::write(scratch.path(), "upstream: { url: http://a:1 }\n").unwrap();
    assert_eq!(outcome(&scratch.0, at(1)), Outcome::Unreadable);
    let (policy, digests, admission) = (policy(), digests(), Admission::new());
    let leaving = Leaving {
        admission: &admission,
        policy: &policy,
        digests: &digests,
        names_key: NAMES_KEY,
        now: at(2),
    };
    assert!(scratch.0.write(&leaving).is_err());
    assert!(fs::read_to_string(scratch.path()).unwrap().starts_with("upstream"));
}

#[test]
fn a_file_of_a_later_moment_is_one_of_another_clock() {
    let scratch = Scratch::new("later");
    let admission = Admission::new();
    assert!(is_admitted(&admission, &class(Endpoint::ListService, None), at(500)));
    leave(&scratch.0, &admission, at(1_000));
    assert_eq!(outcome(&scratch.0, at(10)), Outcome::OtherClock);
}

#[test]
fn an_api_key_keeps_its_window_whether_its_account_was_learned_or_given() {
    let scratch = Scratch::new("api-key");
    let credential = digests().of_api_key(API_KEY);
    let of_key = RequestClass {
        account: AccountKey::Credential(credential),
        ..class(Endpoint::ListService, None)
    };
    let admission = Admission::new();
    for micros in 0..150 {
        assert!(is_admitted(&admission, &of_key, at(micros)));
    }
    leave(&scratch.0, &admission, at(200));
    let next = restored(&scratch.0, &policy(), at(300));
    assert!(!is_admitted(&next, &of_key, at(400)));
    // The next configuration gives the key to an account: its window is the account's.
    leave(&scratch.0, &next, at(500));
    let mut policy = policy();
    policy.accounts.insert(API_KEY, ACCOUNT);
    let next = restored(&scratch.0, &policy, at(600));
    assert!(!is_admitted(&next, &class(Endpoint::ListService, None), at(700)));
}

#[test]
fn only_its_user_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("mode");
    leave(&scratch.0, &Admission::new(), at(0));
    let mode = fs::metadata(scratch.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    /// One process that goes on, and one that is restarted in the middle, decide alike.
    #[test]
    fn a_restart_changes_no_decision(
        gaps in vec((0_u64..60_000, 0_u8..3), 1..400),
        place in 0_usize..400,
        pause in 0_u64..3_000_000,
    ) {
        let scratch = Scratch::new("decisions");
        let going_on = Admission::new();
        let mut restarted = Admission::new();
        let mut now = Tick::default();
        for (index, (gap, number)) in gaps.into_iter().enumerate() {
            if index == place {
                leave(&scratch.0, &restarted, now);
                now = now.plus(Duration::from_micros(pause));
                restarted = restored(&scratch.0, &policy(), now);
            }
            now = now.plus(Duration::from_micros(gap));
            let class = class(Endpoint::FetchSession, Some(service(number)));
            let (one, other) =
                (is_admitted(&going_on, &class, now), is_admitted(&restarted, &class, now));
            assert_eq!(one, other, "at {now}");
        }
    }
}
