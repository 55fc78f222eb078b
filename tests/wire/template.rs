//! Cases as what they send alone, to be changed.

use std::fs;
use std::path::Path;

use crate::case;
use crate::case::Case;
use crate::case::Step;

/// Larger cases are about sizes, and slow.
const MAX_BYTES: usize = 6 * 1024;

/// Where a case stands, and its lines.
pub(crate) type Template = (String, case::Lines);

/// The cases whose upstream answers by itself: those of which something is forwarded, and others.
pub(crate) fn all(directory: &Path) -> [Vec<Template>; 2] {
    let mut templates = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let name = path.file_name().unwrap().to_str().unwrap();
            templates.extend(case::blocks(name, &fs::read_to_string(&path).unwrap()).unwrap());
        }
    }
    templates.sort();
    templates.retain(|template| {
        let case = read(template, 1);
        case.reply.is_none() && !case.unmatched && bytes(&case).len() < MAX_BYTES
    });
    let (good, bad) =
        templates.into_iter().partition(|template| !read(template, 1).requests.is_empty());
    [good, bad]
}

pub(crate) fn read(template: &Template, number: usize) -> Case {
    Case::read(number, template.0.clone(), &template.1).unwrap()
}

/// All that its client says.
pub(crate) fn bytes(case: &Case) -> Vec<u8> {
    let writes = case.client.iter().filter_map(|step| match step {
        Step::Write(bytes) => Some(bytes.as_slice()),
        Step::AwaitInterim(_) | Step::AwaitAnswer => None,
    });
    writes.collect::<Vec<_>>().concat()
}
