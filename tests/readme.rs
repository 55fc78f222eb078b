//! What the README shows is what happens: every `yaml` block compiles, every `console` block is
//! run and its output compared. `…` stands for anything.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

#[path = "pages/shown.rs"]
mod shown;

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Lines;
use std::net::TcpListener;
use std::process::Child;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

use maskgate::config::Flags;
use maskgate::config::Sources;
use shown::blocks;
use shown::commands;
use shown::compare;
use shown::fits;

const README: &str = include_str!("../README.md");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BINARY: &str = env!("CARGO_BIN_EXE_maskgate");

/// Ports that are free now, in place of those of the README.
struct Ports([(&'static str, String); 2]);

impl Ports {
    fn free() -> Self {
        let listeners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let mut ports = listeners.iter().map(|l| l.local_addr().unwrap().port().to_string());
        Self([(":8080", ports.next().unwrap()), (":9091", ports.next().unwrap())])
    }

    fn used_in(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (shown, port)| {
            text.replace(shown, &format!(":{port}"))
        })
    }

    fn shown_in(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (shown, port)| {
            text.replace(&format!(":{port}"), shown)
        })
    }
}

/// The demo, ended when the test ends; until then somebody reads what it prints.
struct Demo {
    child: Child,
    _output: Lines<BufReader<ChildStdout>>,
}

impl Demo {
    fn start(ports: &Ports, command: &str, shown: &[String]) -> Self {
        let mut child = Command::new(BINARY)
            .args(["demo", "--listen", &ports.used_in("127.0.0.1:8080")])
            .args(["--admin", &ports.used_in("127.0.0.1:9091")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let printed: Vec<_> = shown
            .iter()
            .map_while(|_| Some(ports.shown_in(&output.next()?.unwrap())))
            .collect();
        compare(command, shown, &printed);
        Self { child, _output: output }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn run(ports: &Ports, command: &str) -> Vec<String> {
    let used = ports.used_in(command);
    let used = match used.strip_prefix("maskgate ") {
        Some(arguments) => format!("{BINARY} {arguments}"),
        None => used,
    };
    let output = Command::new("bash").args(["-c", &used]).current_dir(ROOT).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    ports.shown_in(&text).lines().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn every_console_block_prints_what_it_shows() {
    let ports = Ports::free();
    let mut demo = None;
    for block in blocks(README, "console") {
        for (command, shown) in commands(&block) {
            if command == "cargo run --release -- demo" {
                demo = Some(Demo::start(&ports, &command, &shown));
            } else {
                compare(&command, &shown, &run(&ports, &command));
            }
        }
    }
    assert!(demo.is_some(), "the README shows the demo");
}

#[test]
fn every_yaml_block_compiles() {
    for (number, block) in blocks(README, "yaml").into_iter().enumerate() {
        let name = format!("maskgate-readme-{}-{number}.yaml", std::process::id());
        let file = std::env::temp_dir().join(name);
        fs::write(&file, block).unwrap();
        let sources = Sources {
            file: Some(file.clone()),
            variables: Vec::new(),
            flags: Flags::default(),
        };
        let loaded = sources.load();
        fs::remove_file(&file).unwrap();
        assert!(loaded.is_ok(), "{loaded:?}");
    }
}

#[test]
fn the_readme_has_at_most_150_lines() {
    assert!(README.lines().count() <= 150);
}

#[test]
fn a_line_with_an_ellipsis_fits_what_has_anything_in_its_place() {
    assert!(fits("a … c", "a b c"));
    assert!(fits("retry: …", "retry: 5"));
    assert!(!fits("a … c", "a b"));
    assert!(!fits("a", "ab"));
}
