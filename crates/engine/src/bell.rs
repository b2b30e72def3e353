//! [`Bell`]: wakes a thread that sleeps while there is nothing to do.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

/// Wakes one sleeper.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// The sleeper will look at everything again before it sleeps for good.
    awake: AtomicBool,
    rung: Mutex<Rung>,
    wake: Condvar,
}

/// How the bell was rung since the sleeper last woke.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Rung {
    #[default]
    No,
    Soon,
    Now,
}

impl Bell {
    /// Says that there is something to do some time soon: one load while the
    /// sleeper is awake.
    ///
    /// To be called under the lock that guards what there is to do.
    pub(crate) fn nudge(&self) {
        if !self.awake.load(Ordering::Relaxed) {
            self.awake.store(true, Ordering::Relaxed);
            self.sound(Rung::Soon);
        }
    }

    /// Wakes the sleeper now, or keeps it from falling asleep once.
    pub(crate) fn ring(&self) {
        self.sound(Rung::Now);
    }

    fn sound(&self, how: Rung) {
        let mut rung = self.rung.lock();
        if how > *rung {
            *rung = how;
            self.wake.notify_one();
        }
    }

    /// Says whether nudges may be left out: `false` before looking, under the
    /// lock, whether there is anything to do.
    pub(crate) fn set_awake(&self, awake: bool) {
        self.awake.store(awake, Ordering::Relaxed);
    }

    /// Pauses for `pause`, or until something is to be done now. A nudge does
    /// not end the pause; the next sleep hears it.
    pub(crate) fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut rung = self.rung.lock();
        while *rung != Rung::Now && !self.wake.wait_until(&mut rung, until).timed_out() {}
    }

    /// Sleeps until the bell rings, for `at_most` when that is given; returns
    /// whether something is to be done now.
    pub(crate) fn sleep(&self, at_most: Option<Duration>) -> bool {
        let mut rung = self.rung.lock();
        if *rung == Rung::No {
            match at_most {
                Some(limit) => _ = self.wake.wait_for(&mut rung, limit),
                None => self.wake.wait(&mut rung),
            }
        }
        std::mem::take(&mut *rung) == Rung::Now
    }
}
