//! A configuration with a secret in it, put there by mistake: `maskgate check` tells the mistake
//! without the secret.

use std::fs;
use std::process::Command;

/// A password, and a token as the API's own are.
const SECRETS: [&str; 2] = ["Zq9hunter2", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"];

/// Files with `{0}` for the password and `{1}` for the token.
const FILES: [&str; 12] = [
    "upstream: { url: 'http://user:{0}@127.0.0.1:9', hots: a }",
    "upstream: { url: 'http://127.0.0.1:9', password: {0} }",
    "upstream: { url: 'http://127.0.0.1:9', host: 'user:{0}@a' }",
    "upstream: { url: 'http://127.0.0.1:9/?token={0}' }",
    "upstream: { url: 'http://127.0.0.1:9' }\nauth_token: \"{0}\"\nclient_secret: {1}",
    "upstream: { url: 'http://127.0.0.1:9' }\naccounts: { {1}: {1} }",
    "upstream: { url: 'http://127.0.0.1:9' }\naccounts: { SK1: {1} }",
    "upstream: { url: 'http://127.0.0.1:9' }\nadmin: { address: 'admin:{0}@127.0.0.1:1' }",
    "upstream: { url: 'http://127.0.0.1:9' }\nlimits: { overrides: [{ match: { account: {1} }, mode: off }] }",
    "upstream: { url: 'http://127.0.0.1:9' }\nlisten: { tls: { certificate: a, private_key: \"-----BEGIN PRIVATE KEY-----\\n{1}\\n-----END PRIVATE KEY-----\" } }",
    "upstream: { url: 'http://127.0.0.1:9' }\n{1}",
    "password: \"{0}\nupstream: [",
];

#[test]
fn a_mistake_is_told_without_the_secret_beside_it() {
    let file = std::env::temp_dir().join(format!("maskgate-leaks-{}.yaml", std::process::id()));
    for text in FILES {
        let yaml = text.replace("{0}", SECRETS[0]).replace("{1}", SECRETS[1]);
        fs::write(&file, &yaml).unwrap();
        for format in ["text", "json", "github"] {
            let mut check = Command::new(env!("CARGO_BIN_EXE_maskgate"));
            let output = check.args(["check", "--format", format]).arg(&file).output().unwrap();
            assert!(!output.status.success(), "{yaml}");
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(said.contains("maskgate-leaks"), "{said}");
            for secret in SECRETS {
                assert!(!said.contains(secret), "{secret} in\n{said}");
            }
        }
    }
    fs::remove_file(&file).unwrap();
}
