//! A case as it stands in a file: the client's bytes, and what may come of them.

use std::collections::HashSet;
use std::str::FromStr;

use crate::expand::Names;
use crate::expand::Part;
use crate::expand::fill;
use crate::message::latin;
use crate::upstream::Reply;
use crate::upstream::Then;

/// One request or more on one connection of its own.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) number: usize,
    pub(crate) name: String,
    /// File and line.
    pub(crate) place: String,
    pub(crate) client: Vec<Step>,
    /// Every byte is a write of its own.
    pub(crate) bytewise: bool,
    /// The client ends its half of the connection behind its last byte.
    pub(crate) ends: bool,
    /// Behind a gateway that forwards what is none of the API's.
    pub(crate) unmatched: bool,
    pub(crate) interims: Vec<u16>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) requests: Vec<Request>,
    pub(crate) reply: Option<Reply>,
    pub(crate) connection: Option<Connection>,
}

/// A case that is being read.
struct Reading {
    case: Case,
    names: Names,
    subject: Subject,
    pad: Option<(Part, usize)>,
    has_reason: bool,
    upstream_sees_nothing: bool,
}

#[derive(Debug)]
pub(crate) enum Step {
    Write(Vec<u8>),
    AwaitInterim(u16),
    AwaitAnswer,
}

/// What has to become of the connection; where a case does not say, either may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    Closed,
    Open,
}

/// One answer to the client.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) to_head: bool,
    /// Any of these.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) details: Details,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Whole(u16),
    /// Visibly shorter than it says.
    Truncated(u16),
    None,
}

/// One request at the upstream.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// It may be missing.
    pub(crate) maybe: bool,
    pub(crate) line: String,
    pub(crate) details: Details,
}

#[derive(Debug, Default)]
pub(crate) struct Details {
    pub(crate) code: Option<u64>,
    /// Names in lower case; no value where any will do.
    pub(crate) has: Vec<(String, Option<String>)>,
    pub(crate) lacks: Vec<String>,
    pub(crate) body: Option<Vec<u8>>,
}

/// What a line of bytes or of details belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Client,
    Answer,
    Request,
    Reply,
}

/// A case's lines, each with its number.
pub(crate) type Lines = Vec<(usize, String)>;

/// Every case of a file, numbered from `first` on. A mistake is told with its line.
pub(crate) fn read(file: &str, text: &str, first: usize) -> Result<Vec<Case>, String> {
    let blocks = blocks(file, text)?;
    let numbered = blocks.into_iter().enumerate();
    numbered.map(|(at, (place, lines))| Case::read(first + at, place, &lines)).collect()
}

/// Where each case of a file begins, and its lines, once for each `for`.
pub(crate) fn blocks(file: &str, text: &str) -> Result<Vec<(String, Lines)>, String> {
    let mut blocks: Vec<Vec<(usize, &str)>> = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
        if line.starts_with("case ") {
            blocks.push(Vec::new());
        }
        let block =
            blocks.last_mut().ok_or_else(|| format!("{file}:{}: no case yet", at + 1))?;
        block.push((at + 1, line));
    }
    let with_place = |block: &Vec<(usize, &str)>| {
        let place = format!("{file}:{}", block[0].0);
        variants(block).into_iter().map(move |lines| (place.clone(), lines)).collect::<Vec<_>>()
    };
    Ok(blocks.iter().flat_map(with_place).collect())
}

/// The names that more than one case has.
pub(crate) fn doubled<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    names.filter(|name| !seen.insert(*name)).collect()
}

