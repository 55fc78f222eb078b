//! For whom does a proxy connect? The header of the PROXY protocol, version 1 or 2, as
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt> has it.
//!
//! **Invariant:** not a byte behind the header is read: what follows is TLS or HTTP.

use std::io;
use std::net::IpAddr;

use proxy_header::ParseConfig;
use proxy_header::Protocol;
use proxy_header::ProxyHeader;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// What a header of version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// What a header of version 1 begins with.
const WORD: &[u8] = b"PROXY ";
/// What it ends with.
const LINE_END: &[u8] = b"\r\n";
/// The most bytes of a header of version 1, its end included.
const MAX_LINE: usize = 107;
/// The most bytes of a header of version 2 behind its length; the addresses take 216 at most,
/// the rest is for what else a proxy tells of a connection.
const MAX_BLOCK: u16 = 4096;
/// Addresses are wanted, and nothing else: a checksum is not verified.
const CONFIG: ParseConfig = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };

/// Why a header could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProxyFault {
    /// The connection ended before.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There is none.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// It is larger than any that makes sense.
    #[error("the PROXY header is too long")]
    TooLong,
    /// It says nothing that can be understood.
    #[error("the PROXY header is malformed")]
    Malformed,
}

/// Reads the header off `stream`: whose connection it is; none where the proxy connects for
/// itself, or does not tell an address.
pub(super) async fn announced(stream: &mut TcpStream) -> Result<Option<IpAddr>, ProxyFault> {
    let mut begin = SIGNATURE;
    // No header is shorter.
    stream.read_exact(&mut begin).await?;
    let mut header = begin.to_vec();
    if begin == SIGNATURE {
        read_block(stream, &mut header).await?;
    } else if begin.starts_with(WORD) {
        read_line(stream, &mut header).await?;
    } else {
        return Err(ProxyFault::Missing);
    }
    match ProxyHeader::parse(&header, CONFIG) {
        Ok((parsed, length)) if length == header.len() => match parsed.proxied_address() {
            None => Ok(None),
            Some(told) if told.protocol == Protocol::Stream => Ok(Some(told.source.ip())),
            // No datagram came by this connection.
            Some(_) => Err(ProxyFault::Malformed),
        },
        Ok(_) | Err(_) => Err(ProxyFault::Malformed),
    }
}

/// Reads the rest of a header of version 2, which says how long it is.
async fn read_block(stream: &mut TcpStream, header: &mut Vec<u8>) -> Result<(), ProxyFault> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let [_, _, high, low] = fixed;
    let length = u16::from_be_bytes([high, low]);
    if length > MAX_BLOCK {
        return Err(ProxyFault::TooLong);
    }
    header.extend(fixed);
    let fixed = header.len();
    header.resize(fixed.saturating_add(usize::from(length)), 0);
    stream.read_exact(header.get_mut(fixed..).unwrap_or_default()).await?;
    Ok(())
}

/// Reads the rest of a header of version 1, which ends with its line. What is not known to
/// belong to it is looked at before it is taken.
async fn read_line(stream: &mut TcpStream, line: &mut Vec<u8>) -> Result<(), ProxyFault> {
    let mut ahead = [0; MAX_LINE];
    while line.len() < MAX_LINE {
        let begun = line.len();
        let room = MAX_LINE.saturating_sub(begun);
        let seen = stream.peek(ahead.get_mut(..room).unwrap_or_default()).await?;
        if seen == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        line.extend_from_slice(ahead.get(..seen).unwrap_or_default());
        let end = line.windows(LINE_END.len()).position(|two| two == LINE_END);
        if let Some(end) = end {
            line.truncate(end.saturating_add(LINE_END.len()));
        }
        // An end that was there before would have been seen then.
        let taken = line.len().saturating_sub(begun);
        stream.read_exact(ahead.get_mut(..taken).unwrap_or_default()).await?;
        if end.is_some() {
            return Ok(());
        }
    }
    Err(ProxyFault::TooLong)
}
