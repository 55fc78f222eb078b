//! How a gateway gets to the store: over TLS, as a user who may do no more than it must.

use std::fs;
use std::path::PathBuf;

use maskgate::time::Clock;

use crate::servers::free_port;
use crate::servers::server::Engine;
use crate::servers::server::Server;
use crate::servers::server::fresh_directory;
use crate::sharing::stands;
use crate::support::Gateway;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::service_path;
use crate::support::tls::Authority;
use crate::support::upstream::Behaviour;
use crate::support::upstream::Between;
use crate::support::upstream::Interference;

/// What `docs/scaling.md` says that the user needs.
const PAGE: &str = include_str!("../../docs/scaling.md");
const PASSWORD: &str = "a-long-password";

/// A server whose default user may do nothing there.
struct Guarded {
    server: Server,
    directory: PathBuf,
    /// None where it has no TLS, as the Valkey that the tests install.
    tls: Option<Tls>,
}

/// Where it speaks TLS, and whose certificate it has.
struct Tls {
    port: u16,
    ca: String,
}

impl Guarded {
    /// With a user called `maskgate` who has these rights.
    fn start(engine: Engine, rights: &str) -> Self {
        let directory = fresh_directory();
        let file = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let users = file(
            "users.acl",
            &format!("user default on nopass +ping\nuser maskgate on >{PASSWORD} {rights}\n"),
        );
        file("password", PASSWORD);
        if engine == Engine::Valkey {
            let server = Server::with(engine, &["--aclfile", &users]);
            return Self { server, directory, tls: None };
        }
        let (authority, port) = (Authority::new(), free_port());
        let identity = authority.certify("localhost");
        let (ca, certificate, key) = (
            file("ca.pem", &authority.pem()),
            file("server.pem", &identity.certificate),
            file("server.key", &identity.key),
        );
        let server = Server::with(
            engine,
            &[
                ["--tls-port", &port.to_string()],
                ["--tls-cert-file", &certificate],
                ["--tls-key-file", &key],
                ["--tls-ca-cert-file", &ca],
                ["--tls-auth-clients", "no"],
                ["--aclfile", &users],
            ]
            .concat(),
        );
        Self { server, directory, tls: Some(Tls { port, ca }) }
    }

    async fn gateway(&self, upstream: &Upstream) -> Gateway {
        let password = self.directory.join("password");
        let place = match &self.tls {
            Some(Tls { port, ca }) => {
                format!("url: 'rediss://localhost:{port}'\n    tls: {{ ca: '{ca}' }}")
            }
            None => format!("url: '{}'", self.server.url()),
        };
        let yaml = format!(
            "store:\n  redis:\n    {place}\n    replicas: 1\n    deadline: 500ms\n    \
             username: maskgate\n    password_file: '{}'\n",
            password.display()
        );
        let url = format!("url: {}", upstream.url());
        Gateway::toward(&url, &yaml, Clock::system()).await
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.server.kill();
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// The rights that the documentation gives to a user.
fn documented() -> String {
    let begun = PAGE.split_once("user maskgate on ").unwrap().1;
    let line = begun.lines().next().unwrap();
    line.split_once("~mg1:").map(|(_, rest)| format!("~mg1:{rest}")).unwrap()
}

async fn assert_shares(engine: Engine, rights: &str) {
    let guarded = Guarded::start(engine, rights);
    let (upstream, _) = Upstream::backend(Interference::new(|_| Between::Nothing));
    let gateway = guarded.gateway(&upstream).await;
    stands(&gateway, "trusted").await;
    let made = gateway.send(&Request::post("/v1/Services", "UniqueName=a")).await.json();
    gateway.reaches("maskgate_store_decisions_total{result=\"admitted\"}", 1.0).await;
    let numbers = format!("/v1/Services/{}/PhoneNumbers", made["sid"].as_str().unwrap());
    // A claim, a count, and what became of each change.
    let added = gateway.send(&Request::post(&*numbers, "PhoneNumber=%2B14155550100")).await;
    let number = format!("{numbers}/{}", added.json()["sid"].as_str().unwrap());
    let moved = gateway.send(&Request::post(&*number, "IsReserved=true")).await;
    let removed = gateway.send(&Request::delete(&*number)).await;
    assert_eq!([added.status, moved.status, removed.status], [201, 200, 204]);
    gateway.assert_metric("maskgate_store_pool_claims_total{result=\"held\"}", 3.0).await;
    gateway.assert_metric("maskgate_store_pool_claims_total{result=\"alone\"}", 0.0).await;
    gateway.assert_metric("maskgate_store_changes_total{condition=\"lost\"}", 0.0).await;
    let tls = &gateway.page("/policy").await.json()["store"]["tls"];
    assert_eq!(*tls, guarded.tls.is_some());
}

#[tokio::test]
async fn a_user_with_the_documented_rights_is_enough_over_tls_too() {
    for engine in Engine::installed() {
        assert_shares(engine, &documented()).await;
    }
}

#[tokio::test]
async fn a_user_who_may_load_no_functions_runs_scripts() {
    for engine in Engine::installed() {
        let rights = documented().replace("+function|load +fcall ", "");
        assert_ne!(rights, documented());
        assert_shares(engine, &rights).await;
    }
}

#[tokio::test]
async fn a_wrong_password_loses_the_store_and_is_told_to_nobody() {
    let guarded = Guarded::start(Engine::Redis, &documented());
    fs::write(guarded.directory.join("password"), "a wrong password").unwrap();
    let upstream = Upstream::behaving(Behaviour::Answer(200, "{}"));
    let gateway = guarded.gateway(&upstream).await;
    let fault = || async { gateway.page("/policy").await.json()["store"]["fault"].clone() };
    while fault().await.is_null() {
        tokio::task::yield_now().await;
    }
    let page = gateway.page("/policy").await.json().to_string();
    assert!(page.contains("\"condition\":\"lost\"") && !page.contains("password\""), "{page}");
    assert!(!page.contains("wrong"), "{page}");
    // Its share is all of it.
    assert_eq!(gateway.send(&Request::get(service_path("/Sessions"))).await.status, 200);
    // A password that was put right is read at the next try.
    fs::write(guarded.directory.join("password"), PASSWORD).unwrap();
    stands(&gateway, "trusted").await;
}
