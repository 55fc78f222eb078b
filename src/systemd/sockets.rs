//! Which sockets were open before this process was? With them a restart drops no connection:
//! the service manager keeps them, and who connects meanwhile waits in the kernel's queue.

use std::env;
use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;
use socket2::SockRef;

/// The name (`FileDescriptorName=`) by which a socket is the admin listener's.
const ADMIN: &str = "admin";

/// Sockets that the service manager has opened and handed over (`sd_listen_fds(3)`).
#[derive(Debug, Default)]
pub struct Sockets {
    /// Where clients connect.
    pub clients: Option<TcpListener>,
    /// Where operators connect.
    pub admin: Option<TcpListener>,
}

impl Sockets {
    /// Those that the environment tells of, by `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`.
    /// Call it before the process has another thread, and once.
    pub fn of_environment() -> io::Result<Self> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut handed_over = ListenFd::from_env();
        let sockets = (0..handed_over.len()).map(|index| handed_over.take_tcp_listener(index));
        let sockets: Vec<_> = sockets.collect::<io::Result<_>>()?;
        Self::named(&names, sockets.into_iter().flatten())
    }

    /// Gives each socket its place: the one that is called `admin` is the admin listener's, the
    /// other one that of clients. `names` are separated by colons, in the order of the sockets.
    fn named(names: &str, sockets: impl Iterator<Item = TcpListener>) -> io::Result<Self> {
        let mut named = Self::default();
        let mut names = names.split(':');
        for socket in sockets {
            if !SockRef::from(&socket).is_listener()? {
                return Err(refusal("a connection was handed over: set `Accept=no`"));
            }
            let (place, twice) = match names.next() {
                Some(ADMIN) => (&mut named.admin, "two sockets are called `admin`"),
                Some(_) | None => (
                    &mut named.clients,
                    "two sockets were handed over for clients: give one address, such as \
                     [::]:8080, and call the admin listener's `admin`",
                ),
            };
            if place.replace(socket).is_some() {
                return Err(refusal(twice));
            }
        }
        Ok(named)
    }
}

fn refusal(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::Sockets;
    use std::io;
    use std::net::TcpListener;
    use std::net::TcpStream;
    use std::os::fd::OwnedFd;

    fn named(names: &str, count: usize) -> io::Result<(Sockets, Vec<TcpListener>)> {
        let opened: Vec<_> =
            (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let handed_over = opened.iter().map(|socket| socket.try_clone().unwrap());
        Ok((Sockets::named(names, handed_over)?, opened))
    }

    fn port(socket: &TcpListener) -> u16 {
        socket.local_addr().unwrap().port()
    }

    #[test]
    fn the_socket_called_admin_is_the_admin_listeners_and_the_other_that_of_clients() {
        let (sockets, opened) = named("admin:maskgate.socket", 2).unwrap();
        assert_eq!(port(&sockets.admin.unwrap()), port(&opened[0]));
        assert_eq!(port(&sockets.clients.unwrap()), port(&opened[1]));
        let (sockets, _opened) = named("", 1).unwrap();
        assert!(sockets.clients.is_some() && sockets.admin.is_none());
        let (sockets, _opened) = named("", 0).unwrap();
        assert!(sockets.clients.is_none() && sockets.admin.is_none());
    }

    #[test]
    fn a_second_socket_for_one_place_is_refused() {
        for names in ["", "http:https", "admin:admin"] {
            assert_eq!(named(names, 2).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_connection_is_no_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let handed_over = TcpListener::from(OwnedFd::from(connection));
        let refused = Sockets::named("", [handed_over].into_iter());
        assert!(refused.unwrap_err().to_string().contains("Accept=no"));
    }
}
