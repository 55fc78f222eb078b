//! One connection to one server: opened, its server known to be the primary, the library loaded.
//!
//! **Invariant:** a connection that is handed out leads to a primary that has the library. What is
//! sent over it is pipelined; it ends with the first fault that leaves it in doubt.

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::Cmd;
use redis::Pipeline;
use redis::RedisConnectionInfo;
use redis::RedisError;
use redis::Value;
use redis::aio::MultiplexedConnection;
use redis::cmd;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time;
use tokio_rustls::TlsConnector;

use crate::policy::store::StoreAddress;
use crate::policy::store::StoreCredentials;
use crate::policy::store::StoreTls;
use crate::store::fault::Fault;
use crate::store::library::Library;

/// For all that it takes to open one.
const OPENING: Duration = Duration::from_secs(2);
/// So many calls may wait to be written.
const QUEUE: usize = 1024;

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    redis: MultiplexedConnection,
    pub(super) library: Library,
    driver: Driver,
}

/// What reads and writes for a connection; it ends with it, even where the server never answers.
#[derive(Debug)]
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How connections are opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access<'s> {
    pub(super) credentials: &'s StoreCredentials,
    pub(super) tls: Option<&'s StoreTls>,
}

impl Connection {
    /// Opens one to a primary.
    pub(super) async fn open(
        address: &StoreAddress,
        access: Access<'_>,
    ) -> Result<Self, Fault> {
        let opened = async {
            let (mut redis, driver) = connect(address, access).await?;
            let role: Value = cmd("ROLE").query_async(&mut redis).await?;
            if !is_primary(&role) {
                return Err(Fault::NotPrimary);
            }
            let library = Library::load(&mut redis).await?;
            Ok(Self { redis, library, driver })
        };
        time::timeout(OPENING, opened).await.unwrap_or(Err(Fault::Late))
    }

    /// Opens one to any server that speaks the protocol, such as a sentinel, and asks it one thing.
    pub(super) async fn ask_once(
        address: &StoreAddress,
        access: Access<'_>,
        question: &Cmd,
    ) -> Result<Value, Fault> {
        let asked = async {
            let (mut redis, driver) = connect(address, access).await?;
            let answer = question.query_async(&mut redis).await;
            drop(driver);
            Ok(answer?)
        };
        time::timeout(OPENING, asked).await.unwrap_or(Err(Fault::Late))
    }

    /// Sends a call, and waits for its answer no longer than `deadline`. A call without an answer
    /// may have been carried out.
    pub(super) fn call(
        &self,
        call: Cmd,
        deadline: Duration,
    ) -> impl Future<Output = Result<Value, RedisError>> + use<> {
        let mut redis = self.redis.clone();
        async move {
            let answered = time::timeout(deadline, call.query_async(&mut redis)).await;
            answered.unwrap_or_else(|_| Err(late()))
        }
    }

    /// Sends several calls at once, and waits for all answers.
    pub(super) async fn call_all(
        &self,
        calls: Pipeline,
        limit: Duration,
    ) -> Result<Vec<Value>, RedisError> {
        let mut redis = self.redis.clone();
        let answered = time::timeout(limit, calls.query_async(&mut redis)).await;
        answered.unwrap_or_else(|_| Err(late()))
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.driver.0.is_finished()
    }

    /// What the server does when its memory is full; none where it does not say.
    pub(super) async fn eviction(&self, deadline: Duration) -> Option<String> {
        let mut question = cmd("CONFIG");
        question.arg("GET").arg("maxmemory-policy");
        let answer = self.call(question, deadline).await.ok()?;
        let Ok(pairs) = redis::from_redis_value::<Vec<(String, String)>>(answer) else {
            return None;
        };
        pairs.into_iter().next().map(|(_, policy)| policy)
    }
}

fn late() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

async fn connect(
    address: &StoreAddress,
    access: Access<'_>,
) -> Result<(MultiplexedConnection, Driver), Fault> {
    let info = info(access.credentials)?;
    let stream = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(|_| Fault::Unreachable)?;
    // A call is one small packet, and its answer is waited for.
    stream.set_nodelay(true).map_err(|_| Fault::Unreachable)?;
    let config =
        AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(QUEUE);
    let Some(tls) = access.tls else {
        let (redis, driver) =
            MultiplexedConnection::new_with_config(&info, stream, config).await?;
        return Ok((redis, Driver(tokio::spawn(driver))));
    };
    let name = ServerName::try_from(address.host.clone()).map_err(|_| Fault::Tls)?;
    let connector = TlsConnector::from(Arc::clone(&tls.client));
    let stream = connector.connect(name, stream).await.map_err(|_| Fault::Tls)?;
    let (redis, driver) = MultiplexedConnection::new_with_config(&info, stream, config).await?;
    Ok((redis, Driver(tokio::spawn(driver))))
}

/// Who the gateway is; the password is read now, and forgotten with the connection.
fn info(credentials: &StoreCredentials) -> Result<RedisConnectionInfo, Fault> {
    let mut info = RedisConnectionInfo::default();
    if let Some(username) = &credentials.username {
        info = info.set_username(username);
    }
    if let Some(file) = &credentials.password_file {
        let password = fs::read_to_string(file).map_err(|_| Fault::NoPassword)?;
        info = info.set_password(password.trim_end_matches(['\r', '\n']));
    }
    Ok(info)
}

/// What `ROLE` answers begins with the role.
fn is_primary(role: &Value) -> bool {
    let Value::Array(parts) = role else { return false };
    match parts.first() {
        Some(Value::BulkString(word)) => word == b"master",
        Some(Value::SimpleString(word)) => word == "master",
        _ => false,
    }
}
