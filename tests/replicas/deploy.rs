//! The examples in `deploy/` are such as the program takes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_yaml::Value;

use crate::servers::server::fresh_directory;

/// The configurations that a manifest holds.
fn configurations(manifest: &Path) -> Vec<String> {
    let text = fs::read_to_string(manifest).unwrap();
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents
        .map(|document| Value::deserialize(document).unwrap())
        .filter(|document| document["kind"] == "ConfigMap")
        .map(|map| map["data"]["maskgate.yaml"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_configuration_of_each_manifest_has_no_mistake() {
    let directory = fresh_directory();
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kubernetes");
    let mut checked = 0;
    for manifest in fs::read_dir(manifests).unwrap() {
        for text in configurations(&manifest.unwrap().path()) {
            let file = directory.join("maskgate.yaml");
            // Where the manifest mounts its secret, there is a file.
            fs::write(directory.join("password"), "password").unwrap();
            let text = text.replace("/etc/maskgate-redis", directory.to_str().unwrap());
            fs::write(&file, text).unwrap();
            let mut check = Command::new(env!("CARGO_BIN_EXE_maskgate"));
            let output = check.arg("check").arg(&file).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            checked += 1;
        }
    }
    fs::remove_dir_all(directory).unwrap();
    assert_eq!(checked, 3);
}
