//! What a good configuration means: its defaults, who wins, and what is inherited.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU32;
use std::num::NonZeroUsize;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use maskgate::config::ConfigErrors;
use maskgate::config::Configuration;
use maskgate::config::Flags;
use maskgate::config::Resets;
use maskgate::config::Settings;
use maskgate::config::Sources;
use maskgate::config::StateFile;
use maskgate::policy::clients::ClientTimeouts;
use maskgate::policy::clients::Clients;
use maskgate::policy::endpoint::Endpoint;
use maskgate::policy::field::Check;
use maskgate::policy::limit::BodyLimit;
use maskgate::policy::limit::InFlightLimit;
use maskgate::policy::limit::Limits;
use maskgate::policy::limit::OversizeStatus;
use maskgate::policy::limit::RateLimitFields;
use maskgate::policy::limit::Unmatched;
use maskgate::policy::log::AccessLog;
use maskgate::policy::log::LogFormat;
use maskgate::policy::log::LogLevel;
use maskgate::policy::log::LogPolicy;
use maskgate::policy::networks::Networks;
use maskgate::policy::overrides::Match;
use maskgate::policy::pools::ByKind;
use maskgate::policy::pools::PoolLimits;
use maskgate::policy::pools::PoolRule;
use maskgate::policy::pools::Share;
use maskgate::policy::rate::Counting;
use maskgate::policy::rate::Mode;
use maskgate::policy::rate::RateRule;
use maskgate::policy::rate::SetBy;
use maskgate::policy::store::OnLoss;
use maskgate::policy::store::Servers;
use maskgate::policy::store::SharedStore;
use maskgate::policy::store::StoreAddress;
use maskgate::policy::store::StoreCredentials;
use maskgate::policy::traces::Otlp;
use maskgate::policy::traces::Sample;
use maskgate::policy::upstream::HostHeader;
use maskgate::policy::upstream::Origin;
use maskgate::policy::upstream::Scheme;
use maskgate::policy::upstream::Timeouts;
use maskgate::sid::Sid;

const UPSTREAM: &str = "upstream: { url: http://127.0.0.1:9000 }\n";
const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const SERVICE: &str = "KS0123456789abcdef0123456789abcdef";
const OTHER_SERVICE: &str = "KS00000000000000000000000000000002";
const API_KEY: &str = "SK0123456789abcdef0123456789abcdef";

fn sources(variables: &[(&str, &str)]) -> Sources {
    let owned = |&(name, text): &(&str, &str)| (name.to_owned(), text.to_owned());
    Sources {
        file: Some(PathBuf::from("gateway.yaml")),
        variables: variables.iter().map(owned).collect(),
        flags: Flags::default(),
    }
}

fn compile(text: &str, variables: &[(&str, &str)]) -> Result<Configuration, ConfigErrors> {
    sources(variables).compile(Some(text.as_bytes()))
}

