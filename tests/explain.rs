//! `maskgate check --explain` and `--diff`: what is in force for whom, and what would change.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

const BINARY: &str = env!("CARGO_BIN_EXE_maskgate");
const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const SERVICE: &str = "KS0123456789abcdef0123456789abcdef";
const API_KEY: &str = "SK0123456789abcdef0123456789abcdef";

/// Files of one test, removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name = format!("maskgate-explain-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn check(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY)
            .arg("check")
            .args(arguments)
            .current_dir(&self.0)
            .env("BACKEND", "http://secret.internal:9000")
            .output()
            .unwrap()
    }

    fn said(&self, arguments: &[&str]) -> String {
        let output = self.check(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn configuration() -> String {
    format!(
        "upstream: {{ url: '${{BACKEND}}' }}\n\
         accounts: {{ {API_KEY}: {ACCOUNT} }}\n\
         limits:\n\
         \x20 payload: {{ fields: {{ CreateSession.Note: {{ max_chars: 10 }} }} }}\n\
         \x20 overrides:\n\
         \x20   - match: {{ service: {SERVICE}, endpoint: CreateSession }}\n\
         \x20     rate: {{ requests_per_second: 100 }}\n\
         \x20   - match: {{ account: {ACCOUNT} }}\n\
         \x20     mode: shadow\n\
         \x20   - match: {{ service: {SERVICE} }}\n\
         \x20     pools: {{ unreserved: 1000 }}\n"
    )
}

#[test]
fn the_rule_of_a_service_and_endpoint_is_told_with_the_line_that_set_it() {
    let directory = Directory::new("rule");
    directory.write("a.yaml", &configuration());
    let said = directory.said(&[
        "--explain",
        "--service",
        SERVICE,
        "--endpoint",
        "CreateSession",
        "a.yaml",
    ]);
    for line in [
        &format!("a.yaml: CreateSession requests for {SERVICE}, of an account without rules")[..],
        "rate        100 requests a second on the average of 5s: 500 in any 5s  (a.yaml:7)",
        "pools       5000 reserved and 1000 other numbers, nearly full from 0.85 on  (a.yaml:11)",
        "form        at most 262144 bytes, else 400",
        "field       CreateSession.UniqueName: at most 191 characters",
        "field       CreateSession.Note: at most 10 characters",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("UpdateSession"), "{said}");
    assert!(!said.contains("secret.internal"), "{said}");
}

#[test]
fn without_an_endpoint_those_with_the_same_rule_are_one_line() {
    let directory = Directory::new("groups");
    directory.write("a.yaml", &configuration());
    let said = directory.said(&["--explain", "a.yaml"]);
    assert!(said.contains("rate        every endpoint: 30 requests a second"), "{said}");
    let said = directory.said(&["--explain", "--account", API_KEY, "a.yaml"]);
    assert!(said.contains(&format!("of {ACCOUNT}, whose API key {API_KEY} is")), "{said}");
    assert!(said.contains("on trial, nothing is refused (shadow)  (a.yaml:9)"), "{said}");
}

#[test]
fn a_variable_that_is_not_set_is_a_mistake_with_its_line() {
    let directory = Directory::new("unset");
    directory.write("a.yaml", "upstream: { url: '${NO_SUCH_VARIABLE}' }\n");
    let output = directory.check(&["a.yaml"]);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("a.yaml:1:18: upstream.url: the variable `NO_SUCH_VARIABLE`"),
        "{said}"
    );
}

#[test]
fn a_difference_is_told_for_those_whom_it_concerns() {
    let directory = Directory::new("diff");
    directory.write("old.yaml", &configuration());
    let new = configuration()
        .replace("limits:\n", "workers: 3\nlimits:\n  rate: { requests_per_second: 50 }\n")
        .replace("unreserved: 1000", "unreserved: 1000, mode: shadow")
        .replace("max_chars: 10", "max_chars: 12");
    directory.write("new.yaml", &new);
    let said = directory.said(&["--diff", "old.yaml", "new.yaml"]);
    for line in [
        "for everybody: rate of every endpoint: 30 requests a second on the average of 5s: 150 in \
         any 5s → 50 requests a second on the average of 5s: 250 in any 5s\n",
        &format!("for service {SERVICE}: pools: 5000 reserved and 1000 other numbers")[..],
        "field CreateSession.Note: no longer at most 10 characters\n",
        "field CreateSession.Note: at most 12 characters\n",
        "workers: changes, but only by a restart\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    // The service's own rule for CreateSession does not change with that of everybody.
    let of_service =
        said.lines().find(|line| line.starts_with("for service") && line.contains("rate"));
    assert!(!of_service.unwrap().contains("CreateSession,"), "{said}");
    assert!(!said.contains("secret.internal"), "{said}");
}

#[test]
fn two_spellings_of_one_configuration_differ_in_nothing() {
    let directory = Directory::new("same");
    directory.write("old.yaml", "upstream: { url: http://a:1 }\n");
    let spelled_out = "# The default, spelled out.\nlimits: { rate: { window: 5000ms } }\n\
                       upstream:\n  url: http://a:1\n";
    directory.write("new.yaml", spelled_out);
    assert_eq!(directory.said(&["--diff", "old.yaml", "new.yaml"]), "nothing would change\n");
}

#[test]
fn files_with_mistakes_are_not_compared() {
    let directory = Directory::new("wrong");
    directory.write("old.yaml", "upstream: { url: http://a:1 }\n");
    directory.write("new.yaml", "upstrem: { url: http://a:1 }\n");
    let output = directory.check(&["--diff", "old.yaml", "new.yaml"]);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("did you mean `upstream`"), "{said}");
}
