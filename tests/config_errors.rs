//! What a person is told of a bad configuration: each file of `tests/bad-config` against the
//! text beside it. `UPDATE=1 cargo test --test config_errors` writes the texts anew.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use maskgate::config::ConfigErrors;
use maskgate::config::Configuration;
use maskgate::config::Flags;
use maskgate::config::Format;
use maskgate::config::MAX_FILE;
use maskgate::config::Sources;
use maskgate::config::render;

const DIRECTORY: &str = "tests/bad-config";

fn errors_of(result: Result<Configuration, ConfigErrors>, what: &str) -> ConfigErrors {
    match result {
        Ok(_) => panic!("{what} was accepted"),
        Err(errors) => errors,
    }
}

fn errors_in(file: &Path) -> ConfigErrors {
    let sources = Sources { file: Some(file.to_owned()), ..Sources::default() };
    errors_of(sources.load(), &file.display().to_string())
}

/// Compares `found` with the file, or writes it there.
fn compare(found: &str, golden: &Path, wrong: &mut Vec<String>) {
    if env::var_os("UPDATE").is_some() {
        fs::write(golden, found).unwrap();
    }
    let expected = fs::read_to_string(golden).unwrap_or_default();
    if found != expected {
        wrong
            .push(format!("{}:\n--- expected\n{expected}--- found\n{found}", golden.display()));
    }
}

fn bad_files() -> Vec<PathBuf> {
    let entries = fs::read_dir(DIRECTORY).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension() == Some(OsStr::new("yaml")));
    files.sort();
    files
}

#[test]
fn every_mistake_is_told_with_its_place_and_a_way_out() {
    let mut wrong = Vec::new();
    let files = bad_files();
    assert!(files.len() >= 25);
    for file in files {
        let report = render(&errors_in(&file), Format::Text);
        compare(&report, &file.with_extension("txt"), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_other_formats_tell_the_same() {
    let mut wrong = Vec::new();
    let file = Path::new(DIRECTORY).join("several-at-once.yaml");
    let errors = errors_in(&file);
    compare(&render(&errors, Format::Json), &file.with_extension("json"), &mut wrong);
    compare(&render(&errors, Format::Github), &file.with_extension("github"), &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn variables_and_flags_are_named_with_their_mistakes() {
    let variables = [
        ("MASKGATE_LIMITS__RATE__WINDW", "5s"),
        ("MASKGATE_LIMITS__RATE__WINDOW", "5"),
        ("MASKGATE_LIMTS__MAX_KEYS", "5"),
        ("MASKGATE_LIMTS__MODE", "off"),
        ("MASKGATE_WORKERS", "0"),
        ("MASKGATE_WORKERS__COUNT", "2"),
        ("MASKGATE_DRAIN", "25s"),
        ("MASKGATE_drain", "26s"),
        ("MASKGATE_ACCOUNTS", "{SK1: AC1}"),
        ("MASKGATE_LIMITS__OVERRIDES", "[{match: {endpoint: CreateSession}}]"),
        ("MASKGATE_LOG", "{level: info, level: warn}"),
    ];
    let sources = Sources {
        file: None,
        variables: variables.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec(),
        flags: Flags {
            upstream: vec!["http://a:1".to_owned(), "http://u:p@b:2".to_owned()],
            listen: Some("8080".to_owned()),
            admin: Some("127.0.0.1".to_owned()),
            admin_allow_remote: false,
        },
    };
    let errors = errors_of(sources.load(), "the variables");
    let mut wrong = Vec::new();
    let golden = Path::new(DIRECTORY).join("variables-and-flags.txt");
    compare(&render(&errors, Format::Text), &golden, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_variable_that_the_file_names_is_told_by_its_name_alone() {
    let text = "upstream: { url: '${URL}', host: 'x/${SECRET}' }\nworkers: ${NUMBER}\n\
                limits: { rate: { window: '${SECRET}' }, mode: '${SECRET}' }\n\
                log: { level: 'a${SECRET}b' }\n";
    let variables = [
        ("URL", "http://user:s3cret-and-long@host:9000/path"),
        ("SECRET", "s3cret-and-long"),
        ("NUMBER", "2000"),
    ];
    let sources = Sources {
        file: Some(PathBuf::from("variables.yaml")),
        variables: variables.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec(),
        flags: Flags::default(),
    };
    let errors = errors_of(sources.compile(Some(text.as_bytes())), "the file");
    let report = render(&errors, Format::Text);
    assert_eq!(errors.mistakes().len(), 6, "{report}");
    for part in ["s3cret", "cret-a", "and-long", "user:", "@host"] {
        assert!(!report.contains(part), "{part}: {report}");
    }
    for part in ["variables.yaml:1:", ":2:10: workers: `${NUMBER}` is too large for a number"] {
        assert!(report.contains(part), "{part}: {report}");
    }
}

#[test]
fn a_secret_is_in_no_report() {
    for file in bad_files() {
        let errors = errors_in(&file);
        for format in [Format::Text, Format::Json, Format::Github] {
            let report = render(&errors, format);
            assert!(!report.contains("s3cret"), "{report}");
            assert!(!report.contains("0a1b2c3d4e5f"), "{report}");
        }
        assert!(!format!("{errors:?}").contains("s3cret"));
    }
}

#[test]
fn a_file_above_the_cap_is_refused_unread() {
    let sources = Sources { file: Some(PathBuf::from("large.yaml")), ..Sources::default() };
    let mut text = "upstream: { url: http://127.0.0.1:9000 }\n#".to_owned();
    text.push_str(&"x".repeat(MAX_FILE - text.len()));
    assert!(sources.compile(Some(text.as_bytes())).is_ok());
    text.push('x');
    let errors = errors_of(sources.compile(Some(text.as_bytes())), "a large file");
    assert_eq!(
        errors.to_string(),
        "large.yaml: the file is too large\n  help: at most 256 KiB are read; leave something out"
    );
}

#[test]
fn a_file_that_is_not_there_is_one_mistake() {
    let errors = errors_in(Path::new("no/such.yaml"));
    assert_eq!(
        errors.to_string(),
        "no/such.yaml: cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn without_a_file_the_missing_upstream_is_told() {
    let errors = errors_of(Sources::default().load(), "nothing");
    assert!(
        errors.to_string().starts_with("configuration: upstream.url: no upstream is given")
    );
}
