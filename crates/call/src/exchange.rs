//! The open upstream call: events in, one end out. Must never end without saying whether the upstream may have acted.

use std::sync::Arc;

use model::denial::Reason;
use ports::upstream::{Answer, Forward, Progress, ResultStream, Sent, UpstreamEvent, UpstreamFault};
use tokio::sync::mpsc;

use crate::driver::Door;
use crate::open_calls::{CancelToken, Told};

/// The open upstream call.
pub(crate) struct Exchange {
    pub(crate) door: Arc<Door>,
    pub(crate) cancel: CancelToken,
    pub(crate) progress: mpsc::Sender<Progress>,
}

impl Exchange {
    /// `stands` says whether the policies in force permit the call still; asked when they were replaced.
    pub(crate) async fn run(
        self,
        forward: Forward,
        stands: impl Fn() -> bool + Send,
    ) -> Result<Answer, UpstreamFault> {
        if let Some(reason) = self.cancel.reason() {
            let private = "cancelled before sending".to_owned();
            return Err(UpstreamFault { sent: Sent::No, reason, private });
        }
        let opening = self.door.ports.upstreams.open(forward);
        let mut stream = tokio::select! {
            biased;
            reason = self.taken_away(&stands) => return Err(stopped(reason)),
            opened = opening => opened?,
        };
        loop {
            tokio::select! {
                biased;
                // First: what was taken away is not answered, and no flood of events keeps it from being heard.
                reason = self.taken_away(&stands) => return Err(stop(stream, reason).await),
                event = stream.next() => match event {
                    UpstreamEvent::Done(result) => return result,
                    // A full queue means a slow connection: progress is advice and may be dropped.
                    UpstreamEvent::Progress(progress) => drop(self.progress.try_send(progress)),
                },
            }
        }
    }

    /// Resolves when the call has to stop.
    async fn taken_away(&self, stands: &(impl Fn() -> bool + Send)) -> Reason {
        loop {
            match self.cancel.told().await {
                Told::Stop(reason) => return reason,
                Told::LookAgain if stands() => {}
                Told::LookAgain => return Reason::Revoked,
            }
        }
    }
}

async fn stop(mut stream: Box<dyn ResultStream>, reason: Reason) -> UpstreamFault {
    stream.cancel().await;
    stopped(reason)
}

fn stopped(reason: Reason) -> UpstreamFault {
    UpstreamFault { sent: Sent::Maybe, reason, private: "cancelled while the call was open".to_owned() }
}
