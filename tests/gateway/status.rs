//! The status page, but for what a browser makes of it (`tests/page`).

use crate::support::Gateway;
use crate::support::Reply;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::client::Connection;

async fn asked(gateway: &Gateway, request: Request) -> Reply {
    Connection::open(gateway.admin).await.send(&request).await
}

#[tokio::test]
async fn the_page_and_its_files_may_load_nothing_from_elsewhere() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    for (path, kind) in [
        ("/status", "text/html; charset=utf-8"),
        ("/status/page.css", "text/css; charset=utf-8"),
        ("/status/main.js", "text/javascript; charset=utf-8"),
    ] {
        let reply = gateway.page(path).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(kind)), "{path}");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    for path in ["/status/", "/status/mod.rs", "/status/../policy"] {
        assert_eq!(gateway.page(path).await.status, 404, "{path}");
    }
    let post = asked(&gateway, Request::post("/status", "")).await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn a_browser_is_sent_to_it_and_whoever_else_asks_gets_a_list_of_pages() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let browser = Request::get("/").with("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let sent = asked(&gateway, browser).await;
    assert_eq!((sent.status, sent.header("location")), (303, Some("status")));
    let listed = asked(&gateway, Request::get("/").with("accept", "*/*")).await;
    assert_eq!(
        (listed.status, listed.header("content-type")),
        (200, Some("text/plain; charset=utf-8"))
    );
    let text = String::from_utf8(listed.body.to_vec()).unwrap();
    assert!(text.starts_with("/status "), "{text}");
}

#[tokio::test]
async fn the_last_reload_is_shown_with_its_mistakes() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let reload = || async { gateway.page("/policy").await.json()["reload"].clone() };
    assert!(reload().await.is_null());
    gateway.reload("limits: { rate: { windw: 5s } }").await;
    let refused = reload().await;
    assert_eq!(refused["result"], "refused");
    let mistakes = refused["mistakes"].as_str().unwrap();
    assert!(mistakes.contains("did you mean `window`"), "{mistakes}");
    gateway.reload("").await;
    let applied = reload().await;
    assert_eq!((&applied["result"], &applied["mistakes"]), (&"applied".into(), &().into()));
    let settings = gateway.page("/policy").await.json()["settings"].clone();
    assert_eq!(
        (&settings["workers"], &settings["max_connections"]),
        (&2.into(), &10_000.into())
    );
    assert_eq!(settings["allow_reset"], false);
}
