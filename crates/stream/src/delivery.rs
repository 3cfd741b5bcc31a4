//! The acknowledgement of a record.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::error::ProduceError;
use crate::record::Sent;
use crate::traces::Sending;

/// The acknowledgement of one record, to be awaited. Dropping it does not take the record back.
#[derive(Debug)]
#[must_use = "only the delivery says whether the record was written"]
pub struct Delivery {
    state: DeliveryState,
    /// Counted until the caller has seen the result or given up on it.
    _unobserved: Option<Unobserved>,
    /// The record's span, if it has one.
    sending: Option<Sending>,
}

#[derive(Debug)]
enum DeliveryState {
    Waiting { topic: Arc<str>, result: oneshot::Receiver<Result<Sent, ProduceError>> },
    Done(Option<Result<Sent, ProduceError>>),
}

/// How many deliveries are handed out and not seen yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnobservedCount(Arc<AtomicUsize>);

#[derive(Debug)]
pub(crate) struct Unobserved(UnobservedCount);

impl UnobservedCount {
    pub(crate) fn one_more(&self) -> Unobserved {
        self.0.fetch_add(1, Ordering::SeqCst);
        Unobserved(self.clone())
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

impl Drop for Unobserved {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Delivery {
    /// A delivery whose result will come.
    pub(crate) fn waiting(
        topic: Arc<str>,
        result: oneshot::Receiver<Result<Sent, ProduceError>>,
        unobserved: Unobserved,
    ) -> Self {
        let state = DeliveryState::Waiting { topic, result };
        Self { state, _unobserved: Some(unobserved), sending: None }
    }

    /// The delivery of a record that has a span, which ends with the record's result.
    pub(crate) fn traced(self, sending: Option<Sending>) -> Self {
        Self { sending, ..self }
    }

    /// A delivery whose result is known already.
    pub(crate) fn done(result: Result<Sent, ProduceError>) -> Self {
        Self { state: DeliveryState::Done(Some(result)), _unobserved: None, sending: None }
    }
}

impl Future for Delivery {
    type Output = Result<Sent, ProduceError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.state {
            DeliveryState::Waiting { topic, result } => {
                match std::task::ready!(Pin::new(result).poll(cx)) {
                    Ok(result) => result,
                    Err(_) => Err(ProduceError::Closed { topic: topic.to_string() }),
                }
            }
            DeliveryState::Done(result) => {
                result.take().expect("a delivery is not polled again after it was ready")
            }
        };
        self.state = DeliveryState::Done(None);
        self._unobserved = None;
        if let Some(sending) = self.sending.take() {
            sending.end(result.as_ref());
        }
        Poll::Ready(result)
    }
}
