//! `maskgate init`: what it writes is right as it stands, and nothing is overwritten.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

const BINARY: &str = env!("CARGO_BIN_EXE_maskgate");

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name = format!("maskgate-init-{}-{name}", std::process::id());
        Self(env::temp_dir().join(name))
    }

    fn init(&self, purpose: &str) -> Output {
        Command::new(BINARY)
            .args(["init", purpose, "--directory"])
            .arg(&self.0)
            .output()
            .unwrap()
    }

    fn written(&self, purpose: &str) -> String {
        let output = self.init(purpose);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn is_right(file: &Path) -> bool {
    Command::new(BINARY).arg("check").arg(file).status().unwrap().success()
}

#[test]
fn the_edge_has_a_configuration_that_is_right_and_a_drop_in() {
    let directory = Directory::new("edge");
    let said = directory.written("edge");
    assert!(said.contains("maskgate.yaml: name the upstream"), "{said}");
    assert!(is_right(&directory.0.join("maskgate.yaml")));
    let drop_in = fs::read_to_string(directory.0.join("maskgate.service.d/edge.conf")).unwrap();
    assert!(drop_in.contains("[Service]\n"));
}

#[test]
fn the_sidecar_is_the_manifest_that_is_checked_with_the_others() {
    let directory = Directory::new("sidecar");
    directory.written("sidecar");
    let written = fs::read(directory.0.join("maskgate-sidecar.yaml")).unwrap();
    assert_eq!(written, fs::read("deploy/kubernetes/sidecar.yaml").unwrap());
}

#[test]
fn the_script_of_the_test_runs_as_it_stands() {
    let directory = Directory::new("test");
    directory.written("test");
    let programs = Path::new(BINARY).parent().unwrap();
    let path = format!("{}:{}", programs.display(), env::var("PATH").unwrap());
    let output = Command::new("sh")
        .arg(directory.0.join("test-limits.sh"))
        .env("PATH", path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("429"), "some were refused, and came again: {said}");
}

#[test]
fn what_is_there_already_stays() {
    let directory = Directory::new("twice");
    directory.written("test");
    let file = directory.0.join("maskgate.yaml");
    fs::write(&file, "mine").unwrap();
    let output = directory.init("edge");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("maskgate.yaml is there already: nothing was written"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert!(!directory.0.join("maskgate.service.d").exists());
}
