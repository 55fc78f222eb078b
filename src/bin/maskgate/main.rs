//! The `maskgate` command: reads the command line, runs a command, decides the exit status. The
//! only place that prints.

mod ask;
mod check;
mod cli;
mod demo;
mod diff;
mod embedded;
mod explain;
mod generate;
mod healthcheck;
mod init;
mod reachable;
mod run;
mod scrape;
mod services;
mod signals;
mod status;
mod test;
mod words;

use std::io;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use maskgate::config;
use maskgate::config::Format;
use tikv_jemallocator::Jemalloc;

use cli::Cli;
use cli::Command;
use run::RunError;
use run::Surroundings;

/// Half the price of glibc's for a request's dozen of pieces, and a thread of its own gives what a burst
/// of windows took back to the system, some 10 s after they have been swept.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// The configuration has mistakes (`EX_CONFIG` of sysexits.h).
const MISTAKES: u8 = 78;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Check(args) => match check::check(&args) {
            Ok(true) => return ExitCode::SUCCESS,
            Ok(false) => return ExitCode::from(MISTAKES),
            Err(error) => Err(RunError::Io(error)),
        },
        Command::Status(args) => {
            match block_on(async { status::status(args.admin).await.map_err(failed) }) {
                Ok(true) => Ok(()),
                Ok(false) => return ExitCode::FAILURE,
                Err(error) => Err(error),
            }
        }
        Command::Top(args) => block_on(async { status::top(&args).await.map_err(failed) }),
        Command::Init(args) => init::init(&args).map_err(RunError::Io),
        Command::Schema => generate::schema().map_err(RunError::Io),
        Command::Completions(args) => generate::completions(&args).map_err(RunError::Io),
        Command::Man(args) => generate::man(&args).map_err(RunError::Io),
        Command::Run(args) => block_on(async {
            let loaded = run::load(run::sources(args))?;
            run::serve(loaded, Surroundings::of_a_service()?, |_| Ok(())).await
        }),
        Command::Demo(args) => block_on(demo::demo(args)),
        Command::Backend(args) => block_on(demo::backend(args)),
        Command::Test(args) => match block_on(test::test(args)) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Command::Healthcheck(args) => {
            block_on(async { healthcheck::ask(args.admin).await.map_err(failed) })
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn failed(why: String) -> RunError {
    RunError::Io(io::Error::other(why))
}

fn block_on<T>(command: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(command);
    // Not for a name that is still being looked up, which may take half a minute.
    runtime.shutdown_background();
    done
}

fn report(error: &RunError) -> ExitCode {
    let mut out = io::stderr().lock();
    // There is nobody to tell when standard error is closed.
    drop(match error {
        RunError::Configuration(errors) => {
            write!(out, "{}", config::render(errors, Format::Text))
        }
        RunError::Start(_) | RunError::Io(_) => writeln!(out, "maskgate: {error}"),
    });
    match error {
        RunError::Configuration(_) => ExitCode::from(MISTAKES),
        RunError::Start(_) | RunError::Io(_) => ExitCode::FAILURE,
    }
}
