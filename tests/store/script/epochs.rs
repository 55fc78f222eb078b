//! Since when the server has had the data.

use super::EPOCH;
use super::WINDOW;
use super::caller;
use super::caller_of;
use super::with_manual_clock;
use crate::SECOND;
use crate::support::call::Ask;
use crate::support::call::Limit;
use crate::support::library::Form;
use crate::support::library::Library;
use crate::support::sentinel::Watched;
use crate::support::sentinel::is_following;
use crate::support::server::Engine;
use crate::support::server::Server;
use crate::support::wait_for;

const FORMS: [Form; 2] = [Form::Functions, Form::Scripts];

#[test]
fn an_epoch_stays_while_the_data_does() {
    for form in FORMS {
        let (_server, mut caller) = caller(&Library::new(form));
        let (created, id, _) = caller.ask_epoch();
        assert_eq!(caller.admit(&[Ask::of(WINDOW, Limit::API)]).epoch, created);
        let (again, same, now) = caller.ask_epoch();
        assert_eq!((again, same), (created, id));
        assert!(now > created);
    }
}

#[test]
fn whatever_asks_first_after_a_loss_begins_a_new_epoch() {
    for form in FORMS {
        let (_server, mut caller) = caller(&Library::new(form));
        let (before, ..) = caller.ask_epoch();
        caller.run::<String>(&["FLUSHALL"]);
        let answer = caller.try_admit(&[Ask::of(WINDOW, Limit::API)]);
        // Nothing is decided for somebody who believes in the one before.
        assert!(answer.epoch > before && answer.epoch == answer.now);
        assert_eq!(answer.verdict, None);
        assert_eq!(caller.ask_epoch().0, answer.epoch);
    }
}

#[test]
fn data_that_another_process_has_written_is_of_no_epoch_of_this_one() {
    for form in FORMS {
        let (_server, mut caller) = caller(&Library::new(form));
        let (before, id, _) = caller.ask_epoch();
        let (other, garbage) = (format!("{before}:{}", "0".repeat(40)), "?".to_owned());
        for stored in [other, garbage] {
            caller.run::<String>(&["SET", EPOCH, &stored]);
            let (created, now_of, _) = caller.ask_epoch();
            assert!(created > before);
            assert_eq!(now_of, id);
        }
    }
}

#[test]
fn an_epoch_of_a_time_to_come_begins_anew() {
    let server = Server::start(Engine::Redis);
    let mut caller = with_manual_clock(Form::Functions, &server);
    let ask = [Ask::of(WINDOW, Limit::API)];
    caller.admit(&ask);
    let clock = caller.clock.insert(caller.clock.unwrap() - SECOND).to_owned();
    assert_eq!(caller.admit(&ask).epoch, clock);
}

#[test]
fn a_server_that_was_restarted_empty_has_a_new_epoch_and_no_library() {
    let (mut server, mut caller) = caller(&Library::new(Form::Functions));
    let (before, id, _) = caller.ask_epoch();
    drop(caller);
    server.kill();
    server.start_again();
    let mut epoch = redis::cmd("FCALL");
    epoch.arg("maskgate_1_epoch").arg(1).arg(EPOCH);
    let error = epoch.query::<redis::Value>(&mut server.connect()).unwrap_err();
    assert!(error.to_string().contains("Function not found"), "{error}");
    let (created, other, _) = caller_of(&server, &Library::new(Form::Functions)).ask_epoch();
    assert!(created > before && other != id);
}

#[test]
fn a_replica_that_becomes_the_master_has_the_library_and_a_new_epoch() {
    for engine in Engine::installed() {
        let mut watched = Watched::start(engine);
        let mut caller = caller_of(&watched.master, &Library::new(Form::Functions));
        let before = caller.admit(&[Ask::of(WINDOW, Limit::API)]);
        wait_for("the replica has the window", || {
            let mut length = redis::cmd("LLEN");
            let length: u32 = length.arg(WINDOW).query(&mut watched.replica.connect()).unwrap();
            (is_following(&watched.replica) && length == 1).then_some(())
        });
        drop(caller);
        let replica = watched.replica.port();
        watched.master.kill();
        wait_for("the replica is the master", || {
            (watched.sentinel.master() == replica).then_some(())
        });
        wait_for("a replica that is the master takes writes", || {
            let mut epoch = redis::cmd("FCALL");
            epoch.arg("maskgate_1_epoch").arg(1).arg(EPOCH);
            let (created, _, _): (u64, String, u64) =
                epoch.query(&mut watched.replica.connect()).ok()?;
            assert!(created > before.epoch);
            Some(())
        });
    }
}
