use super::changes::Changes;
use super::word::Outcome;
use super::word::Word;
use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::sid::Sid;
use crate::sid::SidKind;
use crate::store::key::Bucket;
use crate::store::pools::ChangeId;
use crate::store::pools::PoolChange;
use std::time::Duration;

const SERVICE: Sid = Sid::new(SidKind::Service, [1; 16]);
const GRANTED: Outcome = Outcome::Granted { number: None, kind: None };
const CHANGE: PoolChange = PoolChange {
    service: SERVICE,
    kinds: ByKind { reserved: false, unreserved: true },
    number: None,
    is_strange: false,
    lease: Duration::from_secs(20),
};
const ID: ChangeId = ChangeId(1);

fn take(changes: &mut Changes) -> Vec<Word> {
    changes.take(9, |_| true)
}

/// What is to be told, each in a word; it is told.
fn tell(changes: &mut Changes) -> Vec<String> {
    let words = take(changes);
    let texts = words.iter().map(|word| {
        let text = format!("{word:?}");
        text.split([' ', '{']).next().unwrap_or_default().to_owned()
    });
    let texts = texts.collect();
    for word in words {
        changes.told(word);
    }
    texts
}

fn begun() -> Changes {
    let mut changes = Changes::default();
    changes.begin(ID, CHANGE);
    changes
}

#[test]
fn what_the_store_holds_is_told_when_it_ends() {
    let mut changes = begun();
    changes.held(ID);
    assert!(tell(&mut changes).is_empty() && changes.is_clear(SERVICE));
    assert!(!changes.owes(|_| true), "it has not ended");
    drop(changes.end(ID, GRANTED));
    assert!(changes.is_clear(SERVICE), "its room is held until then");
    assert!(changes.owes(|bucket| bucket == Bucket::of(SERVICE)) && !changes.owes(|_| false));
    assert_eq!(tell(&mut changes), ["End"]);
    assert_eq!(changes.sizes(), (0, 0));
}

#[test]
fn of_a_change_that_never_asked_the_store_nothing_is_told() {
    let mut changes = begun();
    drop(changes.end(ID, Outcome::Refused));
    assert_eq!(changes.sizes(), (0, 0));
    changes.begin(ID, CHANGE);
    changes.asked(ID);
    changes.not_held(ID);
    changes.asked(ID);
    drop(changes.end(ID, Outcome::Refused));
    assert_eq!(tell(&mut changes), ["End"], "it may be held");
}

#[tokio::test]
async fn whoever_waits_hears_when_the_store_knows() {
    let mut changes = begun();
    changes.held(ID);
    let told = changes.end(ID, Outcome::Refused);
    let words = take(&mut changes);
    for word in words {
        changes.untold(word);
    }
    assert_eq!(tell(&mut changes), ["End"], "it is told again");
    told.unwrap().comes().await;
}

#[test]
fn what_was_decided_alone_is_told_while_it_is_under_way() {
    let mut changes = begun();
    changes.alone(ID);
    assert!(!changes.is_clear(SERVICE));
    let words = take(&mut changes);
    assert!(!changes.is_clear(SERVICE), "it is on its way");
    for word in words {
        changes.untold(word);
    }
    assert_eq!(tell(&mut changes), ["Hold"]);
    assert!(changes.is_clear(SERVICE));
    drop(changes.end(ID, GRANTED));
    assert_eq!(tell(&mut changes), ["End"]);
}

#[test]
fn what_was_changed_alone_leaves_nothing_to_be_believed() {
    for (outcome, words) in
        [(GRANTED, &["Forget"][..]), (Outcome::Unknown, &["Forget"]), (Outcome::Refused, &[])]
    {
        let mut changes = begun();
        changes.alone(ID);
        drop(changes.end(ID, outcome));
        assert_eq!(changes.is_clear(SERVICE), words.is_empty());
        assert_eq!(tell(&mut changes), words);
        assert!(changes.is_clear(SERVICE));
    }
}

#[test]
fn what_ends_while_it_is_told_ends_in_the_store_or_alone() {
    let ended = || {
        let mut changes = begun();
        changes.alone(ID);
        let words = take(&mut changes);
        drop(changes.end(ID, GRANTED));
        assert!(take(&mut changes).is_empty());
        (changes, words)
    };
    let (mut changes, words) = ended();
    for word in words {
        changes.told(word);
    }
    assert_eq!(tell(&mut changes), ["End"]);
    let (mut changes, words) = ended();
    for word in words {
        changes.untold(word);
    }
    assert_eq!(tell(&mut changes), ["Forget"]);
}

#[test]
fn a_service_that_is_forgotten_while_it_is_told_of_is_told_of_again() {
    let mut changes = Changes::default();
    changes.forget(SERVICE);
    changes.forget(SERVICE);
    let words = take(&mut changes);
    changes.forget(SERVICE);
    for word in words {
        changes.told(word);
    }
    assert!(!changes.is_clear(SERVICE));
    assert_eq!(tell(&mut changes), ["Forget"]);
    assert!(changes.is_clear(SERVICE));
}

#[test]
fn other_data_has_nothing_of_what_is_under_way() {
    let mut changes = begun();
    changes.held(ID);
    let bucket = Bucket::of(SERVICE);
    let other = Bucket::all().find(|other| *other != bucket).unwrap();
    changes.adopt(other);
    assert!(changes.is_clear(SERVICE));
    changes.adopt(bucket);
    assert!(!changes.is_clear(SERVICE));
    assert_eq!(tell(&mut changes), ["Hold"]);
}

#[test]
fn numbers_that_were_seen_are_told_together_and_only_of_the_buckets_asked_for() {
    let mut changes = Changes::default();
    let other = Sid::new(SidKind::Service, [2; 16]);
    for service in [SERVICE, other, SERVICE] {
        changes.seen(service, Some((SERVICE, PoolKind::Reserved)));
    }
    let bucket = Bucket::of(other);
    let words = changes.take(9, |each| each == bucket);
    assert!(matches!(&words[..], [Word::Seen { service, .. }] if *service == other));
    changes.seen(SERVICE, None);
    let words = take(&mut changes);
    assert!(matches!(&words[..], [Word::Seen { numbers, .. }] if numbers.len() == 2));
    let words = take(&mut changes);
    assert!(matches!(&words[..], [Word::Seen { numbers, .. }] if numbers.is_empty()));
}
