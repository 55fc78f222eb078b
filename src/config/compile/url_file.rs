//! Where does the upstream's address stand? In the configuration, or in a file that it names.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::config::compile::origin;
use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::path::KeyPath;
use crate::config::raw::RawUpstream;
use crate::config::word::Word;
use crate::policy::upstream::Origin;

/// The most bytes that are read of a file.
const MAX_FILE: u64 = 64 * 1024;

/// The servers in the file `upstream.url_file`; nothing where the key is not given. What stands in
/// the file may be a secret, so no mistake tells it.
pub(super) fn origins(
    raw: &RawUpstream,
    directory: &Path,
    notes: &mut Notes,
) -> Option<Vec<Origin>> {
    let Word(name) = raw.url_file.as_ref()?;
    let at = At::Value(KeyPath::of("upstream.url_file"));
    if raw.url.is_some() {
        let help = "keep one of the two";
        notes.complain(at, "the upstream has `url` as well as `url_file`", help);
        return Some(Vec::new());
    }
    let text = match read(&directory.join(name)) {
        Ok(text) => text,
        Err(message) => {
            let help = "name a file with a URL such as `http://127.0.0.1:9000` in each line, from \
                        the directory of the configuration file";
            notes.complain(at, message, help);
            return Some(Vec::new());
        }
    };
    let mut origins = Vec::new();
    let lines = text.lines().map(str::trim).zip(1_usize..);
    for (line, number) in lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')) {
        let Ok(origin) = origin::origin(line) else {
            let message = format!("line {number} of the file is not the URL of a server");
            let help = "write `http` or `https`, a host and perhaps a port, and nothing else";
            notes.complain(at.clone(), message, help);
            continue;
        };
        origins.push(origin);
    }
    if origins.is_empty() {
        let help = "write a URL such as `http://127.0.0.1:9000` into it";
        notes.complain(at, "there is no URL in the file", help);
    }
    Some(origins)
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    let read = file.take(MAX_FILE).read_to_string(&mut text);
    read.map_err(|error| format!("the file cannot be read: {error}"))?;
    Ok(text)
}
