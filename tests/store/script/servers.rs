//! The library on servers of several kinds.

use super::EPOCH;
use super::WINDOW;
use super::caller_of;
use crate::SECOND;
use crate::support::call::Answer;
use crate::support::call::Ask;
use crate::support::call::Caller;
use crate::support::call::Limit;
use crate::support::cluster::Cluster;
use crate::support::library::Form;
use crate::support::library::Library;
use crate::support::server::Engine;
use crate::support::server::Server;

#[test]
fn two_versions_side_by_side_share_the_windows() {
    let server = Server::start(Engine::Redis);
    let mut connection = server.connect();
    let old = Library::new(Form::Functions).load(&mut connection);
    Library::of_version("2").load(&mut connection);
    let mut old = Caller::new(connection, old, EPOCH);
    let ask = [Ask::of(WINDOW, Limit { span: 3_600 * SECOND, ..Limit::API })];
    let admitted = old.admit_often(&ask, 100);
    assert!(admitted.iter().all(Answer::is_admitted));
    let mut new = redis::cmd("FCALL");
    new.arg("maskgate_2_admit").arg(2).arg(&[EPOCH, WINDOW]);
    new.arg(admitted[0].epoch).arg(&["a", "150", "3600000000", "0", "150", "3600000000"]);
    let answer: Vec<u64> = new.query(&mut server.connect()).unwrap();
    assert_eq!((answer[2], answer[6]), (1, 101));
    // Each has an epoch's owner of its own to find, and it is the same.
    assert_eq!(answer[0], admitted[0].epoch);
}

#[test]
fn all_windows_of_a_request_are_in_one_slot_of_a_cluster() {
    for engine in Engine::installed() {
        let cluster = Cluster::start(engine);
        let library = Library::new(Form::Functions);
        for bucket in 0..8 {
            let key = |rest: &str| format!("mg1:{{mg{bucket}}}:{rest}");
            let mut connection = cluster.node_of(&key("epoch")).connect();
            let loaded = library.load(&mut connection);
            let mut caller = Caller::new(connection, loaded, &key("epoch"));
            let asks = ["w:a", "w:b"].map(|rest| Ask::of(&key(rest), Limit::API));
            let answers = caller.admit_often(&asks, 160);
            assert_eq!(answers.iter().filter(|answer| answer.is_admitted()).count(), 150);
        }
    }
}

#[test]
fn both_forms_share_the_windows() {
    let server = Server::start(Engine::Redis);
    let ask = [Ask::of(WINDOW, Limit { span: 3_600 * SECOND, ..Limit::API })];
    let admitted = |form, times| {
        let answers = caller_of(&server, &Library::new(form)).admit_often(&ask, times);
        answers.iter().filter(|answer| answer.is_admitted()).count()
    };
    assert_eq!(admitted(Form::Scripts, 100), 100);
    assert_eq!(admitted(Form::Functions, 100), 50);
}

#[test]
fn a_full_server_that_evicts_nothing_refuses_to_decide() {
    let server = Server::with(Engine::Redis, &["--maxmemory", "1"]);
    let mut call = redis::cmd("EVAL");
    call.arg("return redis.call('SET', KEYS[1], 1)").arg(1).arg(EPOCH);
    let error = call.query::<redis::Value>(&mut server.connect()).unwrap_err();
    assert_eq!(error.code(), Some("OOM"));
}
