use super::*;

/// A document, and the request to fetch it early.
#[derive(Clone)]
struct Asked(RefreshRequest);

impl Document for Asked {
    type Key = ();

    const NAME: &'static str = "document";
    const ACCEPT: &'static str = "*/*";
    const LARGEST: usize = 1;

    fn key(&self) {}

    fn location(&self) -> &Location {
        unreachable!("it is not fetched")
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn help_without(&self) -> &'static str {
        ""
    }

    fn refresh(&self) -> Option<&RefreshRequest> {
        Some(&self.0)
    }

    fn judge(&self, _: &[u8]) -> Result<bool, String> {
        Ok(false)
    }
}

#[tokio::test]
async fn a_reload_does_not_part_a_fetch_from_who_asks_for_it() {
    let wanted = |request: &RefreshRequest| Some(Arc::new(HashMap::from([((), Asked(request.clone()))])));
    let [before, after] = [(); 2].map(|()| RefreshRequest::default());
    let (sender, mut receiver) = watch::channel(wanted(&before));
    let waiting = tokio::spawn(async move { needed(&mut receiver, &()).await });
    // So that it waits before the reload.
    tokio::task::yield_now().await;
    sender.send_replace(wanted(&after));
    after.ask();
    tokio::time::timeout(Duration::from_secs(1), waiting).await.expect("it is asked").unwrap();
}
