//! `maskgate completions`, `man` and `schema`: what is made out of the definition of the commands,
//! and out of the reference of the configuration.

use std::fs;
use std::io;
use std::io::Write;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::cli::CompletionsArgs;
use crate::cli::ManArgs;

/// What an editor knows the configuration by; `tests/schema` keeps it current.
const SCHEMA: &str = include_str!("../../../config/maskgate.schema.json");

/// Prints the JSON Schema of the configuration.
pub(crate) fn schema() -> io::Result<()> {
    io::stdout().lock().write_all(SCHEMA.as_bytes())
}

/// Prints the completions for a shell.
pub(crate) fn completions(args: &CompletionsArgs) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "maskgate", &mut script);
    io::stdout().lock().write_all(&script)
}

/// Writes `maskgate.1`, and a page for each command such as `maskgate-run.1`.
pub(crate) fn man(args: &ManArgs) -> io::Result<()> {
    fs::create_dir_all(&args.directory)?;
    clap_mangen::generate_to(Cli::command(), &args.directory)
}
