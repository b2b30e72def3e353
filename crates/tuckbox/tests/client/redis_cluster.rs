//! Real clusters that change while they are used.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use tuckbox::{Command, Db, Error, Refresh, Reply, Script, cmd};
use tuckbox_test_redis::{Node, RedisCluster, RedisServer, is_installed, until, until_in_step};

use crate::support::{NOBODY, open, patient, vault::Vault};

fn start(masters: usize, replicas: usize) -> Option<RedisCluster> {
    is_installed("redis-server").then(|| RedisCluster::start(masters, replicas))
}

fn key(number: usize) -> String {
    format!("key:{number}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_to_the_nodes_that_have_their_keys() {
    let Some(cluster) = start(3, 0) else { return };
    let url = cluster.url().replace("://", &format!("://{NOBODY},"));
    let db = open(&url, patient()).await;
    assert_eq!(format!("{db:?}"), format!("Db({url})"));

    let set: Vec<Command> = (0..300).map(|n| cmd!("SET", key(n), n)).collect();
    let replies = db.pipeline(set).await.unwrap();
    assert!(replies.iter().all(|reply| *reply == Reply::OK), "{replies:?}");
    for master in &cluster.masters {
        let size: u32 = master.ask(&["DBSIZE"])[1..].trim().parse().unwrap();
        assert!(size > 50, "its share of 300 keys is {size}");
    }
    let get = (0..300).map(|n| cmd!("GET", key(n)));
    let replies = db.pipeline(get.chain([cmd!("HGET", key(0), "f")]).collect()).await.unwrap();
    for (n, reply) in replies[..300].iter().enumerate() {
        assert_eq!(*reply, Reply::bulk(n.to_string().as_bytes()));
    }
    assert!(matches!(&replies[300], Reply::Error(error) if error.code() == "WRONGTYPE"));
    needs_keys_in_one_slot(&db).await;

    let add = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    let all: Vec<_> = (0..30).map(|n| add.invoke().key(key(n)).arg(1000)).collect();
    for round in 1..=2 {
        // At first no node knows the script, nor does a second one for the first.
        let replies = db.eval_all(&all).await.unwrap();
        for (n, reply) in replies.into_iter().enumerate() {
            assert_eq!(reply, Reply::Integer(n as i64 + 1000 * round));
        }
    }
}

async fn needs_keys_in_one_slot(db: &Db) {
    let apart = || vec![cmd!("SET", "a", 1), cmd!("SET", "b", 1)];
    for error in [
        db.transaction(apart()).await.unwrap_err(),
        db.call(cmd!("DEL", "a", "b")).await.unwrap_err(),
        db.pipeline(vec![cmd!("SET", "a", 1), cmd!("DEL", "a", "b")]).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::CrossSlot), "{error:?}");
    }
    assert_eq!(db.call(cmd!("EXISTS", "a")).await.unwrap(), Reply::Integer(0));
    let together = vec![cmd!("INCR", "{t}a"), cmd!("PING"), cmd!("INCR", "{t}b")];
    let replies = db.transaction(together).await.unwrap();
    assert_eq!(replies, [Reply::Integer(1), Reply::Simple("PONG".into()), Reply::Integer(1)]);
}

/// How many keys there are in the slot that moves.
const KEYS: usize = 20;

