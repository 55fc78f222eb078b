//! What is made out of the definition of the commands: completions that a shell takes, and manual
//! pages that name every command and flag.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::process::Command;
use std::process::Output;

const BINARY: &str = env!("CARGO_BIN_EXE_maskgate");

fn maskgate(arguments: &[&str]) -> Output {
    let output = Command::new(BINARY).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The commands that `--help` lists.
fn commands() -> Vec<String> {
    let help = text(&maskgate(&["--help"]));
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

/// The long flags of a command's own help.
fn flags(command: &str) -> Vec<String> {
    let help = text(&maskgate(&[command, "--help"]));
    let words = help.lines().filter_map(|line| {
        line.trim_start().split(' ').find(|word| word.starts_with("--") && word.len() > 2)
    });
    words.map(|word| word.trim_end_matches([',', '.']).to_owned()).collect()
}

/// What bash offers for the last of these words.
fn offered(words: &[&str]) -> Vec<String> {
    let script = r#"
        source <("$MASKGATE" completions bash)
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        _maskgate maskgate "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args(["-c", script, "bash"])
        .args(words)
        .env("MASKGATE", BINARY)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    text(&output).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_their_values() {
    assert_eq!(offered(&["maskgate", "health"]), ["healthcheck"]);
    assert_eq!(offered(&["maskgate", "run", "--upst"]), ["--upstream"]);
    assert_eq!(offered(&["maskgate", "check", "--format", "gi"]), ["github"]);
    let all = offered(&["maskgate", ""]);
    for command in commands() {
        assert!(all.contains(&command), "{command} is in {all:?}");
    }
}

#[test]
fn every_shell_has_completions_of_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = text(&maskgate(&["completions", shell]));
        for command in commands() {
            assert!(script.contains(&command), "{shell} knows {command}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page_with_its_flags() {
    let directory = std::env::temp_dir().join(format!("maskgate-{}-man", std::process::id()));
    maskgate(&["man", directory.to_str().unwrap()]);
    let page = |name: &str| {
        let page = fs::read_to_string(directory.join(name)).unwrap();
        page.replace("\\-", "-")
    };
    assert!(page("maskgate.1").contains("78 mistakes in the configuration"));
    for command in commands() {
        assert!(page("maskgate.1").contains(&format!("maskgate-{command}")), "{command}");
        let own = page(&format!("maskgate-{command}.1"));
        for flag in flags(&command) {
            assert!(own.contains(&flag), "maskgate-{command}.1 has {flag}");
        }
    }
    fs::remove_dir_all(directory).unwrap();
}
