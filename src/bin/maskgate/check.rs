//! `maskgate check`: every mistake of configuration files, and what may not be meant.

use std::io;
use std::io::Write;
use std::path::Path;

use maskgate::config;
use maskgate::config::ConfigErrors;
use maskgate::config::Finding;
use maskgate::config::Flags;
use maskgate::config::Format;
use maskgate::config::Sources;
use maskgate::config::Warnings;

use crate::cli::CheckArgs;
use crate::cli::CheckFormat;

/// Prints what is wrong or doubtful with each file; answers whether nothing is wrong. The
/// environment is left out: a file is judged by itself.
pub(crate) fn check(args: &CheckArgs) -> io::Result<bool> {
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
                if checked.is_ok() {
                    writeln!(out, "{}: ok", file.display())?;
                }
            }
        }
    }
    Ok(checked.iter().all(|(_, checked)| checked.is_ok()))
}

const fn finding(checked: &Result<Warnings, ConfigErrors>) -> Finding<'_> {
    match checked {
        Ok(warnings) => Finding::Doubtful(warnings),
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

fn load(file: &Path) -> Result<Warnings, ConfigErrors> {
    let sources =
        Sources { file: Some(file.to_owned()), variables: Vec::new(), flags: Flags::default() };
    sources.load().map(|configuration| configuration.warnings)
}