fn compiled(text: &str) -> Configuration {
    compile(text, &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A temporary file of this test, removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("maskgate-values-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

fn without_set_by(rule: &RateRule) -> RateRule {
    RateRule { set_by: SetBy::Default, ..rule.clone() }
}

/// Compares with the defaults of the policy, but for who set them.
fn assert_default(configuration: &Configuration) {
    let Configuration { settings, policy, warnings } = configuration;
    assert!(warnings.is_empty(), "{warnings}");
    assert_eq!(settings, &Settings::default());
    assert_eq!(policy.log, LogPolicy::default());
    assert!(policy.accounts.is_empty());
    assert_eq!(policy.upstream.origins.in_turn(0).to_string(), "http://127.0.0.1:9000");
    assert_eq!(policy.upstream.host, HostHeader::Preserve);
    assert_eq!(policy.upstream.timeouts, Timeouts::default());
    assert!(policy.upstream.tls.is_none());
    assert!(policy.upstream.public_url.is_none());
    assert_eq!(policy.clients, Clients::default());
    assert_default_limits(&policy.limits);
}

fn assert_default_limits(limits: &Limits) {
    let default = Limits::default();
    assert_eq!(without_set_by(&limits.rate), default.rate);
    assert_eq!(limits.overrides.iter().count(), 0);
    assert_default_pools(&limits.pools);
    assert!(limits.fields.iter().eq(default.fields.iter()));
    assert_eq!(limits.body, default.body);
    assert_eq!(limits.body_memory, default.body_memory);
    assert_eq!(limits.in_flight, default.in_flight);
    assert_eq!(limits.participants_per_number, NonZeroU32::new(100));
    assert_eq!(limits.max_keys, default.max_keys);
    assert_eq!(limits.unmatched, default.unmatched);
    assert_eq!(limits.headers, default.headers);
}

fn assert_default_pools(pools: &PoolLimits) {
    let default = PoolLimits::default();
    assert_eq!(PoolRule { set_by: SetBy::Default, ..pools.rule.clone() }, default.rule);
    assert_eq!(pools.overrides.iter().count(), 0);
    assert_eq!(pools.recount, default.recount);
    assert_eq!(pools.count_timeout, default.count_timeout);
    assert_eq!(pools.short_codes, default.short_codes);
}

#[test]
fn the_files_in_config_say_what_is_the_default_anyway() {
    for name in ["config/maskgate.minimal.yaml", "config/maskgate.yaml"] {
        let sources = Sources { file: Some(PathBuf::from(name)), ..Sources::default() };
        let configuration = sources.load().unwrap_or_else(|errors| panic!("{errors}"));
        assert_default(&configuration);
    }
}

#[test]
fn what_is_commented_out_in_the_annotated_file_is_right_too() {
    let mut text = fs::read_to_string("config/maskgate.yaml").unwrap();
    for (commented, bare) in [
        ("# workers: 2", "workers: 2"),
        ("accounts: {}\n#", "accounts:\n "),
        ("fields: {}\n    #", "fields:\n     "),
        ("overrides: []\n", "overrides:\n"),
        ("  # - match: { s", "  - match: { s"),
        ("  # - match: { a", "  - match: { a"),
        ("  #   rate:", "    rate:"),
        ("  #   pools:", "    pools:"),
        ("  #   mode:", "    mode:"),
        ("    # mode:", "    mode:"),
    ] {
        assert!(text.contains(commented), "{commented}");
        text = text.replace(commented, bare);
    }
    let Configuration { settings, policy, .. } = compiled(&text);
    assert_eq!(settings.workers.get(), 2);
    assert_eq!(policy.accounts.len(), 1);
    assert_eq!(policy.limits.overrides.iter().count(), 2);
    assert_eq!(policy.limits.pools.overrides.iter().count(), 2);
    let rule = policy.limits.fields.of(Endpoint::CreateMessageInteraction);
    assert_eq!(rule[0].check, Check::MaxChars(1600));
}

#[test]
fn every_key_of_listeners_and_upstream_can_be_set() {
    let text = format!(
        "listen: {{ address: '[::1]:1', max_connections: 2, \
         proxy_protocol: {{ trusted: [10.0.0.0/8, '::1'] }} }}\n\
         admin: {{ address: '[::1]:2', allow_remote: false, allow_reset: true }}\nworkers: 3\ndrain: 0s\nlinger: 0s\n\
         state_file: windows\n\
         upstream:\n  url: [http://a:1, http://b]\n  host: api.example.com:8080\n  \
         public_url: https://Gateway.api.example.com/\n  \
         timeouts: {{ connect: 1ms, response: 2m, idle: 1h }}\n\
         accounts: {{ {API_KEY}: {ACCOUNT} }}\n\
         log: {{ level: trace, format: text, access: all }}\n"
    );
    let Configuration { settings, policy, .. } = compiled(&text);
    let expected = Settings {
        listen: "[::1]:1".parse().unwrap(),
        max_connections: NonZeroUsize::new(2).unwrap(),
        tls: None,
        proxies: Networks::new(vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]),
        admin: "[::1]:2".parse().unwrap(),
        resets: Resets::Allowed,
        workers: NonZeroUsize::new(3).unwrap(),
        drain: Duration::ZERO,
        linger: Duration::ZERO,
        state_file: StateFile::At(PathBuf::from("windows")),
        store: None,
        traces: None,
    };
    assert_eq!(settings, expected);
    let origins: Vec<_> = policy.upstream.origins.iter().map(ToString::to_string).collect();
    assert_eq!(origins, ["http://a:1", "http://b"]);
    assert_eq!(policy.upstream.host, HostHeader::Name("api.example.com:8080".parse().unwrap()));
    let public_url = policy.upstream.public_url.unwrap();
    assert_eq!(public_url.as_str(), "https://gateway.api.example.com");
    let replaced = ["http://a:1", "http://api.example.com:8080", "http://b", "http://b:80"];
    assert_eq!(public_url.replaced()[..4], replaced);
    let timeouts = Timeouts {
        connect: Duration::from_millis(1),
        response: Duration::from_mins(2),
        idle: Duration::from_hours(1),
    };
    assert_eq!(policy.upstream.timeouts, timeouts);
    let account = policy.accounts.get(&Sid::parse(API_KEY).unwrap());
    assert_eq!(account, Sid::parse(ACCOUNT).as_ref());
    let log =
        LogPolicy { level: LogLevel::Trace, format: LogFormat::Text, access: AccessLog::All };
    assert_eq!(policy.log, log);
}

#[test]
fn a_public_url_that_an_sdk_mangles_is_warned_of() {
    let warnings = |host: &str| {
        let text = format!("upstream: {{ url: http://a:1, public_url: 'http://{host}' }}\n");
        compiled(&text).warnings
    };
    for host in ["gateway", "127.0.0.1", "[::1]:8080", "a.b.c", "a.b.c.d", "a.b.c.d.e"] {
        assert!(warnings(host).is_empty(), "{host}");
    }
    for (host, labels) in
        [("a.b", 2), ("a.b.:8080", 2), ("a.b.c.d.e.f", 6), ("a.b.c.d.e.f.g", 7)]
    {
        let told = warnings(host).to_string();
        assert!(
            told.starts_with("gateway.yaml:1:42: warning: upstream.public_url: "),
            "{told}"
        );
        assert!(told.contains(&format!("a host name of {labels} labels")), "{told}");
    }
}

#[test]
fn every_key_of_clients_can_be_set() {
    let text = format!(
        "{UPSTREAM}listen:\n  timeouts: {{ handshake: 1s, header: 2s, idle: 3s, body: 4s, \
         body_gap: 5ms, write: 1h }}\n  trusted_proxies: [10.0.0.0/8]\n"
    );
    let clients = compiled(&text).policy.clients;
    let timeouts = ClientTimeouts {
        handshake: Duration::from_secs(1),
        header: Duration::from_secs(2),
        idle: Duration::from_secs(3),
        body: Duration::from_secs(4),
        body_gap: Duration::from_millis(5),
        write: Duration::from_hours(1),
    };
    let trusted_proxies = Networks::new(vec!["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(clients, Clients { timeouts, trusted_proxies });
}

#[test]
fn every_key_of_limits_can_be_set() {
    let text = format!(
        "{UPSTREAM}limits:\n  \
         rate: {{ requests_per_second: 4, window: 2500ms, burst: 1, count: offered }}\n  \
         mode: shadow\n  payload:\n    body: 1MiB\n    oversize_status: 413\n    fields:\n      \
         CreateSession.Ttl: {{ greater_than: 0, less_than: 60 }}\n      \
         UpdateSession.Status: {{ max_bytes: 7 }}\n  \
         body_memory: 2MiB\n  in_flight: {{ total: 5, per_service: 4 }}\n  max_keys: 6\n  unmatched: forward\n  \
         participants_per_number: {{ advise: 7 }}\n  \
         headers: off\n"
    );
    let limits = compiled(&text).policy.limits;
    let limit = limits.rate.limit;
    assert_eq!((limit.admissions().get(), limit.burst_admissions()), (10, NonZeroU32::new(4)));
    assert_eq!((limits.rate.count, limits.rate.mode), (Counting::Offered, Mode::Shadow));
    let status = OversizeStatus::ContentTooLarge;
    assert_eq!(limits.body, BodyLimit { max_bytes: 1_048_576, oversize_status: status });
    let ttl = limits.fields.of(Endpoint::CreateSession).iter().find(|rule| rule.name == "Ttl");
    assert_eq!(ttl.unwrap().check, Check::Between { low: 0, high: 60 });
    assert_eq!(limits.body_memory, 2 * 1_048_576);
    let in_flight =
        InFlightLimit { total: NonZeroU32::new(5).unwrap(), per_service: NonZeroU32::new(4) };
    assert_eq!(limits.in_flight, in_flight);
    assert_eq!(limits.participants_per_number, NonZeroU32::new(7));
    assert_eq!(limits.max_keys.get(), 6);
    assert_eq!(limits.unmatched, Unmatched::Forward);
    assert_eq!(limits.headers, RateLimitFields::Off);
}

#[test]
fn participants_are_advised_of_above_100_unless_null_turns_it_off() {
    let advise = |text: &str, variables: &[(&str, &str)]| {
        let text = format!("{UPSTREAM}limits: {text}\n");
        let limits = compile(&text, variables).unwrap_or_else(|e| panic!("{e}")).policy.limits;
        limits.participants_per_number.map(NonZeroU32::get)
    };
    for default in ["{}", "{ participants_per_number: {} }"] {
        assert_eq!(advise(default, &[]), Some(100), "{default}");
    }
    let variable = "MASKGATE_LIMITS__PARTICIPANTS_PER_NUMBER__ADVISE";
    let [five, off] = ["advise: 5", "advise: null"]
        .map(|text| format!("{{ participants_per_number: {{ {text} }} }}"));
    assert_eq!((advise(&five, &[]), advise(&off, &[])), (Some(5), None));
    assert_eq!(advise(&five, &[(variable, "null")]), None);
    assert_eq!(advise(&off, &[(variable, "1000000")]), Some(1_000_000));
    assert_eq!(advise(&five, &[(variable, "")]), Some(5));
}

#[test]
fn every_key_of_pools_can_be_set() {
    let text = format!(
        "{UPSTREAM}limits:\n  mode: shadow\n  pools: {{ mode: off, reserved: 0, unreserved: 1000000, \
         warn_at: 1, recount: 24h, count_timeout: 100ms, short_codes: false }}\n"
    );
    let pools = compiled(&text).policy.limits.pools;
    let rule = PoolRule {
        mode: Mode::Off,
        limits: ByKind { reserved: 0, unreserved: 1_000_000 },
        warn_at: Share::new(1.0).unwrap(),
        set_by: SetBy::File { file: "gateway.yaml".into(), line: 4 },
    };
    assert_eq!(pools.rule, rule);
    assert_eq!(pools.recount, Duration::from_hours(24));
    assert_eq!(pools.count_timeout, Duration::from_millis(100));
    assert!(!pools.short_codes);
}

#[test]
fn the_mode_of_all_limits_is_that_of_the_pools_too_unless_they_have_their_own() {
    let mode = |limits: &str| {
        let text = format!("{UPSTREAM}limits: {{ {limits} }}\n");
        compiled(&text).policy.limits.pools.rule.mode
    };
    assert_eq!(mode(""), Mode::Enforce);
    assert_eq!(mode("mode: shadow"), Mode::Shadow);
    assert_eq!(mode("mode: shadow, pools: { reserved: 1 }"), Mode::Shadow);
    assert_eq!(mode("mode: off, pools: { mode: enforce }"), Mode::Enforce);
}

#[test]
fn every_key_of_the_store_can_be_set() {
    let of = |redis: &str| {
        compiled(&format!("{UPSTREAM}store: {{ redis: {{ {redis} }} }}\n")).settings.store
    };
    let address = |host: &str, port| StoreAddress { host: host.to_owned(), port };
    let least = SharedStore {
        servers: Servers::One(address("redis", 6379)),
        replicas: NonZeroU32::new(3).unwrap(),
        on_loss: OnLoss::LocalShare,
        deadline: Duration::from_millis(5),
        credentials: StoreCredentials::default(),
        tls: None,
    };
    assert_eq!(of("url: 'redis://redis', replicas: 3"), Some(least.clone()));
    let file = Some(PathBuf::from("Cargo.toml"));
    let sentinels = SharedStore {
        servers: Servers::Sentinels {
            addresses: vec![address("a", 26379), address("b", 1)],
            master: "mine".to_owned(),
            credentials: StoreCredentials { username: None, password_file: file.clone() },
        },
        on_loss: OnLoss::Closed,
        deadline: Duration::from_millis(20),
        credentials: StoreCredentials { username: Some("u".to_owned()), password_file: file },
        ..least.clone()
    };
    let found = of("url: ['redis://a', 'redis://b:1'], replicas: 3, on_loss: closed, \
                    deadline: 20ms, username: u, password_file: Cargo.toml, \
                    sentinel: { master: mine, password_file: Cargo.toml }");
    assert_eq!(found, Some(sentinels));
    let found = of("url: 'rediss://a', replicas: 3, cluster: true, on_loss: open").unwrap();
    assert_eq!(found.servers, Servers::Cluster(vec![address("a", 6379)]));
    assert_eq!(found.on_loss, OnLoss::Open);
    assert_eq!(found.tls.unwrap().ca, None);
    assert_eq!(compiled(UPSTREAM).settings.store, None);
    assert_eq!(compiled(&format!("{UPSTREAM}store: {{}}\n")).settings.store, None);
}

#[test]
fn every_key_of_traces_can_be_set() {
    let of = |otlp: &str| {
        compiled(&format!("{UPSTREAM}traces: {{ otlp: {{ {otlp} }} }}\n")).settings.traces
    };
    let least = Otlp {
        collector: Origin { scheme: Scheme::Http, host: "collector".to_owned(), port: 4318 },
        path: "/v1/traces".to_owned(),
        tls: None,
        headers: None,
        sample: Sample::new(0.01).unwrap(),
        timeout: Duration::from_secs(10),
        queue: NonZeroUsize::new(4096).unwrap(),
    };
    assert_eq!(of("endpoint: 'http://collector:4318'"), Some(least.clone()));
    let all = Otlp {
        path: "/otlp/v1/traces".to_owned(),
        sample: Sample::new(1.0).unwrap(),
        timeout: Duration::from_millis(1),
        queue: NonZeroUsize::MIN,
        ..least
    };
    let found = of("endpoint: 'http://collector:4318/otlp', sample: 1, timeout: 1ms, queue: 1");
    assert_eq!(found, Some(all));
    let over_tls = of("endpoint: 'https://collector', sample: 0.0").unwrap();
    assert_eq!(over_tls.collector.port, 443);
    assert_eq!(over_tls.tls.unwrap().ca, None);
    assert_eq!(Some(over_tls.sample), Sample::new(0.0));
    assert_eq!(compiled(UPSTREAM).settings.traces, None);
    assert_eq!(compiled(&format!("{UPSTREAM}traces: {{}}\n")).settings.traces, None);
}

#[test]
fn a_flag_wins_over_a_variable_and_that_over_the_file() {
    let text = "listen: { address: 127.0.0.1:1 }\nworkers: 1\n\
                upstream: { url: http://file:1, host: preserve }";
    let mut sources = sources(&[
        ("MASKGATE_LISTEN__ADDRESS", "127.0.0.1:2"),
        ("MASKGATE_WORKERS", "2"),
        ("MASKGATE_UPSTREAM__URL", "[http://one, http://two]"),
        ("MASKGATE_DRAIN", ""),
        ("MASKGATE_LOG", "{level: debug}"),
        ("MASKGATE_LOG__ACCESS", "off"),
        ("HOME", "/"),
    ]);
    sources.flags.listen = Some("127.0.0.1:3".to_owned());
    let configuration = sources.compile(Some(text.as_bytes())).unwrap();
    assert_eq!(configuration.settings.listen.port(), 3);
    assert_eq!(configuration.settings.workers.get(), 2);
    assert_eq!(configuration.settings.drain, Duration::from_secs(25));
    let upstream = |configuration: &Configuration| {
        configuration
            .policy
            .upstream
            .origins
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(upstream(&configuration), ["http://one", "http://two"]);
    assert_eq!(configuration.policy.log.access, AccessLog::Off);
    sources.flags.upstream = vec!["http://flag:9".to_owned()];
    assert_eq!(upstream(&sources.compile(None).unwrap()), ["http://flag:9"]);
}

#[test]
fn an_admin_address_that_others_reach_has_to_be_allowed() {
    let at = |address: &str| format!("{UPSTREAM}admin: {{ address: '{address}' }}\n");
    for address in ["127.0.0.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        compiled(&at(address));
    }
    for address in ["0.0.0.0:9091", "[::]:9091", "192.0.2.1:9091"] {
        let errors = compile(&at(address), &[]).unwrap_err();
        assert!(errors.to_string().contains("is open to other machines"), "{errors}");
        let allowed = [("MASKGATE_ADMIN__ALLOW_REMOTE", "true")];
        assert_eq!(compile(&at(address), &allowed).unwrap().settings.admin.port(), 9091);
        let mut sources = sources(&[]);
        sources.flags.upstream = vec!["http://127.0.0.1:9000".to_owned()];
        sources.flags.admin = Some(address.to_owned());
        let errors = sources.compile(None).unwrap_err().to_string();
        assert!(errors.starts_with("--admin: admin.address: "), "{errors}");
        sources.flags.admin_allow_remote = true;
        sources.compile(None).unwrap();
    }
}

#[test]
fn a_value_may_stand_in_the_environment_and_the_upstream_in_a_file() {
    let text = "upstream: { url: 'http://${BACKEND_HOST}:${BACKEND_PORT}' }\n\
                workers: ${WORKERS:-3}\ndrain: ${DRAIN}\n\
                listen: { trusted_proxies: '${TRUSTED}' }\n";
    let variables = [
        ("BACKEND_HOST", "backend.internal"),
        ("BACKEND_PORT", "9000"),
        ("DRAIN", "7s"),
        ("TRUSTED", "[10.0.0.0/8]"),
    ];
    let Configuration { settings, policy, .. } = compile(text, &variables).unwrap();
    let origins: Vec<_> = policy.upstream.origins.iter().map(ToString::to_string).collect();
    assert_eq!(origins, ["http://backend.internal:9000"]);
    assert_eq!((settings.workers.get(), settings.drain), (3, Duration::from_secs(7)));
    let trusted: Vec<_> =
        policy.clients.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(trusted, ["10.0.0.0/8"]);
    // A variable that stands for a key wins over the file.
    let over = [("DRAIN", "7s"), ("TRUSTED", "[]"), ("MASKGATE_UPSTREAM__URL", "http://b:1")];
    let over = compile(text, &over);
    assert!(over.is_err(), "what the file names has to be there all the same");
    let file = Scratch::new("urls", "# The servers.\nhttp://a:1\n\n  http://b:2\n");
    let text = format!("upstream: {{ url_file: '{}' }}\n", file.0.display());
    let policy = compiled(&text).policy;
    let origins: Vec<_> = policy.upstream.origins.iter().map(ToString::to_string).collect();
    assert_eq!(origins, ["http://a:1", "http://b:2"]);
}

#[test]
fn the_windows_are_kept_where_systemd_says_unless_the_file_does() {
    let kept = |text: &str| compiled(&format!("{UPSTREAM}{text}")).settings.state_file;
    assert_eq!(kept(""), StateFile::OfManager);
    assert_eq!(kept("state_file: off\n"), StateFile::Off);
    let path = PathBuf::from("/var/lib/maskgate/windows");
    assert_eq!(kept("state_file: /var/lib/maskgate/windows\n"), StateFile::At(path));
}

#[test]
fn a_flag_alone_is_enough() {
    let flags =
        Flags { upstream: vec!["http://127.0.0.1:9000".to_owned()], ..Flags::default() };
    let configuration = Sources { flags, ..Sources::default() }.load().unwrap();
    assert_default(&configuration);
    assert_eq!(configuration.policy.limits.rate.set_by, SetBy::Default);
}

fn set_by(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let limits = compile(text, variables).unwrap_or_else(|e| panic!("{e}")).policy.limits;
    let overrides = limits.overrides.iter().map(|each| each.rate.set_by.to_string());
    std::iter::once(limits.rate.set_by.to_string()).chain(overrides).collect()
}

#[test]
fn a_rate_knows_the_nearest_line_that_set_it() {
    let overrides = format!(
        "  overrides:\n  - match: {{ service: {SERVICE} }}\n    mode: off\n  \
         - match:\n      endpoint: CreateSession\n\n    rate:\n      burst: 2\n    mode: shadow\n"
    );
    assert_eq!(set_by(UPSTREAM, &[]), ["default"]);
    let rate = format!("{UPSTREAM}limits:\n  mode: shadow\n  rate:\n    burst: 1\n{overrides}");
    let lines = ["gateway.yaml:4", "gateway.yaml:8", "gateway.yaml:12"];
    assert_eq!(set_by(&rate, &[]), lines);
    let mode = format!("{UPSTREAM}limits:\n  mode: shadow\n{overrides}");
    assert_eq!(set_by(&mode, &[]), ["gateway.yaml:3", "gateway.yaml:6", "gateway.yaml:10"]);
    let variable = "MASKGATE_LIMITS__RATE__WINDOW";
    let found = set_by(&rate, &[(variable, "10s")]);
    assert_eq!(found, [variable, "gateway.yaml:8", "gateway.yaml:12"]);
    let variable = "MASKGATE_LIMITS__OVERRIDES";
    let found = set_by(&rate, &[(variable, "[{match: {endpoint: CreateSession}, mode: off}]")]);
    assert_eq!(found, ["gateway.yaml:4", variable]);
}

#[test]
fn an_override_inherits_what_it_leaves_out() {
    let text = format!(
        "{UPSTREAM}limits:\n  rate: {{ requests_per_second: 10, window: 10s, count: offered }}\n  \
         mode: shadow\n  overrides:\n  \
         - {{ match: {{ endpoint: CreateSession }}, rate: {{ requests_per_second: 20 }} }}\n  \
         - {{ match: {{ service: {SERVICE}, endpoint: Unmatched }}, mode: enforce }}\n"
    );
    let limits = compiled(&text).policy.limits;
    let asked = Match { endpoint: Some(Endpoint::CreateSession), ..Match::default() };
    let rate = &limits.overrides.first_match(&asked).unwrap().rate;
    assert_eq!(rate.limit.admissions().get(), 200);
    assert_eq!((rate.count, rate.mode), (Counting::Offered, Mode::Shadow));
    let service = Sid::parse(SERVICE);
    let asked = Match { endpoint: Some(Endpoint::Unmatched), service, account: None };
    let rate = &limits.overrides.first_match(&asked).unwrap().rate;
    assert_eq!((rate.limit.admissions().get(), rate.mode), (100, Mode::Enforce));
}

/// An account, one of its services, and rules for both.
fn with_pools() -> Limits {
    let text = format!(
        "{UPSTREAM}limits:\n  pools: {{ reserved: 10, unreserved: 5, warn_at: 0.5 }}\n  overrides:\n  \
         - match: {{ service: {SERVICE}, endpoint: CreateSession }}\n    mode: off\n  \
         - match: {{ account: {ACCOUNT}, service: {SERVICE} }}\n    pools: {{ unreserved: 7 }}\n  \
         - match: {{ service: {SERVICE} }}\n    rate: {{ burst: 2 }}\n  \
         - match: {{ account: {ACCOUNT} }}\n    mode: shadow\n    pools: {{ mode: enforce, warn_at: 1 }}\n  \
         - match: {{ service: {OTHER_SERVICE} }}\n    mode: shadow\n"
    );
    compiled(&text).policy.limits
}

#[test]
fn a_pools_rule_is_the_first_without_endpoint_that_says_anything_of_pools() {
    let limits = with_pools();
    let sid = |text| Sid::parse(text).unwrap();
    let (account, service, other) = (Some(sid(ACCOUNT)), sid(SERVICE), sid(OTHER_SERVICE));
    let third = sid("KS00000000000000000000000000000003");
    let of = |account, service| {
        let PoolRule { mode, limits, warn_at, set_by } = limits.pool_rule(account, service);
        (*mode, limits.reserved, limits.unreserved, warn_at.get(), set_by.to_string())
    };
    let set_by = |line| format!("gateway.yaml:{line}");
    assert_eq!(of(account, service), (Mode::Enforce, 10, 7, 0.5, set_by(8)));
    // Neither one for an endpoint nor one for rates alone says anything of pools.
    assert_eq!(of(None, service), (Mode::Enforce, 10, 5, 0.5, set_by(3)));
    assert_eq!(of(account, third), (Mode::Enforce, 10, 5, 1.0, set_by(13)));
    assert_eq!(of(account, other), (Mode::Enforce, 10, 5, 1.0, set_by(13)));
    assert_eq!(of(None, other), (Mode::Shadow, 10, 5, 0.5, set_by(15)));
}

#[test]
fn an_override_of_pools_alone_changes_no_rate() {
    let limits = with_pools();
    let asked = Match {
        account: Sid::parse(ACCOUNT),
        service: Sid::parse(SERVICE),
        endpoint: Some(Endpoint::FetchSession),
    };
    let rate = &limits.overrides.first_match(&asked).unwrap().rate;
    assert_eq!((rate.limit.burst().get(), rate.mode), (2, Mode::Enforce));
    let asked = Match { service: None, ..asked };
    assert_eq!(limits.overrides.first_match(&asked).unwrap().rate.mode, Mode::Shadow);
}

#[test]
fn an_override_of_pools_hides_none_of_rates_and_the_other_way_round() {
    let service = format!("match: {{ service: {SERVICE} }}");
    let text = |first: &str, second: &str| {
        format!(
            "{UPSTREAM}limits:\n  overrides:\n  - {{ {service}, {first} }}\n  \
             - {{ {service}, {second} }}\n"
        )
    };
    let (rate, pools) = ("rate: { burst: 1 }", "pools: { reserved: 1 }");
    for (first, second) in [(rate, pools), (pools, rate), (pools, "mode: off")] {
        compiled(&text(first, second));
    }
    for (first, second, told) in [
        ("mode: off", pools, "never used: that"),
        ("mode: off", rate, "never used: that"),
        (pools, pools, "never used: that"),
        (rate, "mode: off", "never used for rates: that"),
        (pools, "mode: off, pools: {}", "never used for pools: that"),
        ("mode: off", "rate: {}, pools: {}", "never used: that"),
    ] {
        let errors = compile(&text(first, second), &[]).unwrap_err().to_string();
        assert!(errors.contains(told), "{errors}");
    }
}

#[test]
fn aliases_and_merge_keys_are_carried_out() {
    let text = "upstream:\n  url: http://a\n  timeouts: &times { connect: 2s, idle: 3s }\n\
                limits:\n  rate: &rate { burst: 2, window: &window 10s }\n  overrides:\n  \
                - match: { endpoint: CreateSession }\n    rate: { <<: *rate, window: 20s }\n  \
                - match: { endpoint: FetchSession }\n    rate: { window: *window }\n";
    let limits = compiled(text).policy.limits;
    let found = limits
        .overrides
        .iter()
        .map(|each| (each.rate.limit.burst().get(), each.rate.limit.window().as_secs()));
    assert_eq!(found.collect::<Vec<_>>(), [(2, 20), (2, 10)]);
}

#[test]
fn an_https_upstream_is_told_its_own_name_and_spoken_to_in_http_1_1() {
    let text = "upstream: { url: [http://a, https://proxy.twilio.com] }";
    let upstream = compiled(text).policy.upstream;
    assert_eq!(upstream.host, HostHeader::Upstream);
    let tls = upstream.tls.unwrap();
    assert_eq!(tls.alpn_protocols, [b"http/1.1"]);
    assert!(!tls.client_auth_cert_resolver.has_certs());
}

#[test]
fn an_authority_is_read_from_a_file_beside_the_configuration() {
    let authority = rcgen::generate_simple_self_signed(vec!["backend".to_owned()]).unwrap();
    let pem = Scratch::new("ca.pem", &authority.cert.pem());
    let name = pem.0.file_name().unwrap().to_str().unwrap();
    let text = format!("upstream: {{ url: https://backend, tls: {{ ca: {name} }} }}");
    let file = Scratch::new("ca.yaml", &text);
    let sources = Sources { file: Some(file.0.clone()), ..Sources::default() };
    let configuration = sources.load().unwrap_or_else(|errors| panic!("{errors}"));
    assert!(configuration.policy.upstream.tls.is_some());
}

/// What is said of `listen.tls` when its files hold these.
fn tls_mistake(certificate: &str, key: &str) -> String {
    let certificate = Scratch::new("tls.crt", certificate);
    let key = Scratch::new("tls.key", key);
    let (certificate, key) = (certificate.0.display(), key.0.display());
    let text = format!(
        "{UPSTREAM}listen: {{ tls: {{ certificate: {certificate}, private_key: {key} }} }}\n"
    );
    match compile(&text, &[]) {
        Ok(configuration) => format!("{:?}", configuration.settings.tls.is_some()),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn a_certificate_and_its_key_have_to_fit_and_none_of_a_key_is_told() {
    let pair = || rcgen::generate_simple_self_signed(vec!["gateway".to_owned()]).unwrap();
    let (one, other) = (pair(), pair());
    let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    assert_eq!(tls_mistake(&certificate, &key), "true");
    assert_eq!(tls_mistake(&format!("{key}{certificate}"), &key), "true", "in one file");

    let in_one_line = key.replace('\n', "");
    let without_end: String = key.lines().take(2).collect::<Vec<_>>().join("\n");
    let odd = key.replace("MIG", "M!G");
    for (certificate, key, told) in [
        (
            &certificate,
            &other.signing_key.serialize_pem(),
            "is not the key of the first certif",
        ),
        (&certificate, &in_one_line, "is damaged: a section"),
        (&in_one_line, &key, "is damaged: a section"),
        (&certificate, &without_end, "is damaged: a section has no end"),
        (&certificate, &odd, "is damaged: a section is not base64"),
        (&certificate, &certificate, "holds no private key, or one with a passphrase"),
        (&key, &key, "holds no certificate"),
    ] {
        let found = tls_mistake(certificate, key);
        assert!(found.contains(told), "{found}");
        assert!(!found.contains("MIG") && !found.contains("M!G"), "{found}");
    }
}

/// The keys of the mapping at `path`, as the help for an unknown one tells them; none where it
/// is no mapping.
fn keys_at(path: &[&str]) -> Option<Vec<String>> {
    let unknown = "{ no-such-key-at-all: 1 }".to_owned();
    let text = path.iter().rev().fold(unknown, |below, key| format!("{{ {key}: {below} }}"));
    let errors = compile(&text, &[]).unwrap_err();
    let mistake = errors.mistakes().iter().find(|mistake| mistake.message == "unknown key")?;
    let keys = mistake.help.split('`').skip(1).step_by(2).map(str::to_owned);
    (mistake.path.split('.').count() == path.len() + 1).then(|| keys.collect())
}

/// Every key that is no mapping of keys, with its path.
fn leaves(path: &[&str], found: &mut BTreeSet<String>) {
    match keys_at(path) {
        Some(keys) => {
            for key in &keys {
                let mut below = path.to_vec();
                below.push(key);
                leaves(&below, found);
            }
        }
        None => drop(found.insert(path.join("."))),
    }
}

#[test]
fn the_reference_lists_the_keys_that_there_are() {
    let mut known = BTreeSet::new();
    leaves(&[], &mut known);
    assert!(known.len() > 20);
    let reference = fs::read_to_string(Path::new("docs/configuration.md")).unwrap();
    let (_, table) = reference.split_once("\n## Keys\n").unwrap();
    let (table, _) = table.split_once("\n### ").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let listed: BTreeSet<String> = rows.map(str::to_owned).collect();
    assert_eq!(listed, known);
}
