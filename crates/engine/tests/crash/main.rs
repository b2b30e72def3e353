//! What is left after a crash, on damaged files and on a full disk.
//!
//! | module | holds |
//! |---|---|
//! | `child` | an engine in a process of its own that can be killed |
//! | `link` | commands and replies between the two processes |
//! | `model` | what a database must hold |
//! | `writer` | random operations, and which of them were acknowledged |
//! | `rounds` | kills at random moments and at named steps, round after round on one directory |
//! | `steps` | the named steps |
//! | `disk` | a disk between the child and its files that fails, dies and records |
//! | `trace` | what the disk recorded, and what a power cut would leave of it |
//! | `power` | power cuts at any moment |
//! | `faults` | disks that fail |
//! | `damage` | torn, flipped, missing and foreign files |
//! | `idle` | an engine with nothing to do |
//! | `disk_full` | a disk without room |
//! | `positions` | which replies have to wait for which writes |
//! | `races` | reads from the store while the keys change |

#[cfg(test)]
mod child;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod disk_full;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod idle;
#[cfg(test)]
mod link;
#[cfg(test)]
mod model;
#[cfg(test)]
mod positions;
#[cfg(test)]
mod power;
#[cfg(test)]
mod races;
#[cfg(test)]
mod rounds;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod trace;
#[cfg(test)]
mod writer;

/// Random numbers that a seed repeats: SplitMix64.
#[cfg(test)]
#[derive(Clone, Debug)]
struct Rng(u64);

#[cfg(test)]
impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// One of `choices`.
    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
