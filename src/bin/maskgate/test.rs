//! `maskgate test`: a command with a gateway and a backend of its own, and a report card on how
//! it took its refusals.

use std::fs::File;
use std::io;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitCode;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use maskgate::config::Configuration;
use maskgate::config::StateFile;
use maskgate::observe::journal::Journal;
use maskgate::report;
use maskgate::report::Ended;
use maskgate::report::Report;
use maskgate::report::Verdict;
use tokio::process::Child;
use tokio::process::Command;

use crate::cli::ReportFormat;
use crate::cli::RunArgs;
use crate::cli::TestArgs;
use crate::embedded::Behind;
use crate::run;
use crate::run::Gateway;
use crate::run::RunError;
use crate::run::Surroundings;
use crate::signals;
use crate::signals::Signals;

/// What the command is told.
const URL: &str = "MASKGATE_URL";
const ADMIN_URL: &str = "MASKGATE_ADMIN_URL";
/// The command's own output is what a person wants to see; who asks for the log, or has a file
/// that says what is logged, gets it.
const QUIET: [(&str, &str); 2] =
    [("MASKGATE_LOG__LEVEL", "warn"), ("MASKGATE_LOG__ACCESS", "off")];
/// The command cannot be found, cannot be run: as shells and `env` say it.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;
/// A command that a signal ended has this much more than the signal's number, as shells say it.
const SIGNALLED: u8 = 128;
/// The command succeeded, and a check failed or the report card could not be written.
const CARD_FAILED: u8 = 1;

/// Runs the command to its end, writes the report, and answers with the exit status.
pub(crate) async fn test(args: TestArgs) -> Result<ExitCode, RunError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut configuration = configuration(&args, listener.local_addr()?)?;
    // Who asked has gone with the command, and signals have nobody to go to.
    configuration.settings.drain = Duration::ZERO;
    configuration.settings.state_file = StateFile::Off;
    let mut output = args.output.as_deref().map(create).transpose()?;
    let journal = Arc::new(Journal::default());
    let behind = Behind::start(&listener, args.load, &configuration)?;
    let kept = Some(Arc::clone(&journal));
    let surroundings = Surroundings { journal: kept, ..behind.surroundings() };
    let gateway = Gateway::bind(configuration, surroundings)?;
    let mut signals = Signals::listen()?;
    let mut child = match start(&args, &gateway) {
        Ok(child) => child,
        Err(error) => return Ok(not_started(&args, &error)),
    };
    let mut status = None;
    let ended = async { status = Some(wait(&mut child, &mut signals).await) };
    gateway.run(None, ended, std::future::pending()).await?;
    behind.stop(Duration::ZERO);
    let Some(status) = status.transpose()? else {
        return Err(io::Error::other("the gateway ended before the command").into());
    };
    let report = Report::of(journal.take());
    let verdict = Verdict {
        ended: ended_with(status),
        fail_on: args.fail_on.iter().copied().map(Into::into).collect(),
    };
    let text = report::render(&report, &verdict, format(args.format));
    let written = write_card(output.as_mut(), &text);
    if let Err(error) = &written {
        // There is nobody to tell when standard error is closed.
        drop(writeln!(io::stderr().lock(), "maskgate: cannot write the report card: {error}"));
    }
    Ok(exit_code(&report, &verdict, written.is_ok()))
}

fn write_card(output: Option<&mut File>, text: &str) -> io::Result<()> {
    if let Some(file) = output {
        return file.write_all(text.as_bytes());
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn configuration(args: &TestArgs, backend: SocketAddr) -> Result<Configuration, RunError> {
    let any = || Some("127.0.0.1:0".to_owned());
    let mut sources = run::sources(RunArgs {
        config: args.config.clone(),
        upstream: vec![format!("http://{backend}")],
        listen: any(),
        admin: any(),
        admin_allow_remote: false,
    });
    let has_file = args.config.is_some();
    for (name, value) in QUIET {
        if !has_file && !sources.variables.iter().any(|(given, _)| given == name) {
            sources.variables.push((name.to_owned(), value.to_owned()));
        }
    }
    sources.load().map_err(RunError::Configuration)
}

/// Before the command runs: afterwards it would be late to say that it cannot be written.
fn create(path: &Path) -> io::Result<File> {
    File::create(path).map_err(|error| {
        let message = format!("cannot write {}: {error}", path.display());
        io::Error::new(error.kind(), message)
    })
}

fn start(args: &TestArgs, gateway: &Gateway) -> io::Result<Child> {
    let (program, arguments) = args.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let scheme = gateway.server.scheme().as_str();
    Command::new(program)
        .args(arguments)
        .env(URL, format!("{scheme}://{}", gateway.server.address()?))
        .env(ADMIN_URL, format!("http://{}", gateway.server.admin_address()?))
        .kill_on_drop(true)
        .spawn()
}

fn not_started(args: &TestArgs, error: &io::Error) -> ExitCode {
    let program = args.command.first().cloned().unwrap_or_default();
    let program = program.to_string_lossy();
    // There is nobody to tell when standard error is closed.
    drop(writeln!(io::stderr().lock(), "maskgate: cannot run {program}: {error}"));
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound {
        NOT_FOUND
    } else {
        NOT_RUNNABLE
    })
}

/// Waits for the command's end, and passes on the signals that arrive until then.
async fn wait(child: &mut Child, signals: &mut Signals) -> io::Result<ExitStatus> {
    loop {
        tokio::select! {
            status = child.wait() => return status,
            signal = signals.next() => signals::pass_on(signal, child.id()),
        }
    }
}

fn ended_with(status: ExitStatus) -> Ended {
    let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Status(byte(code)),
        (None, signal) => Ended::Signal(byte(signal.unwrap_or_default())),
    }
}

fn exit_code(report: &Report, verdict: &Verdict, written: bool) -> ExitCode {
    match verdict.ended {
        Ended::Signal(signal) => ExitCode::from(SIGNALLED.saturating_add(signal)),
        Ended::Status(0) if !written || verdict.failed(report).next().is_some() => {
            ExitCode::from(CARD_FAILED)
        }
        Ended::Status(status) => ExitCode::from(status),
    }
}

const fn format(format: ReportFormat) -> report::Format {
    match format {
        ReportFormat::Text => report::Format::Text,
        ReportFormat::Json => report::Format::Json,
        ReportFormat::Junit => report::Format::Junit,
    }
}
