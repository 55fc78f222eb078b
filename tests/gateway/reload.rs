//! A reload fails no request, and gives no one a second burst.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::support::ACCOUNT;
use crate::support::Gateway;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client::Connection;
use crate::support::client::basic;
use crate::support::service_path;
use maskgate::observe::metrics::ReloadResult;

fn sessions() -> Request {
    Request::get(service_path("/Sessions"))
}

#[tokio::test]
async fn a_reload_raises_the_limit_without_forgetting_the_count() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(gateway.admitted(&sessions(), 151).await, 150);
    gateway.reload("limits: { rate: { requests_per_second: 40 } }").await;
    assert_eq!(gateway.admitted(&sessions(), 60).await, 50);
    assert_eq!(upstream.count(), 200);
}

#[tokio::test]
async fn a_limit_lowered_and_raised_again_gives_no_second_burst() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(gateway.admitted(&sessions(), 150).await, 150);
    gateway.reload("limits: { rate: { requests_per_second: 10 } }").await;
    assert_eq!(gateway.admitted(&sessions(), 10).await, 0);
    gateway.reload("").await;
    assert_eq!(gateway.admitted(&sessions(), 10).await, 0);
    gateway.advance(Duration::from_secs(5));
    assert_eq!(gateway.admitted(&sessions(), 160).await, 150);
}

#[tokio::test]
async fn a_key_that_is_given_to_its_account_and_taken_from_it_gives_no_second_burst() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let key = "SK00000000000000000000000000000001";
    let list = |user| {
        let anybodys = Request::get("/v1/Services").without("authorization");
        anybodys.with("authorization", &basic(user, "x"))
    };
    assert_eq!(gateway.admitted(&list(key), 100).await, 100);
    gateway.reload(&format!("accounts: {{ {key}: {ACCOUNT} }}")).await;
    assert_eq!(gateway.admitted(&list(ACCOUNT), 30).await, 30);
    assert_eq!(gateway.admitted(&list(key), 300).await, 20);
    gateway.reload("").await;
    assert_eq!(gateway.admitted(&list(key), 300).await, 0);
    gateway.assert_metric("maskgate_learned_accounts", 1.0).await;
    gateway.advance(Duration::from_secs(5));
    assert_eq!(gateway.admitted(&list(ACCOUNT), 300).await, 150);
    assert_eq!(gateway.admitted(&list(key), 300).await, 0);
}

#[tokio::test]
async fn a_file_with_a_mistake_changes_nothing_and_is_counted() {
    let upstream = Upstream::start();
    let gateway =
        Gateway::with("limits: { rate: { requests_per_second: 2 } }", &upstream).await;
    let result = gateway.reload("limits: { rate: { requests_per_second: 0 } }").await;
    assert_eq!(result, ReloadResult::Refused);
    assert_eq!(gateway.admitted(&sessions(), 20).await, 10, "the old policy is in force");
    let series = "maskgate_config_reloads_total{result=\"refused\"}";
    // The file's watcher may have seen it too.
    assert!(gateway.metric(series).await >= 1.0);
    assert_eq!(gateway.page("/readyz").await.status, 200);
    assert!((gateway.metric("maskgate_config_generation").await - 1.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn reloads_under_traffic_fail_no_request_and_reset_no_count() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let address = gateway.address;
    let traffic: Vec<_> = (0..4)
        .map(|_| {
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                let mut statuses = Vec::new();
                for _ in 0..250 {
                    statuses.push(connection.send(&sessions()).await.status);
                }
                statuses
            })
        })
        .collect();
    for number in 0..50 {
        let yaml = match number % 5 {
            4 => "limits: { rate: { requests_per_second: zero } }".to_owned(),
            _ => format!("limits: {{ max_keys: {} }}", 1000 + number),
        };
        gateway.reload(&yaml).await;
    }
    let mut statuses = Vec::new();
    for task in traffic {
        statuses.extend(task.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 150);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 850);
}

#[tokio::test]
async fn a_change_of_the_file_is_seen_without_being_asked() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    gateway.rewrite(&format!("{}limits: {{ mode: off }}\n", gateway.head()));
    while gateway.metric("maskgate_config_generation").await < 2.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(gateway.admitted(&sessions(), 200).await, 200);
}

#[tokio::test]
async fn the_symlink_swap_of_a_config_map_is_seen() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let directory = gateway.directory();
    let version = |name: &str, yaml: &str| {
        fs::create_dir(directory.join(name)).unwrap();
        let text = format!("{}{yaml}", gateway.head());
        fs::write(directory.join(name).join("maskgate.yaml"), text).unwrap();
    };
    version("..1", "limits: { mode: off  }\n");
    version("..2", "limits: { mode: shadow}\n");
    symlink("..1", directory.join("..data")).unwrap();
    fs::remove_file(directory.join("maskgate.yaml")).unwrap();
    symlink("..data/maskgate.yaml", directory.join("maskgate.yaml")).unwrap();
    while gateway.metric("maskgate_config_generation").await < 2.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    symlink("..2", directory.join("..data_tmp")).unwrap();
    fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
    while gateway.metric("maskgate_config_generation").await < 3.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let policy = gateway.page("/policy").await.json();
    assert_eq!(policy["limits"]["rate"]["mode"], "shadow");
}
