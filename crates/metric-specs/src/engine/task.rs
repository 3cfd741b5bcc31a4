//! The task: commands and timers, one after the other.

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::handle::{ApplyError, Command, answer};
use super::state::Engine;

impl Engine {
    /// Starts the task. It ends when `ending` is cancelled.
    pub(crate) fn start(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        ending: CancellationToken,
    ) {
        tokio::spawn(async move {
            loop {
                let (timer, probe_at) = (self.next_timer(), self.probe_at);
                tokio::select! {
                    () = ending.cancelled() => return,
                    command = commands.recv() => match command {
                        Some(command) => self.handle(command).await,
                        None => return,
                    },
                    () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => self.run_timers().await,
                    () = sleep_until(probe_at) => self.probe().await,
                }
            }
        });
    }

    async fn handle(&mut self, command: Command) {
        match command {
            Command::Assigned(topic, reply) => {
                let result = self.begin_topic(topic).await;
                let result = self.noted(result).map(|()| self.offsets.clone());
                self.settle();
                answer(reply, result.map_err(ApplyError::Store));
            }
            Command::Apply(scores, reply) => {
                let result = self.apply(scores).await;
                let result = self.noted(result).map_err(ApplyError::Store);
                answer(reply, self.regressed.map_or(result, |it| Err(it.into())));
            }
            Command::Lost(lost, reply) => {
                let result = self.lost(&lost).await;
                let result = self.noted(result).map_err(ApplyError::Store);
                answer(reply, self.regressed.map_or(result, |it| Err(it.into())));
            }
            Command::Create(spec, reply) => {
                self.refresh().await;
                let result = self.create(spec).await;
                answer(reply, self.changed(result));
            }
            Command::Put(key, spec, reply) => {
                self.refresh().await;
                let result = self.put(key, spec).await;
                answer(reply, self.changed(result));
            }
            Command::Patch(key, patch, reply) => {
                self.refresh().await;
                let result = self.patch(key, patch).await;
                answer(reply, self.changed(result));
            }
            Command::Delete(key, reply) => {
                self.refresh().await;
                let result = self.delete(key).await;
                answer(reply, self.changed(result));
            }
            Command::Statuses(reply) => answer(reply, self.statuses()),
        }
    }
}
