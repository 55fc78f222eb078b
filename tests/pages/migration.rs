//! Each step from nginx's `limit_req`: nginx reads its part, maskgate reads the other.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::shown::blocks;
use crate::shown::commands;
use crate::shown::compare;

const PAGE: &str = include_str!("../../docs/migrating-from-nginx.md");
const BINARY: &str = env!("CARGO_BIN_EXE_maskgate");

/// A directory of its own, removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name = format!("maskgate-migration-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Files of the page: a first line `# name.yaml` names one.
fn write_files(directory: &Directory) -> usize {
    let blocks = blocks(PAGE, "yaml");
    for block in &blocks {
        let name = block.lines().next().unwrap().strip_prefix("# ").unwrap();
        fs::write(directory.0.join(name), block).unwrap();
    }
    blocks.len()
}

#[test]
fn every_configuration_of_maskgate_is_read_and_every_command_prints_what_it_shows() {
    let directory = Directory::new("maskgate");
    let mut checked = 0;
    assert_eq!(write_files(&directory), 2);
    for (command, shown) in blocks(PAGE, "console").iter().flat_map(|block| commands(block)) {
        let arguments = command.strip_prefix("maskgate ").unwrap();
        let mut run = Command::new(BINARY);
        let run = run.args(arguments.split(' ')).current_dir(&directory.0);
        let printed = String::from_utf8(run.output().unwrap().stdout).unwrap();
        let printed: Vec<_> = printed.lines().map(|line| line.trim_end().to_owned()).collect();
        compare(&command, &shown, &printed);
        checked += 1;
    }
    assert_eq!(checked, 2);
}

#[test]
fn every_configuration_of_nginx_is_read_by_nginx() {
    let nginx = ["/usr/sbin/nginx", "/usr/bin/nginx"]
        .into_iter()
        .find(|path| fs::exists(path).unwrap());
    let blocks = blocks(PAGE, "nginx");
    assert_eq!(blocks.len(), 3);
    let Some(nginx) = nginx else {
        // It is there in CI, which measures it.
        return;
    };
    let directory = Directory::new("nginx");
    for (number, block) in blocks.iter().enumerate() {
        let file = directory.0.join(format!("{number}.conf"));
        let place = directory.0.display();
        let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {place}/{kind};"));
        let text = format!(
            "pid {place}/pid; error_log stderr; events {{}}\nhttp {{\naccess_log off; {}\n{block}\n}}\n",
            folders.join(" ")
        );
        fs::write(&file, text).unwrap();
        let read = Command::new(nginx).args(["-t", "-e", "stderr", "-c"]).arg(&file).output();
        let read = read.unwrap();
        let said = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success() && !said.contains("[warn]"), "{block}\n{said}");
    }
}
