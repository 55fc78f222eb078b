//! Which part of a list? Pages, and the addresses of the pages beside them.
//!
//! Lists are newest first. A page token names a border between rows by a place in their order,
//! so pages do not shift when rows are added or deleted.

use std::collections::btree_map::Range;
use std::fmt;

use serde::Serialize;

use super::error::Problem;
use super::form::Form;
use super::state::table::Table;

const DEFAULT_SIZE: usize = 50;
/// The most that a page has, whatever it is asked for.
const MAX_SIZE: usize = 100;
/// The most that may be asked for.
const MAX_ASKED: usize = 1000;

const PAGE_SIZE: Problem =
    Problem::invalid("PageSize", "It must be a whole number from 1 to 1000");
const PAGE: Problem = Problem::invalid("Page", "It must be a whole number, 0 or more");
const PAGE_TOKEN: Problem =
    Problem::invalid("PageToken", "It must be one that a page's address had");

/// The page that is asked for.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    page: usize,
    token: Option<Token>,
}

impl Window {
    /// Reads `PageSize`, `Page` and `PageToken` of a query.
    pub(super) fn read(query: &str) -> Result<Self, Problem> {
        let query = Form::parse(query)?;
        let size = match query.filled("PageSize") {
            None => DEFAULT_SIZE,
            Some(text) => match whole(text).ok_or(PAGE_SIZE)? {
                0 => return Err(PAGE_SIZE),
                asked @ 1..=MAX_ASKED => asked.min(MAX_SIZE),
                _ => return Err(Problem::PageSizeTooLarge),
            },
        };
        let page = query.filled("Page").map_or(Some(0), whole).ok_or(PAGE)?;
        let token = query.filled("PageToken").map(|text| Token::parse(text).ok_or(PAGE_TOKEN));
        Ok(Self { size, page, token: token.transpose()? })
    }

    /// Writes the page's answer. `write` adds one row's JSON.
    pub(super) fn answer<T>(
        &self,
        list: &List<'_>,
        table: &Table<T>,
        keep: impl Fn(&T) -> bool,
        write: impl Fn(&T, &mut Vec<u8>) -> serde_json::Result<()>,
    ) -> Result<Vec<u8>, Problem> {
        let rows = self.rows(table, &keep);
        let mut body = format!("{{\"{}\":[", list.key).into_bytes();
        for (index, (_, row)) in rows.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            write(row, &mut body)?;
        }
        body.extend_from_slice(b"],\"meta\":");
        serde_json::to_writer(&mut body, &self.meta(list, table, &keep, &rows))?;
        body.push(b'}');
        Ok(body)
    }

    /// The page's rows with their places, newest first.
    fn rows<'a, T>(&self, table: &'a Table<T>, keep: impl Fn(&T) -> bool) -> Vec<(u64, &'a T)> {
        let kept = |(_, row): &(&u64, &T)| keep(row);
        let own = |(place, row): (&u64, &'a T)| (*place, row);
        match self.token {
            None => {
                let skipped = self.page.saturating_mul(self.size);
                let rows = table.range(..).rev().filter(kept);
                rows.skip(skipped).take(self.size).map(own).collect()
            }
            Some(Token::OlderThan(border)) => {
                let rows = table.range(..border).rev().filter(kept);
                rows.take(self.size).map(own).collect()
            }
            Some(Token::NewerThan(border)) => {
                let newer = table.range(border.saturating_add(1)..).filter(kept);
                let mut rows: Vec<_> = newer.take(self.size).map(own).collect();
                rows.reverse();
                rows
            }
        }
    }

    fn meta<T>(
        &self,
        list: &List<'_>,
        table: &Table<T>,
        keep: impl Fn(&T) -> bool,
        rows: &[(u64, &T)],
    ) -> Meta {
        let any = |mut rows: Range<'_, u64, T>| rows.any(|(_, row)| keep(row));
        let (above, below) = self.borders(rows);
        let newer =
            any(table.range(above.saturating_add(1)..)).then_some(Token::NewerThan(above));
        let older = any(table.range(..below)).then_some(Token::OlderThan(below));
        Meta {
            first_page_url: self.url(list, 0, None),
            key: list.key,
            next_page_url: older
                .map(|token| self.url(list, self.page.saturating_add(1), Some(token))),
            page: self.page,
            page_size: self.size,
            previous_page_url: newer
                .map(|token| self.url(list, self.page.saturating_sub(1), Some(token))),
            url: self.url(list, self.page, self.token),
        }
    }

    /// The places above and below which other pages begin. An empty page has those that it
    /// was asked for by; one beyond the end has everything above it.
    fn borders<T>(&self, rows: &[(u64, &T)]) -> (u64, u64) {
        if let (Some((newest, _)), Some((oldest, _))) = (rows.first(), rows.last()) {
            return (*newest, *oldest);
        }
        match self.token {
            None => (0, 0),
            Some(Token::OlderThan(border)) => (border.saturating_sub(1), border),
            Some(Token::NewerThan(border)) => (border, border.saturating_add(1)),
        }
    }

    fn url(&self, list: &List<'_>, page: usize, token: Option<Token>) -> String {
        let mut url = format!("{}?PageSize={}&Page={page}", list.url, self.size);
        if let Some(token) = token {
            url.push_str("&PageToken=");
            url.push_str(&token.to_string());
        }
        url
    }
}

fn whole(text: &str) -> Option<usize> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More digits than a number has are still a number.
    Some(text.parse().unwrap_or(usize::MAX))
}

/// A list's own name and address.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub(super) key: &'static str,
    pub(super) url: &'a str,
}

#[derive(Serialize)]
struct Meta {
    first_page_url: String,
    key: &'static str,
    next_page_url: Option<String>,
    page: usize,
    page_size: usize,
    previous_page_url: Option<String>,
    url: String,
}

/// From where a page goes on, and in which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    OlderThan(u64),
    NewerThan(u64),
}

impl Token {
    fn parse(text: &str) -> Option<Self> {
        let (direction, place) = text.strip_prefix("PT")?.split_at_checked(1)?;
        let hex = place.len() == 16 && place.bytes().all(|byte| byte.is_ascii_hexdigit());
        let place = u64::from_str_radix(place, 16).ok().filter(|_| hex)?;
        match direction {
            "0" => Some(Self::OlderThan(place)),
            "1" => Some(Self::NewerThan(place)),
            _ => None,
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OlderThan(place) => write!(f, "PT0{place:016x}"),
            Self::NewerThan(place) => write!(f, "PT1{place:016x}"),
        }
    }
}
