//! What is made of an upstream's bytes does not depend on how they come, and an answer is as long
//! as it says.

use std::fs;

use http::HeaderMap;
use http::Method;
use maskgate::forward::AnswerFault;
use maskgate::forward::AnswerReader;

use crate::case;
use crate::mutation::WORDS;
use crate::seeds;
use crate::template;

/// Larger cases are about sizes, and slow.
const MAX_BYTES: usize = 6 * 1024;

/// What was made of an answer whose bytes have all come.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    head: Option<(u16, HeaderMap)>,
    body: Vec<u8>,
    /// It has an end, which may be that of the connection.
    is_whole: bool,
    /// Nothing came behind it.
    is_clear: bool,
}

fn read(asked: &Method, pieces: &[&[u8]]) -> Read {
    let (mut reader, mut read) = (AnswerReader::default(), Read::default());
    reader.begin();
    let mut take = |reader: &mut AnswerReader| -> Result<(), AnswerFault> {
        if read.head.is_none() {
            let Some(head) = reader.head(asked, &mut HeaderMap::new())? else { return Ok(()) };
            read.head = Some((head.parts.status.as_u16(), head.parts.headers));
        }
        while let Some(piece) = reader.piece()? {
            assert!(!piece.is_empty());
            read.body.extend_from_slice(&piece);
        }
        Ok(())
    };
    for piece in pieces {
        reader.room().extend_from_slice(piece);
        if take(&mut reader).is_err() {
            return read;
        }
    }
    read.is_whole = reader.closed().is_ok();
    read.is_clear = reader.is_clear();
    read
}

fn holds(bytes: &[u8], choices: &[u8]) {
    let asked = if choices.len() % 4 == 3 { Method::HEAD } else { Method::GET };
    let whole = read(&asked, &[bytes]);
    let mut rest = bytes;
    let mut pieces: Vec<_> = choices
        .iter()
        .map(|choice| {
            let (piece, behind) = rest.split_at(usize::from(*choice).min(rest.len()));
            rest = behind;
            piece
        })
        .collect();
    pieces.push(rest);
    let shown = bytes.escape_ascii();
    assert_eq!(read(&asked, &pieces), whole, "\"{shown}\" cut at {choices:?}");
    if let Some((status, headers)) = &whole.head {
        let has_body = asked != Method::HEAD && !matches!(status, 204 | 304);
        assert!(has_body || whole.body.is_empty(), "\"{shown}\"");
        assert!(
            !headers.contains_key("transfer-encoding") && !headers.contains_key("connection")
        );
        let said = headers.get("content-length").filter(|_| has_body);
        if let Some(said) = said.map(|said| said.to_str().unwrap().parse::<usize>().unwrap()) {
            assert_eq!(whole.is_whole, whole.body.len() == said, "\"{shown}\"");
        }
    }
}

/// All answers of the suite of the wire.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for entry in fs::read_dir(seeds::repository("tests/wire/cases")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let blocks = case::blocks("a", &fs::read_to_string(&path).unwrap()).unwrap();
            let replies = blocks.iter().filter_map(|block| template::read(block, 1).reply);
            seeds.extend(replies.map(|reply| reply.bytes));
        }
    }
    seeds.sort();
    seeds.retain(|seed| seed.len() < MAX_BYTES);
    seeds
}

#[test]
fn an_answer_comes_to_the_same_however_it_is_cut() {
    let seeds = seeds();
    assert!(seeds.len() > 150, "{}", seeds.len());
    for seed in &seeds {
        holds(seed, &[]);
        holds(seed, &vec![1; seed.len()]);
    }
    seeds::fuzz!(2 * seeds::MOST_CHOICES, |choices: &[u8]| {
        let (bytes, left) = seeds::changed(&seeds, &WORDS, choices);
        holds(&bytes, left);
    });
}
