//! `maskgate check`: every mistake of configuration files, what may not be meant, and what is.

use std::env;
use std::ffi::OsString;
use std::io;
use std::io::Write;
use std::path::Path;

use maskgate::config;
use maskgate::config::ConfigErrors;
use maskgate::config::Configuration;
use maskgate::config::Finding;
use maskgate::config::Flags;
use maskgate::config::Format;
use maskgate::config::Sources;

use crate::cli::CheckArgs;
use crate::cli::CheckFormat;
use crate::diff;
use crate::explain;
use crate::explain::Asked;

/// Prints what is wrong or doubtful with each file; answers whether nothing is wrong.
pub(crate) fn check(args: &CheckArgs) -> io::Result<bool> {
    if let [old, new] = args.diff.as_slice() {
        return compare(args, old, new);
    }
    let checked: Vec<_> = args.files.iter().map(|file| (file, load(file))).collect();
    let mut out = io::stdout().lock();
    match args.format {
        CheckFormat::Json => {
            let all: Vec<_> = checked.iter().map(|(_, checked)| finding(checked)).collect();
            write!(out, "{}", config::render_all(&all, Format::Json))?;
        }
        CheckFormat::Text | CheckFormat::Github => {
            for (file, checked) in &checked {
                write!(out, "{}", config::render_all(&[finding(checked)], format(args)))?;
                match checked {
                    Ok(right) if args.explain => {
                        let explained = explain::explain(right, &Asked::of(args));
                        write!(out, "{}: {explained}", file.display())?;
                    }
                    Ok(_) => writeln!(out, "{}: ok", file.display())?,
                    Err(_) => {}
                }
            }
        }
    }
    Ok(checked.iter().all(|(_, checked)| checked.is_ok()))
}

/// Prints what would change, or what is wrong with the two files.
fn compare(args: &CheckArgs, old: &Path, new: &Path) -> io::Result<bool> {
    let (old, new) = (load(old), load(new));
    let mut out = io::stdout().lock();
    if let (Ok(old), Ok(new)) = (&old, &new) {
        write!(out, "{}", diff::diff(old, new))?;
        return Ok(true);
    }
    let wrong: Vec<_> = [&old, &new].map(finding).to_vec();
    write!(out, "{}", config::render_all(&wrong, format(args)))?;
    Ok(false)
}

const fn finding(checked: &Result<Configuration, ConfigErrors>) -> Finding<'_> {
    match checked {
        Ok(right) => Finding::Doubtful(&right.warnings),
        Err(errors) => Finding::Wrong(errors),
    }
}

const fn format(args: &CheckArgs) -> Format {
    match args.format {
        CheckFormat::Text => Format::Text,
        CheckFormat::Json => Format::Json,
        CheckFormat::Github => Format::Github,
    }
}

/// Reads a file by itself: variables stand where it names them, and override nothing.
fn load(file: &Path) -> Result<Configuration, ConfigErrors> {
    let named = |(name, value): (OsString, OsString)| {
        let name = name.into_string().ok().filter(|name| !name.starts_with("MASKGATE_"))?;
        Some((name, value.into_string().ok()?))
    };
    let variables = env::vars_os().filter_map(named).collect();
    Sources { file: Some(file.to_owned()), variables, flags: Flags::default() }.load()
}
