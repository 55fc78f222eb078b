//! What an operator asks of the store, beside all requests: over a connection that is opened for it.
//!
//! **Invariant:** it takes no place of a request's, and whoever asks is told within seconds, also
//! where nobody answers.

use std::time::Duration;

use redis::cmd;

use crate::policy::endpoint::Endpoint;
use crate::sid::Sid;
use crate::store::Store;
use crate::store::answer;
use crate::store::answer::Said;
use crate::store::connection::Connection;
use crate::store::fault::Fault;
use crate::store::key::Bucket;
use crate::store::key::SharedKey;
use crate::store::library::Question;
use crate::time::Clock;

/// For an answer, once there is a connection.
const PATIENCE: Duration = Duration::from_secs(1);

impl Store {
    /// Has the windows of a service or an account forget what they hold, in the store and in what
    /// this replica remembers of it. Other replicas keep what they have admitted themselves.
    pub async fn forget(&self, sid: Sid, endpoints: &[Endpoint]) -> Result<(), Fault> {
        let keys = || endpoints.iter().map(|endpoint| SharedKey { sid, endpoint: *endpoint });
        let mut calls = redis::pipe();
        for key in keys() {
            // Nothing is left of it: as a list command it is one of those that a user of the
            // store's is allowed already.
            let mut trim = cmd("LTRIM");
            trim.arg(key.name()).arg(1).arg(0);
            calls.add_command(trim);
        }
        // What is owed is forgotten first, so that it does not come after.
        keys().for_each(|key| self.ledger.forget(key));
        let connection = self.connect(Bucket::of(sid)).await?;
        connection.call_all(calls, PATIENCE).await?;
        // And what was heard meanwhile.
        keys().for_each(|key| self.ledger.forget(key));
        Ok(())
    }

    /// Asks about a request that is not made.
    pub async fn peek(&self, question: &Question<'_>, clock: &Clock) -> Result<Said, Fault> {
        let connection = self.connect(question.key.bucket()).await?;
        let sent = clock.now();
        let value = connection.call(connection.library.admit(question), PATIENCE).await?;
        answer::admit(value, sent, clock.now()).map(|(_, said)| said)
    }

    async fn connect(&self, bucket: Bucket) -> Result<Connection, Fault> {
        let address = self.layout().node(bucket).map(|node| node.address.clone());
        Connection::open(&address.ok_or(Fault::NotFound)?, self.access()).await
    }
}
