//! What an operator asks of the store, beside all requests: over a connection that is opened for it.
//!
//! **Invariant:** it takes no place of a request's, and whoever asks is told within seconds, also
//! where nobody answers.

use std::time::Duration;

use crate::store::Store;
use crate::store::answer;
use crate::store::answer::Said;
use crate::store::connection::Connection;
use crate::store::fault::Fault;
use crate::store::key::Bucket;
use crate::store::library::Question;
use crate::time::Clock;

/// For an answer, once there is a connection.
const PATIENCE: Duration = Duration::from_secs(1);

impl Store {
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
