//! The library by itself: what it says, and what it leaves on the server.

mod epochs;
mod model;
mod places;
mod pools;
mod property;
mod servers;
mod windows;

use crate::support::call::Caller;
use crate::support::library::Form;
use crate::support::library::Library;
use crate::support::server::Engine;
use crate::support::server::Server;

const EPOCH: &str = "mg1:{mg7}:epoch";
const WINDOW: &str = "mg1:{mg7}:w:a";

/// A server with the library, and somebody who asks it.
fn caller(library: &Library) -> (Server, Caller) {
    let server = Server::start(Engine::Redis);
    let caller = caller_of(&server, library);
    (server, caller)
}

fn caller_of(server: &Server, library: &Library) -> Caller {
    let mut connection = server.connect();
    let loaded = library.load(&mut connection);
    Caller::new(connection, loaded, EPOCH)
}

/// With a clock that begins somewhere.
fn with_manual_clock(form: Form, server: &Server) -> Caller {
    let mut caller = caller_of(server, &Library::with_manual_clock(form));
    caller.clock = Some(1_000_000_000_000_000);
    caller
}
