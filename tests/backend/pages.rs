//! Do pages lead forth and back, whatever is added and deleted meanwhile?

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop where they fail")]

use std::collections::HashSet;

use serde_json::Value;

use crate::support::Client;
use crate::support::HOST;

/// The unique names on a page.
fn names(page: &Value) -> Vec<String> {
    let sessions = page["sessions"].as_array().unwrap();
    sessions.iter().map(|session| session["unique_name"].as_str().unwrap().to_owned()).collect()
}

/// The page that an address of another leads to.
fn follow(client: &Client, page: &Value, link: &str) -> Option<Value> {
    let url = page["meta"][link].as_str()?;
    Some(client.get(url.strip_prefix(&format!("http://{HOST}")).unwrap()).json())
}

/// A list of so many sessions, named by their number.
fn sessions(client: &Client, count: usize) -> String {
    let list = format!("{}/Sessions", client.service("many"));
    for index in 0..count {
        client.made(&list, &[("UniqueName", &index.to_string())]);
    }
    list
}

fn newest_first(count: usize) -> Vec<String> {
    (0..count).rev().map(|index| index.to_string()).collect()
}

#[test]
fn all_pages_together_are_the_list_newest_first_forth_and_back() {
    let client = Client::new();
    let list = sessions(&client, 257);
    let mut pages = vec![client.get(&format!("{list}?PageSize=40")).json()];
    while let Some(page) = follow(&client, pages.last().unwrap(), "next_page_url") {
        assert_eq!(page["meta"]["page"], pages.len());
        pages.push(page);
    }
    assert_eq!(pages.iter().flat_map(names).collect::<Vec<_>>(), newest_first(257));
    assert_eq!(pages.len(), 7);
    assert!(pages[0]["meta"]["previous_page_url"].is_null());
    for pair in pages.windows(2) {
        let back = follow(&client, &pair[1], "previous_page_url").unwrap();
        assert_eq!(names(&back), names(&pair[0]));
        assert_eq!(back["meta"]["page"], pair[0]["meta"]["page"]);
        assert_eq!(names(&follow(&client, &pair[1], "url").unwrap()), names(&pair[1]));
        assert_eq!(
            names(&follow(&client, &pair[1], "first_page_url").unwrap()),
            names(&pages[0])
        );
    }
}

#[test]
fn what_is_added_or_deleted_meanwhile_does_not_shift_pages() {
    let client = Client::new();
    let list = sessions(&client, 300);
    let mut page = client.get(&format!("{list}?PageSize=50")).json();
    let mut seen = names(&page);
    let mut gone = HashSet::new();
    let mut added: usize = 300;
    while let Some(next) = follow(&client, &page, "next_page_url") {
        // The page's last row is its border: deleting it must not lose the place.
        let last = names(&next).last().unwrap().clone();
        let sid =
            client.get(&format!("{list}/{last}")).json()["sid"].as_str().unwrap().to_owned();
        assert_eq!(client.delete(&format!("{list}/{sid}")).status, 204);
        gone.insert(last);
        for _ in 0..7 {
            client.made(&list, &[("UniqueName", &added.to_string())]);
            added = added.saturating_add(1);
        }
        seen.extend(names(&next));
        page = next;
    }
    assert_eq!(seen, newest_first(300));
    // Going back, the new ones come after those that there were.
    let mut there = vec![names(&page)];
    while let Some(newer) = follow(&client, &page, "previous_page_url") {
        there.push(names(&newer));
        page = newer;
    }
    there.reverse();
    let mut left = newest_first(added);
    left.retain(|name| !gone.contains(name));
    for names in &mut there {
        names.retain(|name| !gone.contains(name));
    }
    assert_eq!(there.concat(), left);
}

#[test]
fn a_page_has_fifty_unless_asked_and_a_hundred_at_most() {
    let client = Client::new();
    let list = sessions(&client, 101);
    for (asked, has) in [("", 50), ("?PageSize=1", 1), ("?PageSize=100", 100)] {
        let page = client.get(&format!("{list}{asked}")).json();
        assert_eq!((names(&page).len(), &page["meta"]["page_size"]), (has, &Value::from(has)));
    }
    let page = client.get(&format!("{list}?PageSize=1000")).json();
    assert_eq!((names(&page).len(), &page["meta"]["page_size"]), (100, &Value::from(100)));
    assert_eq!(names(&follow(&client, &page, "next_page_url").unwrap()), ["0"]);
}

#[test]
fn a_page_by_its_number_alone_is_counted_from_the_newest() {
    let client = Client::new();
    let list = sessions(&client, 5);
    let page = |number: usize| client.get(&format!("{list}?PageSize=2&Page={number}")).json();
    assert_eq!(names(&page(1)), ["2", "1"]);
    assert_eq!(names(&page(2)), ["0"]);
    let beyond = page(3);
    assert!(names(&beyond).is_empty() && beyond["meta"]["next_page_url"].is_null());
    assert_eq!(names(&follow(&client, &beyond, "previous_page_url").unwrap()), ["1", "0"]);
    assert!(names(&client.get(&format!("{list}?Page=99999999999999999999")).json()).is_empty());
}

#[test]
fn an_empty_page_leads_no_further_and_back_to_what_is_left() {
    let client = Client::new();
    let list = sessions(&client, 4);
    let first = client.get(&format!("{list}?PageSize=2")).json();
    for name in ["0", "1"] {
        let sid =
            client.get(&format!("{list}/{name}")).json()["sid"].as_str().unwrap().to_owned();
        client.delete(&format!("{list}/{sid}"));
    }
    let empty = follow(&client, &first, "next_page_url").unwrap();
    assert!(names(&empty).is_empty() && empty["meta"]["next_page_url"].is_null());
    let back = follow(&client, &empty, "previous_page_url").unwrap();
    assert_eq!(names(&back), ["3", "2"]);
    assert!(back["meta"]["previous_page_url"].is_null());
    assert!(back["meta"]["next_page_url"].is_null());
}

#[test]
fn a_page_that_cannot_be_is_refused() {
    let client = Client::new();
    assert_eq!(client.get("/v1/Services?PageSize=1001").error(), (400, 20007));
    for query in ["PageSize=0", "PageSize=-1", "PageSize=x", "Page=-1", "Page=x"] {
        assert_eq!(
            client.get(&format!("/v1/Services?{query}")).error(),
            (400, 80701),
            "{query}"
        );
    }
    for token in ["x", "PT", "PT2%30", "PT0%2B00000000000000f", "PT0\u{20ac}"] {
        let token = token.replace('\u{20ac}', "%E2%82%AC");
        let answer = client.get(&format!("/v1/Services?PageToken={token}"));
        assert_eq!(answer.error(), (400, 80701), "{token}");
    }
}
