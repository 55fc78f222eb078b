//! `maskgate check`: every mistake of configuration files.

use std::io;
use std::io::Write;
use std::path::Path;

use maskgate::config;
use maskgate::config::ConfigErrors;
use maskgate::config::Flags;
use maskgate::config::Format;
use maskgate::config::Sources;

use crate::cli::CheckArgs;
use crate::cli::CheckFormat;

/// Prints what is wrong with each file; answers whether nothing is. The environment is left out:
/// a file is judged by itself.
pub(crate) fn check(args: &CheckArgs) -> io::Result<bool> {
    let checked: Vec<_> = args.files.iter().map(|file| (file, load(file))).collect();
    let mut out = io::stdout().lock();
    match args.format {
        CheckFormat::Json => {
            let all: Vec<_> =
                checked.iter().filter_map(|(_, errors)| errors.as_ref()).collect();
            write!(out, "{}", config::render_all(&all, Format::Json))?;
        }
        CheckFormat::Text | CheckFormat::Github => {
            for (file, errors) in &checked {
                match errors {
                    Some(errors) => write!(out, "{}", config::render(errors, format(args)))?,
                    None => writeln!(out, "{}: ok", file.display())?,
                }
            }
        }
    }
    Ok(checked.iter().all(|(_, errors)| errors.is_none()))
}

const fn format(args: &CheckArgs) -> Format {
    match args.format {
        CheckFormat::Text => Format::Text,
        CheckFormat::Json => Format::Json,
        CheckFormat::Github => Format::Github,
    }
}

fn load(file: &Path) -> Option<ConfigErrors> {
    let sources =
        Sources { file: Some(file.to_owned()), variables: Vec::new(), flags: Flags::default() };
    sources.load().err()
}
