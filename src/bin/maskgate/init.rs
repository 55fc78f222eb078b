//! `maskgate init`: the few files that a start takes.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;

use crate::cli::InitArgs;
use crate::cli::Purpose;

/// A file, and what it is for.
struct Template {
    name: &'static str,
    text: &'static str,
    /// What to do with it.
    next: &'static str,
}

const SIDECAR: [Template; 1] = [Template {
    name: "maskgate-sidecar.yaml",
    text: include_str!("../../../deploy/kubernetes/sidecar.yaml"),
    next: "name your images and the upstream, then: kubectl apply -f maskgate-sidecar.yaml",
}];

const EDGE: [Template; 2] = [
    Template {
        name: "maskgate.yaml",
        text: include_str!("templates/edge.yaml"),
        next: "name the upstream, then: maskgate check maskgate.yaml, and into /etc/maskgate with it",
    },
    Template {
        name: "maskgate.service.d/edge.conf",
        text: include_str!("templates/edge.conf"),
        next: "for /etc/systemd/system, then: systemctl enable --now maskgate.socket maskgate",
    },
];

const TEST: [Template; 2] = [
    Template {
        name: "maskgate.yaml",
        text: include_str!("templates/test.yaml"),
        next: "limits that a test reaches in a moment",
    },
    Template {
        name: "test-limits.sh",
        text: include_str!("templates/test-limits.sh"),
        next: "put your tests behind the `--` in it, then: sh test-limits.sh",
    },
];

/// Writes the files, and prints what to do next. Nothing is written where one of them is there.
pub(crate) fn init(args: &InitArgs) -> io::Result<()> {
    let templates: &[Template] = match args.purpose {
        Purpose::Sidecar => &SIDECAR,
        Purpose::Edge => &EDGE,
        Purpose::Test => &TEST,
    };
    for Template { name, .. } in templates {
        let path = args.directory.join(name);
        if path.exists() {
            let message = format!("{} is there already: nothing was written", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
    }
    let mut out = io::stdout().lock();
    for Template { name, text, next } in templates {
        let path = args.directory.join(name);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        File::create_new(&path)?.write_all(text.as_bytes())?;
        writeln!(out, "{}: {next}", path.display())?;
    }
    Ok(())
}
