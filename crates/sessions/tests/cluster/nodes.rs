//! Three nodes that share the sessions.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use tuckbox_sessions::{Session, SessionError};

use tuckbox_test_redis::{Node, RedisCluster, is_installed, until};

use crate::visits::{Browser, layer};

fn start() -> Option<RedisCluster> {
    is_installed("redis-server").then(|| RedisCluster::start(3, 0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_many_users_live_on_all_nodes_and_can_be_listed_and_ended() {
    let Some(cluster) = start() else { return };
    let layer = layer(&cluster.url()).await;
    for number in 0..20 {
        let user = format!("user{number}");
        let mut phone = Browser::logged_in(&layer, &user).await;
        let mut laptop = Browser::logged_in(&layer, &user).await;
        for n in 1..4 {
            assert_eq!(phone.count().await.unwrap(), n);
        }
        assert_eq!(laptop.user().await.unwrap().as_deref(), Some(&*user));
        let list = laptop.visit(async |session: &Session| session.sessions().await).await.unwrap();
        assert_eq!(list.len(), 2);
        let mut old = phone.clone();
        // Over a session: its values stay, its old id is worth nothing.
        let login = async |session: &Session| session.login(&user).await;
        phone.visit(login).await.unwrap();
        assert_eq!(old.user().await.unwrap(), None);
        assert_eq!(phone.count().await.unwrap(), 4);
        let others = async |session: &Session| session.revoke_others().await;
        assert_eq!(laptop.visit(others).await.unwrap(), 1);
        assert_eq!(phone.user().await.unwrap(), None);
        if number % 2 == 0 {
            let mut tab = laptop.clone();
            laptop.visit(async |session: &Session| session.logout().await).await.unwrap();
            assert_eq!(tab.user().await.unwrap(), None);
        }
    }
    for master in &cluster.masters {
        assert_ne!(master.ask(&["DBSIZE"]), ":0\r\n", "nothing is on one of the nodes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_sessions_slot_moves_every_increment_counts_and_a_logout_is_final() {
    let Some(cluster) = start() else { return };
    let layer = layer(&cluster.url()).await;
    let mut browser = Browser::logged_in(&layer, "ada").await;
    let key = browser
        .visit(async |session: &Session| Ok(format!("session:{}", session.public_id().unwrap())))
        .await
        .unwrap();
    let slot = cluster.masters[0].ask(&["CLUSTER", "KEYSLOT", &key]);
    let slot: usize = slot.trim_start_matches(':').trim().parse().unwrap();
    let traffic = Arc::new(Traffic::default());
    let tasks: Vec<_> =
        (0..3).map(|_| tokio::spawn(traffic.clone().flow(browser.clone()))).collect();

    let (moving, mover) = (traffic.clone(), key.clone());
    let cluster = tokio::task::spawn_blocking(move || {
        let mut at = cluster.number_of_master(slot);
        for _ in 0..6 {
            let next = (at + 1) % 3;
            let nodes = (&cluster.masters[at], &cluster.masters[next]);
            move_slot(&cluster, slot, &mover, nodes, &moving);
            at = next;
        }
        moving.stop.store(true, Relaxed);
        cluster
    });
    let cluster = cluster.await.unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let answered = i64::try_from(traffic.answered.load(Relaxed)).unwrap();
    assert_eq!(browser.count().await.unwrap(), answered + 1);
    assert_eq!(browser.user().await.unwrap().as_deref(), Some("ada"));

    // Half of a move: the key is where its slot is not any more.
    let home = cluster.number_of_master(slot);
    let (from, to) = (&cluster.masters[home], &cluster.masters[(home + 1) % 3]);
    begin_move(slot, from, to);
    migrate(&key, from, to);
    let mut late = browser.clone();
    let refused = late
        .visit(async |session: &Session| {
            session.user().await?;
            let mut tab = browser.clone();
            tab.visit(async |other: &Session| other.logout().await).await?;
            session.insert("slow", &true).await
        })
        .await;
    assert!(matches!(refused, Err(SessionError::Ended)), "{refused:?}");
    end_move(&cluster, slot, to);
    assert_eq!(browser.user().await.unwrap(), None);
}

/// Brings the slot of a key to another node, stopping on the way.
fn move_slot(
    cluster: &RedisCluster,
    slot: usize,
    key: &str,
    (from, to): (&Node, &Node),
    traffic: &Traffic,
) {
    begin_move(slot, from, to);
    traffic.flows();
    migrate(key, from, to);
    traffic.flows();
    end_move(cluster, slot, to);
    traffic.flows();
}

fn begin_move(slot: usize, from: &Node, to: &Node) {
    let slot = slot.to_string();
    to.tell(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from.id]);
    from.tell(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to.id]);
}

fn migrate(key: &str, from: &Node, to: &Node) {
    from.tell(&["MIGRATE", "127.0.0.1", &to.port.to_string(), key, "0", "60000"]);
}

fn end_move(cluster: &RedisCluster, slot: usize, to: &Node) {
    for node in std::iter::once(to).chain(&cluster.masters) {
        node.tell(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &to.id]);
    }
}

/// Requests that count in the session; none may fail.
#[derive(Default)]
struct Traffic {
    stop: AtomicBool,
    answered: AtomicUsize,
}

impl Traffic {
    async fn flow(self: Arc<Self>, mut browser: Browser) -> Result<(), SessionError> {
        while !self.stop.load(Relaxed) {
            browser.count().await?;
            self.answered.fetch_add(1, Relaxed);
            assert_eq!(browser.user().await?.as_deref(), Some("ada"));
        }
        Ok(())
    }

    /// Waits until some more requests were answered.
    fn flows(&self) {
        let begin = self.answered.load(Relaxed);
        until("requests are answered", || self.answered.load(Relaxed) > begin + 20);
    }
}
