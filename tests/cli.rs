//! The program as a whole: exit statuses, signals, what it says of a bad start.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

const BINARY: &str = env!("CARGO_BIN_EXE_maskgate");

fn maskgate(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn file(name: &str, yaml: &str) -> PathBuf {
    let path =
        std::env::temp_dir().join(format!("maskgate-{}-{name}.yaml", std::process::id()));
    fs::write(&path, yaml).unwrap();
    path
}

/// A running gateway; killed if the test has not ended it.
struct Running {
    child: Child,
    public: String,
    admin: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let (public, admin) = (free_address(), free_address());
        let child = Command::new(BINARY)
            .args(arguments)
            .args(["--listen", &public, "--admin", &admin])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut running = Self { child, public, admin };
        while !maskgate(&["healthcheck", "--admin", &running.admin]).status.success() {
            assert_eq!(running.child.try_wait().unwrap(), None, "it has not ended");
        }
        running
    }

    fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    }

    fn metric(&self, series: &str) -> String {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap().to_owned()
    }

    /// What it wrote to standard error, once it has ended.
    fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_configuration_with_mistakes_ends_with_78_and_names_them() {
    let path = file("bad", "upstream: { url: http://a:1 }\nlimits: { rate: { windw: 5s } }\n");
    let checked = maskgate(&["check", path.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(78));
    let printed = text(&checked.stdout);
    for part in [":2:19", "windw", "did you mean `window`"] {
        assert!(printed.contains(part), "{printed} says {part}");
    }
    let run = maskgate(&["run", "--config", path.to_str().unwrap()]);
    assert_eq!(run.status.code(), Some(78));
    assert_eq!(text(&run.stderr), printed);
    fs::remove_file(path).unwrap();
}

#[test]
fn a_doubtful_value_is_told_and_the_file_is_right() {
    let yaml = "upstream: { url: http://a:1, public_url: http://maskgate.default }\n";
    let path = file("doubtful", yaml);
    let checked = maskgate(&["check", path.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0));
    let printed = text(&checked.stdout);
    assert!(printed.contains(":1:42: warning: upstream.public_url: "), "{printed}");
    assert!(printed.ends_with(": ok\n"), "{printed}");
    let checked = maskgate(&["check", "--format", "json", path.to_str().unwrap()]);
    let told: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(told[0]["severity"], "warning");
    fs::remove_file(path).unwrap();
}

#[test]
fn a_public_url_that_is_none_is_refused_with_2() {
    for url in ["not_a_url", "ftp://a.example", "http://", "https://a.example/?x", "http://a b"]
    {
        let output = maskgate(&["backend", "--listen", "127.0.0.1:1", "--public-url", url]);
        assert_eq!(output.status.code(), Some(2), "{url}");
        assert!(text(&output.stderr).contains("http://"), "{}", text(&output.stderr));
    }
    // Goes on to listen, where it may not.
    let right = "https://a.example:8443/base";
    let output = maskgate(&["backend", "--listen", "192.0.2.1:1", "--public-url", right]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
}

#[test]
fn checking_several_files_as_json_gives_one_array() {
    let (one, two) = (file("one", "limits: 1\n"), file("two", "workers: none\n"));
    let paths = [one.to_str().unwrap(), two.to_str().unwrap()];
    let checked = maskgate(&["check", "--format", "json", paths[0], paths[1]]);
    assert_eq!(checked.status.code(), Some(78));
    let mistakes: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    let files: Vec<_> = mistakes
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["file"].as_str().unwrap())
        .collect();
    assert!(files.contains(&paths[0]) && files.contains(&paths[1]), "{mistakes}");
    fs::remove_file(one).unwrap();
    fs::remove_file(two).unwrap();
}

#[test]
fn an_unknown_flag_ends_with_2() {
    let output = maskgate(&["run", "--upstrem", "http://a"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--upstream"), "a tip for the misspelt word");
}

#[test]
fn an_address_in_use_ends_with_1_and_names_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let admin = free_address();
    let output =
        maskgate(&["run", "--upstream", "http://a:1", "--listen", &taken, "--admin", &admin]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&format!("cannot listen on {taken}")));
}

#[test]
fn an_admin_address_that_others_reach_is_refused_unless_it_is_allowed() {
    let run = ["run", "--upstream", "http://a:1", "--admin", "0.0.0.0:0"];
    for (arguments, status) in [(&run[..], 78), (&["backend", "--admin", "0.0.0.0:0"], 1)] {
        let output = maskgate(arguments);
        assert_eq!(output.status.code(), Some(status));
        let said = text(&output.stderr);
        assert!(said.contains("0.0.0.0:0 is open to other machines"), "{said}");
        assert!(said.contains("--admin-allow-remote"), "{said}");
    }
}

#[test]
fn a_gateway_that_is_not_there_is_not_healthy() {
    let output = maskgate(&["healthcheck", "--admin", &free_address()]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_terminal_shows_how_a_gateway_is() {
    let running = Running::start(&["demo"]);
    let credentials = "QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTpk";
    let mut stream = TcpStream::connect(&running.public).unwrap();
    write!(
        stream,
        "GET /v1/Services HTTP/1.1\r\nhost: a\r\nauthorization: Basic {credentials}\r\n\
         connection: close\r\n\r\n"
    )
    .unwrap();
    stream.read_to_string(&mut String::new()).unwrap();
    // Counted with its last byte, which may be a moment after the client has it.
    let said = loop {
        let output = maskgate(&["status", "--admin", &running.admin]);
        assert_eq!(output.status.code(), Some(0));
        let said = text(&output.stdout);
        if said.contains("1 forwarded") {
            break said;
        }
    };
    for part in [", ready, up ", "policy 1\n", "0 applied, 0 refused", "ListService  "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let top = ["top", "--count", "2", "--interval", "100ms", "--admin", &running.admin];
    let said = text(&maskgate(&top).stdout);
    assert_eq!(said.matches("a second\nwindows").count(), 2, "{said}");
    assert!(said.contains("\nservice, of the last ") && said.contains("\nwindow "), "{said}");
    assert!(!said.contains('\u{1b}'), "this is no terminal");
    let output = maskgate(&["status", "--admin", &free_address()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot be asked"));
}

#[test]
fn sigterm_ends_it_with_0() {
    let running = Running::start(&["run", "--upstream", "http://127.0.0.1:1"]);
    running.signal("TERM");
    let (status, log) = running.end();
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("\"message\":\"stopped\""), "{log}");
}

#[test]
fn a_demo_and_a_backend_can_be_ended_as_soon_as_they_say_where_they_are() {
    // The shell's own `kill` is there in time; a process of its own would come too late.
    let script = r#"
        exec 3< <(exec "$@" --listen 127.0.0.1:0 2>/dev/null)
        read -r first <&3 && kill -s TERM $! && wait $!"#;
    let demo: &[&str] = &["demo", "--admin", "127.0.0.1:0"];
    for arguments in [demo, &["backend"]] {
        for _ in 0..5 {
            let status = Command::new("bash")
                .args(["-c", script, "bash", BINARY])
                .args(arguments)
                .status();
            assert_eq!(status.unwrap().code(), Some(0), "{arguments:?}");
        }
    }
}

#[test]
fn sighup_reloads_the_file() {
    let path = file("reload", "upstream: { url: 'http://127.0.0.1:1' }\n");
    let running = Running::start(&["run", "--config", path.to_str().unwrap()]);
    running.signal("HUP");
    while running.metric("maskgate_config_generation") != "2" {}
    running.signal("INT");
    let (status, log) = running.end();
    assert_eq!(status, Some(0));
    assert!(log.contains("a new policy is in force"), "{log}");
    fs::remove_file(path).unwrap();
}

#[test]
fn sighup_does_not_end_a_gateway_without_a_file() {
    let running = Running::start(&["run", "--upstream", "http://127.0.0.1:1"]);
    running.signal("HUP");
    while running.metric("maskgate_config_reloads_total{result=\"applied\"}") != "1" {}
}

#[test]
fn a_variable_wins_over_the_file_and_a_flag_over_both() {
    let path = file("layers", "upstream: { url: http://a:1 }\nworkers: 0\n");
    let check = |variable: &str| {
        let admin = free_address();
        let mut command = Command::new(BINARY);
        command.args(["run", "--config", path.to_str().unwrap(), "--admin", &admin]);
        command.env("MASKGATE_WORKERS", variable).args(["--listen", "nonsense"]);
        text(&command.output().unwrap().stderr)
    };
    let printed = check("none");
    assert!(printed.contains("MASKGATE_WORKERS"), "{printed}");
    assert!(printed.contains("--listen"), "{printed}");
    assert!(!printed.contains(":2:"), "the file's own value is not in force: {printed}");
    fs::remove_file(path).unwrap();
}

/// Events were written by whoever they happened to, so a reader that stalled stopped accepting,
/// the admin listener and the stop itself.
#[test]
fn whoever_does_not_read_the_log_holds_up_nobody() {
    let mut running = Running::start(&["run", "--upstream", "http://127.0.0.1:1"]);
    let one = "GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n";
    let last = "GET /nothing HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(&running.public).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        writer.write_all(format!("{}{last}", one.repeat(2000)).as_bytes()).unwrap();
    });
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    writing.join().unwrap();
    assert_eq!(answers.matches("HTTP/1.1 404").count(), 2001);
    // 400 kB of lines are more than a pipe holds.
    running.signal("HUP");
    while running.metric("maskgate_config_generation") != "2" {}
    running.signal("TERM");
    // It waits for the last lines no longer than a second.
    let status = (0..10_000_000).find_map(|_| running.child.try_wait().unwrap());
    assert_eq!(status.unwrap().code(), Some(0));
}

#[test]
fn windows_that_are_emptied_by_hand_leave_a_line_that_says_who_asked_and_which() {
    let yaml = "upstream: { url: http://127.0.0.1:1 }\nadmin: { allow_reset: true }\n";
    let path = file("reset", yaml);
    let running = Running::start(&["run", "--config", path.to_str().unwrap()]);
    let mut stream = TcpStream::connect(&running.admin).unwrap();
    let peer = stream.local_addr().unwrap();
    let service = "KS00000000000000000000000000000001";
    write!(
        stream,
        "POST /windows/reset?service={service}&endpoint=ListSession HTTP/1.1\r\nhost: a\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.signal("TERM");
    let (_, log) = running.end();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| line.contains("reset by hand"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    for (field, value) in [
        ("level", "WARN".into()),
        ("peer", peer.to_string().into()),
        ("service", service.into()),
        ("endpoint", "ListSession".into()),
        ("windows", serde_json::Value::from(0)),
        ("result", "done".into()),
    ] {
        assert_eq!(lines[0][field], value, "{log}");
    }
    fs::remove_file(path).unwrap();
}
