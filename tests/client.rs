//! `maskgate test`: clients that behave well, come back early, or give up, and what is said of
//! them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_maskgate");
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client.py");

fn test(options: &[&str], command: &[&str]) -> Output {
    let mut maskgate = Command::new(BINARY);
    maskgate.arg("test").args(options).arg("--").args(command).output().unwrap()
}

/// The report on a client that behaves in this way, as JSON, and the exit status.
fn report(behaviour: &str, options: &[&str]) -> (Value, Option<i32>) {
    let options = [&["--format", "json"], options].concat();
    let output = test(&options, &["python3", CLIENT, behaviour]);
    let text = String::from_utf8(output.stdout).unwrap();
    (serde_json::from_str(&text).unwrap(), output.status.code())
}

/// Limits under which a client need not wait for long: 10 in any second.
struct Limits(PathBuf);

impl Limits {
    fn write(name: &str) -> Self {
        let file = format!("maskgate-client-{}-{name}.yaml", std::process::id());
        let path = std::env::temp_dir().join(file);
        let yaml = "limits: { rate: { requests_per_second: 10, window: 1s } }\n";
        fs::write(&path, format!("upstream: {{ url: http://unused:1 }}\n{yaml}")).unwrap();
        Self(path)
    }

    fn options(&self) -> [&str; 2] {
        ["--config", self.0.to_str().unwrap()]
    }