fn moving(number: usize) -> String {
    format!("{{moving}}:{}", number % KEYS)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_moves_while_its_keys_are_used() {
    let Some(cluster) = start(3, 0) else { return };
    let db = open(&cluster.url(), patient()).await;
    db.pipeline((0..KEYS).map(|n| cmd!("SET", moving(n), 0)).collect()).await.unwrap();
    let traffic = Arc::new(Traffic::default());
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let (db, traffic) = (db.clone(), Arc::clone(&traffic));
            tokio::spawn(async move {
                match task {
                    0 | 1 => traffic.one_key_at_a_time(db).await,
                    _ => traffic.two_keys_together(db).await,
                }
            })
        })
        .collect();
    let mover = Arc::clone(&traffic);
    let cluster = tokio::task::spawn_blocking(move || {
        let slot = cluster.masters[0].ask(&["CLUSTER", "KEYSLOT", &moving(0)]);
        let slot = slot[1..].trim().to_owned();
        let first = cluster.number_of_master(slot.parse().unwrap());
        // Once around, and home again.
        for hop in first..first + 3 {
            let (from, to) = (&cluster.masters[hop % 3], &cluster.masters[(hop + 1) % 3]);
            move_slot(&cluster, &slot, (from, to), &mover);
        }
        mover.stop.store(true, Ordering::Relaxed);
        cluster
    });
    let _cluster = cluster.await.unwrap();
    let mut wanted = 0;
    for task in tasks {
        wanted += task.await.unwrap();
    }
    let mut sum = 0;
    for n in 0..KEYS {
        let value = db.call(cmd!("GET", moving(n))).await.unwrap().into_bytes().unwrap().unwrap();
        sum += std::str::from_utf8(&value).unwrap().parse::<i64>().unwrap();
    }
    assert_eq!(sum, wanted, "every command was applied once");
}

/// Brings a slot to another node, stopping where its keys are apart.
fn move_slot(cluster: &RedisCluster, slot: &str, (from, to): (&Node, &Node), traffic: &Traffic) {
    to.tell(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &from.id]);
    from.tell(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &to.id]);
    let port = to.port.to_string();
    for n in 0..KEYS {
        let key = moving(n);
        let reply = from.ask(&["MIGRATE", "127.0.0.1", &port, &key, "0", "60000"]);
        assert_eq!(reply, "+OK\r\n");
        if n % 5 == 0 {
            traffic.flows();
        }
    }
    for node in [to, from].into_iter().chain(&cluster.masters) {
        node.tell(&["CLUSTER", "SETSLOT", slot, "NODE", &to.id]);
    }
    traffic.flows();
}

/// Calls that count in the moving keys; none may fail.
#[derive(Default)]
struct Traffic {
    stop: AtomicBool,
    /// How many calls of one key were answered.
    answered: AtomicU32,
}

impl Traffic {
    /// Waits until some more calls were answered.
    fn flows(&self) {
        let begin = self.answered.load(Ordering::Relaxed);
        until("calls are answered", || self.answered.load(Ordering::Relaxed) > begin + 50);
    }

