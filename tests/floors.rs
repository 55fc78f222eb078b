//! No library of this program is one that an advisory speaks of (promise B14).
//!
//! `cargo deny` knows more where it is installed; these hold everywhere, and offline.

#![expect(clippy::unwrap_used, reason = "a lock file that cannot be read has failed the test")]

/// The lowest version of a library, and what is wrong below it.
const FLOORS: [(&str, [u64; 3], &str); 9] = [
    ("hyper", [1, 11, 0], "hyper #4123: Content-Length kept beside Transfer-Encoding"),
    ("h2", [0, 4, 16], "RUSTSEC-2026-0258"),
    ("rustls", [0, 23, 18], "RUSTSEC-2024-0399"),
    ("rustls-webpki", [0, 103, 13], "RUSTSEC-2026-0104"),
    ("tokio", [1, 44, 2], "RUSTSEC-2025-0023"),
    ("bytes", [1, 11, 1], "RUSTSEC-2026-0007"),
    ("tracing-subscriber", [0, 3, 20], "RUSTSEC-2025-0055"),
    ("aws-lc-sys", [0, 39, 0], "RUSTSEC-2026-0044, RUSTSEC-2026-0048"),
    ("protobuf", [3, 7, 2], "RUSTSEC-2024-0437"),
];

/// Libraries without a good version.
const BANNED: [(&str, &str); 2] = [
    ("serde_yml", "RUSTSEC-2025-0068: unsound and unmaintained"),
    ("rustls-pemfile", "RUSTSEC-2025-0134: unmaintained, its work is rustls-pki-types'"),
];

/// Libraries that may be absent.
const OPTIONAL: [&str; 1] = ["protobuf"];

fn lock() -> &'static str {
    include_str!("../Cargo.lock")
}

/// Name and version of every library in `lock`, in every version that is used.
fn packages(lock: &str) -> impl Iterator<Item = (&str, [u64; 3])> {
    lock.split("[[package]]").skip(1).map(|package| {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap().trim_matches('"')
        };
        (value("name = "), numbers(value("version = ")))
    })
}

/// The three numbers of a version; what is behind them, such as `-rc.1+x`, is left out.
fn numbers(version: &str) -> [u64; 3] {
    let plain = version.split(['-', '+']).next().unwrap();
    let numbers: Vec<u64> = plain.split('.').map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// What an advisory speaks of, each with the advisory.
fn breaches(lock: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    for (name, version) in packages(lock) {
        let floor = FLOORS.iter().find(|floor| floor.0 == name && version < floor.1);
        breaches
            .extend(floor.map(|(_, least, why)| {
                format!("{name} {version:?} is below {least:?}: {why}")
            }));
        let banned = BANNED.iter().find(|banned| banned.0 == name);
        breaches.extend(banned.map(|(_, why)| format!("{name}: {why}")));
    }
    breaches
}

#[test]
fn no_library_is_one_that_an_advisory_speaks_of() {
    assert_eq!(breaches(lock()), [""; 0]);
}

#[test]
fn every_floor_is_that_of_a_library_in_use() {
    for (name, ..) in FLOORS.iter().filter(|floor| !OPTIONAL.contains(&floor.0)) {
        assert!(packages(lock()).any(|package| package.0 == *name), "{name} is not in use");
    }
}

#[test]
fn a_library_below_its_floor_would_be_seen() {
    let of = |name: &str, version: &str| {
        breaches(&format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n"))
    };
    assert!(of("h2", "0.4.16").is_empty() && of("h2", "1.0.0").is_empty());
    assert!(of("h2", "0.4.15")[0].ends_with("RUSTSEC-2026-0258"));
    assert!(of("aws-lc-sys", "0.38.9+x")[0].contains("[0, 39, 0]"));
    assert_eq!(of("protobuf", "2.28.0").len(), 1);
    assert_eq!(of("serde_yml", "0.0.12").len(), 1);
}