fn is_comment(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

/// The block once for each `for A`, `for A => B` or `for A => B => C`, with `{}` for A, `{=}` for
/// B and `{+}` for C.
fn variants(block: &[(usize, &str)]) -> Vec<Lines> {
    let values: Vec<_> = block.iter().filter_map(|line| line.1.strip_prefix("for ")).collect();
    let lines = || block.iter().filter(|line| !line.1.starts_with("for "));
    if values.is_empty() {
        return vec![lines().map(|&(at, line)| (at, line.to_owned())).collect()];
    }
    let with = |value: &&str| {
        let mut parts = value.splitn(3, " => ");
        let first = parts.next().unwrap();
        let second = parts.next().unwrap_or(first);
        let third = parts.next().unwrap_or(second);
        let put =
            |line: &str| line.replace("{+}", third).replace("{=}", second).replace("{}", first);
        lines().map(|&(at, line)| (at, put(line))).collect()
    };
    values.iter().map(with).collect()
}

impl Case {
    pub(crate) fn read(
        number: usize,
        place: String,
        lines: &[(usize, String)],
    ) -> Result<Self, String> {
        let file = place.split(':').next().unwrap().to_owned();
        let mut reading = Reading::new(number, place);
        for (at, line) in lines {
            reading.line(line).map_err(|error| format!("{file}:{at}: {error}: {line}"))?;
        }
        let place = reading.case.place.clone();
        reading.finish().map_err(|error| format!("{place}: {error}"))
    }
}

impl Reading {
    fn new(number: usize, place: String) -> Self {
        let case = Case {
            number,
            name: String::new(),
            place,
            client: Vec::new(),
            bytewise: false,
            ends: false,
            unmatched: false,
            interims: Vec::new(),
            answers: Vec::new(),
            requests: Vec::new(),
            reply: None,
            connection: None,
        };
        Self {
            case,
            names: Names::new(number),
            subject: Subject::Client,
            pad: None,
            has_reason: false,
            upstream_sees_nothing: false,
        }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.ends_with([' ', '\t']) {
            return Err("white space at the end".to_owned());
        }
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        let case = &mut self.case;
        match key {
            "case" => rest.clone_into(&mut case.name),
            "why" => self.has_reason = names_a_reason(rest),
            ">" | "|" => {
                let end: &[u8] = if key == ">" { b"\r\n" } else { b"" };
                let bytes = [&self.names.expand(rest)?, end].concat();
                self.bytes(bytes)?;
            }
            "wait" if rest == "answer" => case.client.push(Step::AwaitAnswer),
            "wait" => case.client.push(Step::AwaitInterim(number(rest)?)),
            "pace" if rest == "byte" => case.bytewise = true,
            "pad" => self.pad = Some(size(rest)?),
            "end" if rest.is_empty() => case.ends = true,
            "gateway" if rest == "unmatched" => case.unmatched = true,
            "interim" => case.interims.push(number(rest)?),
            "connection" if rest == "closed" => case.connection = Some(Connection::Closed),
            "connection" if rest == "open" => case.connection = Some(Connection::Open),
            "answer" => {
                self.subject = Subject::Answer;
                case.answers.push(answer(rest)?);
            }
            "upstream" if rest == "nothing" => self.upstream_sees_nothing = true,
            "upstream" => {
                self.subject = Subject::Request;
                case.requests.push(request(&mut self.names, rest)?);
            }
            "reply" => {
                self.subject = Subject::Reply;
                case.reply = Some(Reply { bytes: Vec::new(), then: then(rest)? });
            }
            "code" | "has" | "lacks" | "body" => {
                let value = self.names.expand(rest)?;
                self.detail(key, value)?;
            }
            _ => return Err("unknown".to_owned()),
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        let Case { client, reply, .. } = &mut self.case;
        match (self.subject, client.last_mut(), reply) {
            (Subject::Reply, _, Some(reply)) => reply.bytes.extend(bytes),
            (Subject::Client, Some(Step::Write(written)), _) => written.extend(bytes),
            (Subject::Client, _, _) => client.push(Step::Write(bytes)),
            _ => return Err("bytes out of place".to_owned()),
        }
        Ok(())
    }

    fn detail(&mut self, key: &str, value: Vec<u8>) -> Result<(), String> {
        let Case { answers, requests, .. } = &mut self.case;
        let details = match self.subject {
            Subject::Answer => answers.last_mut().map(|answer| &mut answer.details),
            Subject::Request => requests.last_mut().map(|request| &mut request.details),
            Subject::Client | Subject::Reply => None,
        };
        details.ok_or("it belongs to nothing")?.put(key, value)
    }

    fn finish(mut self) -> Result<Case, String> {
        if self.case.client.is_empty() {
            self.case.client.push(Step::Write(self.names.expand("{get}\r\n\r\n")?));
        }
        for step in &mut self.case.client {
            if let Step::Write(bytes) = step {
                *bytes = fill(bytes, self.pad)?;
            }
        }
        if !self.has_reason {
            return Err("no reason: an RFC's section, an advisory or a promise".to_owned());
        }
        if self.case.answers.is_empty()
            || self.case.requests.is_empty() != self.upstream_sees_nothing
        {
            return Err("say what is answered, and what the upstream sees".to_owned());
        }
        Ok(self.case)
    }
}

impl Details {
    pub(crate) fn put(&mut self, key: &str, value: Vec<u8>) -> Result<(), String> {
        let text = latin(&value);
        match key {
            "code" => self.code = Some(number(&text)?),
            "lacks" => self.lacks.push(text.to_ascii_lowercase()),
            "body" => self.body = Some(value),
            _ => {
                let (name, value) = text.split_once(": ").unwrap_or((&text, ""));
                let value = (!value.is_empty()).then(|| value.to_owned());
                self.has.push((name.to_ascii_lowercase(), value));
            }
        }
        Ok(())
    }
}

/// `RFC 9112`, `A3`, `§2`, `GHSA-…`, `RUSTSEC-…`.
pub(crate) fn names_a_reason(why: &str) -> bool {
    let promise = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        word.starts_with(['A', 'B', 'C', 'D']) && word[1..].parse::<u8>().is_ok()
    };
    ["RFC ", "GHSA-", "RUSTSEC-", "CVE-"].iter().any(|mark| why.contains(mark))
        || why.split_whitespace().any(promise)
}

pub(crate) fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

fn size(text: &str) -> Result<(Part, usize), String> {
    let (part, size) = text.split_once(' ').ok_or("a part and a size are wanted")?;
    let part = match part {
        "target" => Part::Target,
        "head" => Part::Head,
        "body" => Part::Body,
        _ => return Err(format!("no part {part:?}")),
    };
    Ok((part, number(size)?))
}

fn then(text: &str) -> Result<Then, String> {
    Ok(match text {
        "close" => Then::Close,
        "reset" => Then::Reset,
        "hold" => Then::Hold,
        _ => return Err("close, reset or hold".to_owned()),
    })
}

/// `400`, `head 405`, `502 | 200 truncated`, `400 | none`.
fn answer(text: &str) -> Result<Answer, String> {
    let (to_head, text) = text.strip_prefix("head ").map_or((false, text), |text| (true, text));
    let outcome = |text: &str| {
        Ok(match text.trim().split_once(' ') {
            None if text.trim() == "none" => Outcome::None,
            None => Outcome::Whole(number(text.trim())?),
            Some((status, "truncated")) => Outcome::Truncated(number(status)?),
            Some(_) => return Err(format!("{text:?} is no outcome")),
        })
    };
    let outcomes: Result<Vec<_>, String> = text.split('|').map(outcome).collect();
    Ok(Answer { to_head, outcomes: outcomes?, details: Details::default() })
}

pub(crate) fn request(names: &mut Names, text: &str) -> Result<Request, String> {
    let (maybe, line) = text.strip_prefix("maybe ").map_or((false, text), |text| (true, text));
    let line = format!("{} HTTP/1.1", latin(&names.expand(line)?));
    Ok(Request { maybe, line, details: Details::default() })
}