    /// How much was added in all.
    async fn one_key_at_a_time(&self, db: Db) -> i64 {
        let add = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
        let mut sum = 0;
        while !self.stop.load(Ordering::Relaxed) {
            for n in 0..KEYS {
                db.call(cmd!("INCR", moving(n))).await.unwrap();
                let pair = (0..2).map(|next| cmd!("INCR", moving(n + next))).collect();
                let replies = db.pipeline(pair).await.unwrap();
                assert!(replies.iter().all(|r| matches!(r, Reply::Integer(_))), "{replies:?}");
                db.eval(&add.invoke().key(moving(n)).arg(2)).await.unwrap();
                sum += 5;
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
        }
        sum
    }

    /// While the keys are apart, these must wait.
    async fn two_keys_together(&self, db: Db) -> i64 {
        let both = Script::new("redis.call('INCR', KEYS[1]); return redis.call('INCR', KEYS[2])");
        let mut sum = 0;
        while !self.stop.load(Ordering::Relaxed) {
            for n in 0..KEYS {
                db.eval(&both.invoke().key(moving(n)).key(moving(n + 7))).await.unwrap();
                let pair = vec![cmd!("INCR", moving(n)), cmd!("INCR", moving(n + 7))];
                assert_eq!(db.transaction(pair).await.unwrap().len(), 2);
                sum += 4;
            }
        }
        sum
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over_from_a_dead_master() {
    let Some(mut cluster) = start(3, 1) else { return };
    let db = open(&cluster.url(), patient()).await;
    let keys: Vec<String> = (0..30).map(key).collect();
    db.pipeline(keys.iter().map(|key| cmd!("SET", key, 1)).collect()).await.unwrap();
    until_in_step(cluster.replicas[0].port, cluster.masters[0].port);

    cluster.masters[0].kill();
    let takeover = async {
        // So that some calls find the master dead and nobody in its place.
        tokio::time::sleep(Duration::from_millis(50)).await;
        cluster.replicas[0].tell(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
    };
    let pipeline = db.pipeline(keys.iter().map(|key| cmd!("INCR", key)).collect());
    let (replies, ()) = tokio::join!(pipeline, takeover);
    let replies = replies.unwrap();
    assert!(replies.iter().all(|reply| *reply == Reply::Integer(2)), "{replies:?}");
    // The seed is the dead one, and nobody needs it any more.
    for key in &keys {
        assert_eq!(db.call(cmd!("INCR", key)).await.unwrap(), Reply::Integer(3));
    }
    let size: u32 = cluster.replicas[0].ask(&["DBSIZE"])[1..].trim().parse().unwrap();
    assert!(size > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hangs_costs_one_deadline() {
    let Some(cluster) = start(3, 1) else { return };
    let db = open(&cluster.url(), patient()).await;
    // The slot of "bar" is on the first node.
    db.call(cmd!("SET", "bar", 1)).await.unwrap();
    until_in_step(cluster.replicas[0].port, cluster.masters[0].port);
    cluster.masters[0].hang();
    let hasty = db.with_deadline(Duration::from_millis(300));
    let error = hasty.call(cmd!("INCR", "bar")).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { maybe_applied: true, .. }), "{error:?}");
    cluster.replicas[0].tell(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
    cluster.until_known_as_master(&cluster.replicas[0]);
    // The others say so, though the one that hangs is the only seed.
    for value in [2, 3] {
        assert_eq!(db.call(cmd!("INCR", "bar")).await.unwrap(), Reply::Integer(value));
    }
}

#[tokio::test]
async fn a_server_that_is_no_cluster_says_so() {
    let Some(server) = RedisServer::start() else { return };
    let db = open(&server.url().replace("redis:", "redis+cluster:"), patient()).await;
    let error = db.call(cmd!("GET", "key")).await.unwrap_err();
    assert!(error.to_string().contains("cluster support disabled"), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_is_looked_for_again() {
    let Some(cluster) = start(3, 0) else { return };
    let vault = Vault::new(cluster.url());
    let db = vault.db(patient());
    let incr = || (0..30).map(|n| cmd!("INCR", key(n))).collect::<Vec<_>>();
    let all = |wanted: i64| vec![Reply::Integer(wanted); 30];
    assert_eq!(db.pipeline(incr()).await.unwrap(), all(1));

    let mut admins = Vec::new();
    for master in &cluster.masters {
        master.tell(&["CONFIG", "SET", "requirepass", "hunter2"]);
        let url = format!("redis://:hunter2@127.0.0.1:{}", master.port);
        admins.push(open(&url, patient()).await);
    }
    let hang_up = async |admins: &[Db]| {
        for admin in admins {
            admin.call(cmd!("CLIENT", "KILL", "TYPE", "normal")).await.unwrap();
        }
        // So long that the next call looks at its connections first.
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    vault.set(cluster.url().replace("://", "://:hunter2@"));
    hang_up(&admins).await;
    // No node lets it in, so nothing is applied before there is a new URL.
    assert_eq!(db.pipeline(incr()).await.unwrap(), all(2));
    assert_eq!(vault.asked(), [Refresh::Cached, Refresh::Again]);

    // One node refuses its part, while the others have applied theirs.
    admins[0].call(cmd!("CONFIG", "SET", "requirepass", "hunter3")).await.unwrap();
    hang_up(&admins[..1]).await;
    let error = db.pipeline(incr()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: true, .. }), "{error:?}");
    assert!(error.to_string().contains("WRONGPASS"), "{error}");
    // It is not repeated, but the next call asks first.
    for admin in &admins[1..] {
        admin.call(cmd!("CONFIG", "SET", "requirepass", "hunter3")).await.unwrap();
    }
    vault.set(cluster.url().replace("://", "://:hunter3@"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let counts = db.pipeline(incr()).await.unwrap();
    assert_eq!(vault.asked().len(), 3);
    let applied = counts.iter().filter(|count| **count == Reply::Integer(4)).count();
    assert!((10..30).contains(&applied) && counts.contains(&Reply::Integer(3)), "{counts:?}");
}
