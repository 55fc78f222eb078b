//! The commands and their flags.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;
use clap_complete::Shell;
use http::Uri;
use maskgate::backend::DEFAULT_MAX_RESOURCES;
use maskgate::backend::ErrorRate;
use maskgate::backend::Latency;
use maskgate::policy::endpoint::Endpoint;
use maskgate::report::Check;
use maskgate::sid::Sid;
use maskgate::sid::SidKind;

/// What follows the options in the long help and in the manual page.
const EXIT_STATUSES: &str = "\
Exit status: 0 as asked, 1 failure, 2 usage, 78 mistakes in the configuration.\n\n\
Signals: SIGHUP has the configuration read again; SIGTERM and SIGINT end it when what is under \
way has ended, a second one at once.";

/// A reverse-proxy gateway that enforces the Twilio Proxy API's limits exactly.
#[derive(Debug, Parser)]
#[command(
    name = "maskgate",
    version = maskgate::BUILD,
    propagate_version = true,
    after_long_help = EXIT_STATUSES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway in front of an upstream
    Run(RunArgs),
    /// Run the gateway in front of an embedded backend, to try it out
    Demo(DemoArgs),
    /// Run the embedded masking backend alone, without limits
    Backend(BackendArgs),
    /// Run a command against a gateway and a backend of its own, and report on its retries
    Test(TestArgs),
    /// Read configuration files and print every mistake in them, or what they mean
    Check(CheckArgs),
    /// Ask a running gateway whether it is ready: exit 0 if so, 1 if not
    Healthcheck(AdminArgs),
    /// Print how a running gateway is: exit 0 if it is ready, 1 if not
    Status(AdminArgs),
    /// Show what a running gateway does, again and again
    Top(TopArgs),
    /// Write the few files that a start takes
    Init(InitArgs),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Print the completions of this command for a shell
    Completions(CompletionsArgs),
    /// Write the manual pages into a directory, for packages
    #[command(hide = true)]
    Man(ManArgs),
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RunArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "MASKGATE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where admitted requests go, such as `http://127.0.0.1:9000`; may be given several times
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Vec<String>,
    /// Where clients connect [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Where operators connect: metrics, readiness, policy [default: 127.0.0.1:9091]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<String>,
    /// Let other machines connect there
    #[arg(long)]
    pub(crate) admin_allow_remote: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// A configuration file, to try its limits; its upstream is not used
    #[arg(long, value_name = "FILE", env = "MASKGATE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where clients connect [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Where operators connect [default: 127.0.0.1:9091]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<String>,
    /// Let other machines connect there
    #[arg(long)]
    pub(crate) admin_allow_remote: bool,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct BackendArgs {
    /// Where it listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    pub(crate) listen: std::net::SocketAddr,
    /// The base of the links in its answers [default: the Host that the client asked for]
    #[arg(long, value_name = "URL", value_parser = public_url)]
    pub(crate) public_url: Option<String>,
    /// Where tests reset, fill and read it; nowhere unless given
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<std::net::SocketAddr>,
    /// Let other machines connect there
    #[arg(long)]
    pub(crate) admin_allow_remote: bool,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

/// A base that links can be put behind: nothing of an address comes after its path.
fn public_url(text: &str) -> Result<String, &'static str> {
    let address: Option<Uri> = text.parse().ok();
    let is_base = address.is_some_and(|address| {
        matches!(address.scheme_str(), Some("http" | "https")) && address.query().is_none()
    });
    // A fragment is read over.
    if is_base && !text.contains('#') {
        Ok(text.to_owned())
    } else {
        Err("write http://HOST or https://HOST, with a port and a path if there are any")
    }
}

/// How the embedded backend behaves in load tests.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct LoadArgs {
    /// Delay of its answers: a time such as 20ms, or p50=20ms,p99=200ms
    #[arg(long, value_name = "TIME")]
    pub(crate) latency: Option<Latency>,
    /// Share of requests that it answers with 500: 0.01, or 1%
    #[arg(long, value_name = "SHARE")]
    pub(crate) error_rate: Option<ErrorRate>,
    /// Makes delays, errors and identifiers the same in every run
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// The most resources that it keeps
    #[arg(long, value_name = "NUMBER", default_value_t = DEFAULT_MAX_RESOURCES)]
    pub(crate) max_resources: usize,
    /// Whose time it is: the machine's, or one that `POST /clock/advance?by=5s` turns
    #[arg(long, value_enum, default_value_t = ClockKind::System)]
    pub(crate) clock: ClockKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClockKind {
    /// The machine's clock
    System,
    /// Stands until it is turned on the admin listener
    Manual,
}

