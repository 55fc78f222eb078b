//! Seeds, and what a fuzzer's choices make of them.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http::request::Builder;
use http::request::Parts;
use maskgate::policy::Policy;
use maskgate::policy::upstream::Origin;
use maskgate::policy::upstream::Scheme;
use maskgate::policy::upstream::Upstream;

use crate::mutation::mutated;

/// So many choices are enough for a seed and the most changes to it.
pub(crate) const MOST_CHOICES: usize = 48;

/// Runs the target that it stands in with one list of choices after the other.
macro_rules! fuzz {
    ($most:expr, $holds:expr) => {{
        // What has failed is not used again.
        let holds = std::panic::AssertUnwindSafe($holds);
        bolero::check!().with_max_len($most).for_each(move |choices: &[u8]| {
            let std::panic::AssertUnwindSafe(holds) = &holds;
            holds(choices);
        });
    }};
}
pub(crate) use fuzz;

/// The lines of a file of `seeds/`; `\n`, `\xHH` and the like stand for a byte, and a line that
/// begins with `#` says nothing.
pub(crate) fn lines(text: &str) -> Vec<Vec<u8>> {
    text.lines().filter(|line| !line.starts_with('#')).map(unescaped).collect()
}

fn unescaped(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (byte, false) => byte,
            (_, true) => match rest.next().unwrap() {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                byte => byte,
            },
        });
    }
    bytes
}

/// One of `seeds` with a few changes, and the choices that are left.
pub(crate) fn changed<'c>(
    seeds: &[Vec<u8>],
    words: &[&[u8]],
    choices: &'c [u8],
) -> (Vec<u8>, &'c [u8]) {
    let (first, rest) = choices.split_at(choices.len().min(2));
    let seed = first.iter().fold(0, |number, choice| number * 256 + usize::from(*choice));
    let mut rest = rest.iter().copied();
    let text = mutated(&seeds[seed % seeds.len()], words, rest.by_ref());
    let left = choices.len() - rest.len();
    (text, &choices[left..])
}

/// A file of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

/// The API's own limits.
pub(crate) fn policy() -> Policy {
    let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".to_owned(), port: 9000 };
    Policy::for_upstream(Upstream::plain(origin))
}

/// The head of a request with credentials.
pub(crate) fn head(request: Builder) -> Parts {
    let auth = STANDARD.encode(format!("AC{:032x}:x", 1));
    let request = request.header("authorization", format!("Basic {auth}"));
    bare_head(request)
}

/// The head of a request without any.
pub(crate) fn bare_head(request: Builder) -> Parts {
    request.header("host", "a").body(()).unwrap().into_parts().0
}

/// Begins a request, where `target` is one.
pub(crate) fn to(method: &str, target: &[u8]) -> Option<Builder> {
    let uri = http::Uri::try_from(target).ok()?;
    target.starts_with(b"/").then(|| Request::builder().method(method).uri(uri))
}

#[test]
fn the_same_choices_are_the_same_text_and_what_is_left_follows_them() {
    let seeds = lines("# no seed\na\\r\\x00b\nc");
    assert_eq!(seeds, [&b"a\r\0b"[..], b"c"]);
    assert_eq!(changed(&seeds, &[], &[]), (b"a\r\0b".to_vec(), &[][..]));
    assert_eq!(changed(&seeds, &[], &[0, 1]), (b"c".to_vec(), &[][..]));
    let choices: Vec<u8> = (0..40).collect();
    let (_, left) = changed(&seeds, &[b"x"], &choices);
    assert!(choices.ends_with(left) && !left.is_empty());
}