    /// The same, with a clock that stands: what is full stays full.
    fn standing(&self) -> [&str; 4] {
        let [config, path] = self.options();
        [config, path, "--clock", "manual"]
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

#[test]
fn a_client_that_waits_as_told_passes_every_check_but_the_limit() {
    let limits = Limits::write("patient");
    let options = [&limits.options()[..], &["--fail-on", "early-retry,gave-up"]].concat();
    let (report, status) = report("patient", &options);
    assert_eq!(status, Some(0), "{report:#}");
    let refused = report["refused"].as_u64().unwrap();
    assert!(refused >= 1, "{report:#}");
    assert_eq!(
        report["requests"],
        15 + refused,
        "15 calls, the refused ones again: {report:#}"
    );
    assert_eq!(report["came_back"], refused);
    assert_eq!((&report["early"], &report["gave_up"]), (&0.into(), &0.into()));
    assert!(report["spacing"]["least_seconds"].as_f64().unwrap() >= 1.0);
    assert_eq!(report["busiest"]["allowed"], 10);
    assert_eq!(report["clients"][0]["client"], "twilio-python");
    assert_eq!(report["clients"][0]["advice"], Value::Null);
}

#[test]
fn a_client_that_comes_back_at_once_is_early_and_told_what_helps() {
    let limits = Limits::write("hasty");
    let options = [&limits.standing()[..], &["--fail-on", "early-retry"]].concat();
    let (report, status) = report("hasty", &options);
    assert_eq!(status, Some(1), "{report:#}");
    assert_eq!(report["failed"], serde_json::json!(["early-retry"]));
    assert_eq!((&report["refused"], &report["early"]), (&3.into(), &2.into()));
    assert_eq!(report["gave_up"], 1);
    assert_eq!(report["endpoints"][0]["endpoint"], "CreateService");
    let advice = report["clients"][0]["advice"].as_str().unwrap();
    assert!(advice.contains("status_forcelist=[429]"), "{advice}");
}

#[test]
fn a_client_that_gives_up_fails_the_check_that_was_asked_for() {
    let limits = Limits::write("meek");
    for (fail_on, expected) in [("gave-up", 1), ("over-limit", 1), ("early-retry", 0)] {
        let options = [&limits.standing()[..], &["--fail-on", fail_on]].concat();
        let (report, status) = report("meek", &options);
        assert_eq!(status, Some(expected), "{fail_on}: {report:#}");
        assert_eq!((&report["requests"], &report["gave_up"]), (&15.into(), &5.into()));
    }
}

#[test]
fn threads_that_make_equal_calls_and_wait_as_told_are_not_early() {
    let limits = Limits::write("crowd");
    let options = [&limits.options()[..], &["--fail-on", "early-retry,gave-up"]].concat();
    let (report, status) = report("crowd", &options);
    assert_eq!(status, Some(0), "{report:#}");
    assert!(report["refused"].as_u64().unwrap() >= 4, "{report:#}");
    assert_eq!(report["came_back"], report["refused"], "{report:#}");
}

#[test]
fn threads_that_make_equal_calls_and_give_up_are_not_early() {
    let limits = Limits::write("meek-crowd");
    let (report, _) = report("meek-crowd", &limits.standing());
    assert_eq!((&report["refused"], &report["early"]), (&4.into(), &0.into()), "{report:#}");
    assert_eq!(report["gave_up"], 4, "{report:#}");
}

#[test]
fn a_client_that_waits_to_be_asked_for_a_body_is_refused_without() {
    let limits = Limits::write("expecting");
    let (report, status) = report("expecting", &limits.standing());
    assert_eq!(status, Some(0), "{report:#}");
    assert_eq!((&report["requests"], &report["refused"]), (&12.into(), &2.into()));
}

#[test]
fn bodies_tell_calls_of_one_length_apart() {
    // Five calls that differ in one digit are refused, each once: none is another's retry.
    let limits = Limits::write("bodies");
    let (report, _) = report("meek", &limits.standing());
    assert_eq!((&report["refused"], &report["came_back"]), (&5.into(), &0.into()));
}

#[test]
fn the_report_goes_to_a_file_and_the_command_keeps_its_output() {
    let path = std::env::temp_dir().join(format!("maskgate-card-{}.xml", std::process::id()));
    let options = ["--format", "junit", "--output", path.to_str().unwrap()];
    let output = test(&options, &["sh", "-c", "echo $MASKGATE_URL $MASKGATE_ADMIN_URL"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let urls: Vec<_> = printed.split_whitespace().collect();
    assert_eq!(urls.len(), 2, "{printed}");
    assert!(urls.iter().all(|url| url.starts_with("http://127.0.0.1:")), "{printed}");
    let card = fs::read_to_string(&path).unwrap();
    fs::remove_file(path).unwrap();
    assert!(card.contains("<testsuite name=\"maskgate\" tests=\"4\" failures=\"0\""), "{card}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_exit_status_of_the_command_is_kept() {
    let all = ["--fail-on", "early-retry,gave-up,over-limit"];
    assert_eq!(test(&all, &["sh", "-c", "exit 7"]).status.code(), Some(7));
    assert_eq!(test(&all, &["true"]).status.code(), Some(0));
    assert_eq!(test(&all, &["sh", "-c", "kill -TERM $$"]).status.code(), Some(143));
    let missing = test(&all, &["/nowhere/to/be/found"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("/nowhere/to/be/found"));
    assert_eq!(test(&all, &["/"]).status.code(), Some(126));
}

#[test]
fn the_exit_status_of_the_command_is_kept_where_the_card_cannot_be_written() {
    for (command, expected) in [("exit 7", 7), ("exit 0", 1)] {
        let output = test(&["--output", "/dev/full"], &["sh", "-c", command]);
        assert_eq!(output.status.code(), Some(expected));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains("cannot write the report card"), "{errors}");
    }
}

#[test]
fn a_signal_is_passed_on_to_the_command() {
    let script = "trap 'echo stopped; exit 5' TERM; echo ready; while :; do sleep 0.01; done";
    let mut child = Command::new(BINARY)
        .args(["test", "--output", "/dev/null", "--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let process = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &process]).status().unwrap().success());
    assert_eq!(lines.next().unwrap().unwrap(), "stopped");
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn a_signal_that_was_ignored_from_the_start_is_ignored_by_the_command_too() {
    // As under nohup.
    let script =
        "trap '' HUP; exec \"$0\" test -- sh -c 'kill -HUP $PPID; kill -HUP $$; exit 5'";
    let output = Command::new("sh").args(["-c", script, BINARY]).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
}

#[test]
fn the_run_ends_with_the_command_whatever_is_under_way() {
    let script = "curl -s -u AC00000000000000000000000000000001:x $MASKGATE_URL/v1/Services & \
        until curl -s $MASKGATE_ADMIN_URL/metrics | grep -q 'in_flight_requests 1'; do :; done; \
        exit 7";
    let mut limited = Command::new("timeout");
    limited.args(["8", BINARY, "test", "--latency", "60s", "--", "sh", "-c", script]);
    assert_eq!(limited.output().unwrap().status.code(), Some(7), "124 is too late");
}

#[test]
fn a_file_says_what_is_logged_and_may_be_named_by_a_variable() {
    let limits = Limits::write("log");
    let quiet = test(&[], &["python3", CLIENT, "meek"]);
    assert_eq!(String::from_utf8(quiet.stderr).unwrap(), "");
    let yaml = fs::read_to_string(&limits.0).unwrap();
    fs::write(&limits.0, format!("{yaml}log: {{ access: refused, format: json }}\n")).unwrap();
    let output = Command::new(BINARY)
        .args(["test", "--", "python3", CLIENT, "meek"])
        .env("MASKGATE_CONFIG", &limits.0)
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("\"limit\":\"rate\""), "{log}");
}

#[test]
fn the_command_turns_the_clock_instead_of_waiting() {
    let (report, status) =
        report("turner", &["--clock", "manual", "--fail-on", "gave-up,early-retry"]);
    assert_eq!(status, Some(0), "{report:#}");
    assert_eq!((&report["requests"], &report["refused"]), (&152.into(), &1.into()));
    assert_eq!(report["spacing"]["least_seconds"], 5.0);
    assert_eq!(report["busiest"]["admitted"], 150);
}

#[test]
fn a_gateway_that_the_command_runs_takes_the_addresses_for_no_configuration() {
    let upstream = ["--upstream", "http://a:1", "--listen", "nonsense"];
    let command = [&[BINARY, "run"], &upstream[..]].concat();
    let output = Command::new(BINARY)
        .args(["test", "--"])
        .args(command)
        .env("MASKGATE_SEED", "7")
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("--listen") && !errors.contains("MASKGATE_"), "{errors}");
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn a_configuration_with_mistakes_or_an_output_that_cannot_be_written_starts_nothing() {
    let output = test(&["--config", "/nowhere.yaml"], &["echo", "started"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(78), 0));
    let output = test(&["--output", "/nowhere/card"], &["echo", "started"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot write /nowhere/card"));
}

#[test]
fn a_rate_that_an_override_only_tries_is_named_as_not_enforced() {
    for mode in ["shadow", "off"] {
        let limits = Limits::write(mode);
        let mut yaml = fs::read_to_string(&limits.0).unwrap();
        let rule = format!("{{ match: {{ endpoint: CreateService }}, mode: {mode} }}");
        yaml = yaml.replace("1s } }", &format!("1s }}, overrides: [{rule}] }}"));
        fs::write(&limits.0, yaml).unwrap();
        let (report, _) = report("meek", &limits.standing());
        assert_eq!(
            (&report["refused"], &report["busiest"]["admitted"]),
            (&0.into(), &15.into())
        );
        assert_eq!(report["busiest"]["enforced"], false, "{report:#}");
    }
}
