//! What the clients of sessions are asked and have not answered yet. Must never take an answer but from the session that
//! was asked, nor twice: any other looks like one to a question that never was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use call::Round;
use mcp::asking::{self, Asked};
use mcp::jsonrpc::RequestId;
use model::digest::hex;
use model::json::RawJson;
use ports::upstream::Reply;
use tokio::sync::mpsc;

use super::sessions::Session;

/// An answer, and the place of its question in its round.
type Answered = (usize, Option<RawJson>);

/// The questions of one session that are open, by the ids of ours that they were asked under.
#[derive(Default)]
pub(super) struct Questions(Mutex<HashMap<RequestId, (usize, mpsc::Sender<Answered>)>>);

impl Questions {
    /// Takes the answer to a question that is open. `None` for the result: the client did not answer it.
    pub(super) fn answer(&self, id: &RequestId, result: Option<RawJson>) -> bool {
        let Some((place, waiting)) = self.all().remove(id) else { return false };
        // There is room for each, once. Nobody may wait for it any more.
        drop(waiting.try_send((place, result)));
        true
    }

    /// Opens one question for each id. Their answers.
    fn open(&self, ids: &[RequestId]) -> mpsc::Receiver<Answered> {
        let (sender, answers) = mpsc::channel(ids.len().max(1));
        let mut all = self.all();
        for (place, id) in ids.iter().enumerate() {
            all.insert(id.clone(), (place, sender.clone()));
        }
        answers
    }

    /// Closes a question. Whether it was open.
    fn close(&self, id: &RequestId) -> bool {
        self.all().remove(id).is_some()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<RequestId, (usize, mpsc::Sender<Answered>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A round that the client of a session is asked. Dropped, its questions are closed, and count as not answered.
pub(super) struct Asking {
    session: Arc<Session>,
    round: Option<Round>,
    ids: Vec<RequestId>,
    answers: mpsc::Receiver<Answered>,
    replies: Vec<Reply>,
}

impl Asking {
    /// Opens a round under ids that nobody can guess, and gives the requests to send. Nothing, when there is nothing to
    /// ask and the server is only to be called again.
    pub(super) fn begin(
        session: &Arc<Session>,
        round: Round,
        random: [u8; 16],
    ) -> Option<(Self, Vec<Bytes>)> {
        if round.questions().is_empty() {
            round.answer(Vec::new());
            return None;
        }
        let random = hex(&random);
        let id = |place| RequestId::Text(format!("callgate-{random}-{place}").into());
        let ids: Vec<_> = (0..round.questions().len()).map(id).collect();
        let request = |(id, question): (&RequestId, &ports::upstream::Question)| {
            let asked = Asked { key: &question.key, method: question.method, params: &question.params_raw };
            asking::request(id, &asked)
        };
        let requests = ids.iter().zip(round.questions()).map(request).collect();
        let (session, answers) = (Arc::clone(session), session.questions.open(&ids));
        Some((Self { session, round: Some(round), ids, answers, replies: Vec::new() }, requests))
    }

    /// Resolves when everything is answered, and then the call goes on. May be dropped and called again.
    pub(super) async fn answered(&mut self) {
        while self.replies.len() < self.ids.len() {
            let Some((place, result)) = self.answers.recv().await else { break };
            let question = self.round.as_ref().and_then(|round| round.questions().get(place));
            if let Some(question) = question {
                self.replies.push(Reply { key: question.key.clone(), result });
            }
        }
        if let Some(round) = self.round.take() {
            round.answer(std::mem::take(&mut self.replies));
        }
    }

    /// The call is over: what is still open is taken back from the client.
    pub(super) fn withdraw(self) -> Vec<Bytes> {
        let open = self.ids.iter().filter(|id| self.session.questions.close(id));
        open.map(asking::cancelled).collect()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        for id in &self.ids {
            self.session.questions.close(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_answered_once_and_only_where_it_was_asked() {
        let (asked, other) = (Questions::default(), Questions::default());
        let ids = [RequestId::Text("a".into()), RequestId::Text("b".into())];
        let mut answers = asked.open(&ids);
        assert!(!other.answer(&ids[0], None), "another session");
        assert!(!asked.answer(&RequestId::Text("c".into()), None), "never asked");
        assert!(asked.answer(&ids[1], Some(RawJson::empty_object())));
        assert!(!asked.answer(&ids[1], None), "twice");
        assert!(asked.answer(&ids[0], None));
        assert_eq!(answers.recv().await, Some((1, Some(RawJson::empty_object()))));
        assert_eq!(answers.recv().await, Some((0, None)));
        assert_eq!(answers.recv().await, None, "nothing else can come");
    }

    #[test]
    fn a_question_that_was_closed_is_no_question() {
        let questions = Questions::default();
        let id = RequestId::Text("a".into());
        let answers = questions.open(std::slice::from_ref(&id));
        assert!(questions.close(&id) && !questions.close(&id));
        assert!(!questions.answer(&id, None));
        drop(answers);
    }
}
