//! A call whose token is refused: another is got, and the call is sent again with it. Must never send it again unless the
//! server said that it did not let it in.

use std::sync::Arc;

use http::StatusCode;

use super::HttpStream;

impl HttpStream {
    /// Whether the call goes on with another token, which is got now.
    pub(super) fn authorizes_anew(&mut self, status: StatusCode) -> bool {
        let Some(oauth) = self.connection.site.oauth.clone() else { return false };
        let refused = self.response.as_mut().and_then(|response| response.refused(status));
        // What was asked in between was answered with the old one, which was good a moment ago.
        let Some(refused) = refused.filter(|refused| !self.again && self.answers.take(refused)) else {
            return false;
        };
        self.response = None;
        let (connection, forward, id) = (Arc::clone(&self.connection), Arc::clone(&self.forward), self.id);
        self.renewal = Some(tokio::spawn(async move {
            oauth.answer(refused).await?;
            // Another token may be another person's, who is listed other tools.
            connection.definitions.changed();
            connection.outgoing(&forward, id, None).await
        }));
        true
    }
}
