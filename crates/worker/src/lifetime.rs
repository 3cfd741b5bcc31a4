//! The order in which a service starts and ends.

use std::io;

use shadowline_service::health::Health;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// One run of a service: its work, its HTTP port, and the tasks beside them.
///
/// A stop is announced to health at once; then the work ends by itself, after it HTTP, so that health can be asked
/// until then, and last the tasks. All of them end, too, when this is dropped.
#[derive(Debug)]
pub struct Lifetime {
    ending: CancellationToken,
    tasks: TaskTracker,
    _guard: DropGuard,
}

impl Lifetime {
    /// Begins a run; health says that the service is stopping as soon as `stop` is cancelled.
    pub fn begin(health: Health, stop: CancellationToken) -> Self {
        let ending = CancellationToken::new();
        let lifetime =
            Lifetime { _guard: ending.clone().drop_guard(), tasks: TaskTracker::new(), ending };
        lifetime.spawn(async move {
            stop.cancelled().await;
            health.stopping();
        });
        lifetime
    }

    /// Is cancelled when the work has ended: the sign for HTTP and for whatever ends by itself.
    pub fn ending(&self) -> &CancellationToken {
        &self.ending
    }

    /// Starts a task that is dropped where it waits when the run ends.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ending = self.ending.clone();
        self.tasks.spawn(async move {
            let _cut_off: Option<()> = ending.run_until_cancelled(task).await;
        });
    }

    /// Runs the work and HTTP until the work ends or HTTP fails, then ends everything in order.
    ///
    /// # Errors
    /// What the work ended with, or why HTTP failed.
    pub async fn run<E>(
        &self,
        work: impl Future<Output = Result<(), E>>,
        http: impl Future<Output = io::Result<()>>,
        http_failed: impl FnOnce(io::Error) -> E,
    ) -> Result<(), E> {
        tokio::pin!(http);
        let result = tokio::select! {
            result = work => {
                self.ending.cancel();
                match (result, http.await) {
                    (Ok(()), served) => served.map_err(http_failed),
                    // What the work failed at comes first: a service is stopped by one reason.
                    (Err(error), _) => Err(error),
                }
            }
            served = &mut http => {
                self.ending.cancel();
                served.map_err(http_failed)
            }
        };
        self.tasks.close();
        self.tasks.wait().await;
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use parking_lot::Mutex;

    use super::*;

    fn begin(stop: &CancellationToken) -> (Lifetime, Health) {
        let health = Health::new("test");
        (Lifetime::begin(health.clone(), stop.clone()), health)
    }

    #[tokio::test]
    async fn work_ends_first_then_http_then_the_tasks() {
        let stop = CancellationToken::new();
        let (lifetime, health) = begin(&stop);
        let order = Arc::new(Mutex::new(Vec::new()));
        struct Says(Arc<Mutex<Vec<&'static str>>>);
        impl Drop for Says {
            fn drop(&mut self) {
                self.0.lock().push("task");
            }
        }
        let dropped = Says(Arc::clone(&order));
        lifetime.spawn(async move {
            let _dropped = dropped;
            std::future::pending().await
        });
        assert!(health.report().is_ready());
        let work = async {
            stop.cancel();
            stop.cancelled().await;
            order.lock().push("work");
            Ok::<(), io::Error>(())
        };
        let http = async {
            lifetime.ending().cancelled().await;
            order.lock().push("http");
            Ok(())
        };
        lifetime.run(work, http, |it| it).await.unwrap();
        let order = order.lock().clone();
        assert_eq!(order[0], "work");
        assert!(order.contains(&"http") && order.contains(&"task"), "{order:?}");
    }

    #[tokio::test]
    async fn a_stop_is_said_while_the_work_still_runs() {
        let stop = CancellationToken::new();
        let (lifetime, health) = begin(&stop);
        let said = AtomicBool::new(false);
        let work = async {
            stop.cancel();
            while health.report().is_ready() {
                tokio::task::yield_now().await;
            }
            said.store(true, Ordering::Relaxed);
            Ok::<(), io::Error>(())
        };
        let http = async {
            lifetime.ending().cancelled().await;
            Ok(())
        };
        lifetime.run(work, http, |it| it).await.unwrap();
        assert!(said.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_port_that_fails_ends_the_run_and_failed_work_says_why() {
        let (lifetime, _) = begin(&CancellationToken::new());
        let failed = async { Err(io::Error::other("no port")) };
        let work = std::future::pending::<Result<(), String>>();
        let error = lifetime.run(work, failed, |it| it.to_string()).await.unwrap_err();
        assert_eq!(error, "no port");

        let (lifetime, _) = begin(&CancellationToken::new());
        let http = async {
            lifetime.ending().cancelled().await;
            Err(io::Error::other("no port"))
        };
        let work = async { Err("no topics".to_owned()) };
        let error = lifetime.run(work, http, |it| it.to_string()).await.unwrap_err();
        assert_eq!(error, "no topics");
    }

    #[tokio::test]
    async fn tasks_end_when_the_run_is_dropped() {
        let (lifetime, _) = begin(&CancellationToken::new());
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        lifetime.spawn(async move {
            let _sender = sender;
            std::future::pending().await
        });
        drop(lifetime);
        assert!(receiver.await.is_err());
    }
}
