//! The rest of a call: polled by who waits, spawned when nobody does. Must never lose one.

use std::sync::Mutex;

use super::*;

/// Keeps what is spawned.
#[derive(Default)]
struct Spawned(Mutex<Vec<BoxFuture<'static, ()>>>);

impl Spawner for Spawned {
    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.0.lock().unwrap().push(future);
    }
}

async fn begun(spawned: &Arc<Spawned>) -> (Supervised<u8>, oneshot::Sender<u8>, oneshot::Receiver<u8>) {
    let (go_on, wait) = oneshot::channel::<u8>();
    let (ended, end) = oneshot::channel();
    let future = Box::pin(async move {
        let number = wait.await.unwrap();
        ended.send(number).unwrap();
        number
    });
    let mut supervised = Supervised::new(future, Arc::clone(spawned) as Arc<dyn Spawner>);
    tokio::select! {
        biased;
        _ = &mut supervised => unreachable!(),
        () = std::future::ready(()) => {}
    }
    (supervised, go_on, end)
}

#[tokio::test]
async fn who_waits_drives_it_and_nothing_is_spawned() {
    let spawned = Arc::default();
    let (supervised, go_on, _end) = begun(&spawned).await;
    go_on.send(7).unwrap();
    assert_eq!(supervised.await, Some(7));
    assert!(spawned.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn dropped_before_its_end_it_goes_on_in_a_task_of_its_own() {
    let spawned: Arc<Spawned> = Arc::default();
    let (supervised, go_on, end) = begun(&spawned).await;
    drop(supervised);
    go_on.send(8).unwrap();
    let rest = spawned.0.lock().unwrap().pop().expect("the rest is spawned");
    rest.await;
    assert_eq!(end.await, Ok(8));
}

#[tokio::test]
async fn detached_it_needs_no_polling_and_its_end_arrives() {
    let spawned: Arc<Spawned> = Arc::default();
    let (mut supervised, go_on, _end) = begun(&spawned).await;
    supervised.detach();
    supervised.detach();
    go_on.send(9).unwrap();
    assert_eq!(spawned.0.lock().unwrap().len(), 1, "it is handed over once");
    let rest = spawned.0.lock().unwrap().pop().unwrap();
    rest.await;
    assert_eq!(supervised.await, Some(9));
}

#[tokio::test]
async fn what_panicked_is_not_polled_again() {
    let spawned: Arc<Spawned> = Arc::default();
    let spawner = Arc::clone(&spawned) as Arc<dyn Spawner>;
    let mut supervised: Supervised<u8> = Supervised::new(Box::pin(async { panic!("in the call") }), spawner);
    assert!(CatchPanic::new(async { (&mut supervised).await }).await.is_err());
    assert_eq!(supervised.await, None);
    assert!(spawned.0.lock().unwrap().is_empty());
}