/// The command finds the gateway's address in `MASKGATE_URL`, and the admin address, with the
/// control of the backend, in `MASKGATE_ADMIN_URL`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TestArgs {
    /// A configuration file, for other limits than the API's; its upstream is not used
    #[arg(long, value_name = "FILE", env = "MASKGATE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// Where to [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// What makes a run fail whose command succeeds; several are separated by commas
    #[arg(long, value_enum, value_name = "CHECKS", value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOn>,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For a person
    Text,
    /// One JSON object
    Json,
    /// A test suite, for CI servers
    Junit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// A retry came before its Retry-After was over
    EarlyRetry,
    /// A refused call was never sent again
    GaveUp,
    /// More was sent than a rate allows
    OverLimit,
}

impl From<FailOn> for Check {
    fn from(fail_on: FailOn) -> Self {
        match fail_on {
            FailOn::EarlyRetry => Self::EarlyRetry,
            FailOn::GaveUp => Self::GaveUp,
            FailOn::OverLimit => Self::OverLimit,
        }
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArgs {
    /// The files
    #[arg(required_unless_present = "diff", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print what is in force, for the account, service and endpoint that are given
    #[arg(long)]
    pub(crate) explain: bool,
    /// Of this account, `AC…`, or of this API key, `SK…`
    #[arg(long, value_name = "SID", requires = "explain", value_parser = account)]
    pub(crate) account: Option<Sid>,
    /// For this service, `KS…`
    #[arg(long, value_name = "SID", requires = "explain", value_parser = service)]
    pub(crate) service: Option<Sid>,
    /// For this operation of the API, such as `CreateSession`
    #[arg(long, value_name = "NAME", requires = "explain", value_parser = endpoint)]
    pub(crate) endpoint: Option<Endpoint>,
    /// Print what would change, and for whom, if NEW took the place of OLD
    #[arg(
        long,
        num_args = 2,
        value_names = ["OLD", "NEW"],
        conflicts_with_all = ["explain", "files"]
    )]
    pub(crate) diff: Vec<PathBuf>,
    /// How mistakes are printed
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    pub(crate) format: CheckFormat,
}

fn account(text: &str) -> Result<Sid, &'static str> {
    let of_kind = |kind| Sid::parse_as(kind, text);
    let found = of_kind(SidKind::Account).or_else(|| of_kind(SidKind::ApiKey));
    found.ok_or("write AC or SK and 32 hexadecimal digits")
}

fn service(text: &str) -> Result<Sid, &'static str> {
    Sid::parse_as(SidKind::Service, text).ok_or("write KS and 32 hexadecimal digits")
}

fn endpoint(text: &str) -> Result<Endpoint, &'static str> {
    Endpoint::by_name(text).ok_or("write the name of an operation, such as CreateSession")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For a person
    Text,
    /// One JSON array
    Json,
    /// Annotations of GitHub Actions
    Github,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
    /// How often it looks
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = interval)]
    pub(crate) interval: Duration,
    /// How often in all [default: until it is ended]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) count: Option<u32>,
}

/// From 100ms to 1h, in whole milliseconds or seconds.
fn interval(text: &str) -> Result<Duration, &'static str> {
    let millis = text.strip_suffix("ms").and_then(|millis| millis.parse().ok());
    let seconds = || text.strip_suffix('s')?.parse::<u64>().ok()?.checked_mul(1000);
    let millis = millis.or_else(seconds).filter(|millis| (100..=3_600_000).contains(millis));
    millis.map(Duration::from_millis).ok_or("write 100ms to 3600s")
}

#[derive(Args, Clone, Debug)]
pub(crate) struct InitArgs {
    /// What it is for
    #[arg(value_enum)]
    pub(crate) purpose: Purpose,
    /// Where the files are written; what is there already stays as it is
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    pub(crate) directory: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// Beside an application in a pod: a manifest for Kubernetes
    Sidecar,
    /// Ahead of a backend of one's own: a configuration, and a drop-in for systemd
    Edge,
    /// In the tests of a client: a configuration with small limits, and a script that runs them
    Test,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct AdminArgs {
    /// The gateway's admin address
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MASKGATE_ADMIN__ADDRESS",
        default_value = "127.0.0.1:9091"
    )]
    pub(crate) admin: std::net::SocketAddr,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ManArgs {
    /// The directory
    #[arg(value_name = "DIRECTORY")]
    pub(crate) directory: PathBuf,
}
