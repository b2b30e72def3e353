//! Finds a command by name: an open table of places, made at compile time.

use super::{ALL_COMMANDS, COMMAND_COUNT, CommandSpec};

/// A power of two, several times the number of commands: most names are found
/// in the first place looked at, and most unknown ones fall on an empty place.
const SLOTS: usize = 1024;

const EMPTY: u16 = u16::MAX;

const _: () = assert!(COMMAND_COUNT * 2 < SLOTS);

static PLACES: [u16; SLOTS] = place_all();

#[inline]
pub(super) fn find(name: &[u8]) -> Option<&'static CommandSpec> {
    let mut slot = hash(name)?;
    loop {
        // An empty place holds a number no command has.
        let spec = ALL_COMMANDS.get(usize::from(PLACES[slot % SLOTS]))?;
        if spec.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some(spec);
        }
        slot += 1;
    }
}

/// Mixes the length with the bytes in which command names differ most, so that
/// a name costs the same however long it is. `None` for the empty name.
#[inline]
const fn hash(name: &[u8]) -> Option<usize> {
    let len = name.len();
    if len == 0 {
        return None;
    }
    let second = if len > 1 { 1 } else { 0 };
    let picked = [
        name[0],
        name[second],
        name[len / 2],
        name[len * 3 / 4],
        name[len - 1 - second],
        name[len - 1],
        0,
        0,
    ];
    // Setting this bit folds the case of letters; it need not keep other bytes
    // apart, since a hit is compared in full.
    let folded = u64::from_le_bytes(picked) | 0x2020_2020_2020;
    let mixed = (folded | (len as u64) << 48).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Some((mixed >> 54) as usize)
}

#[expect(clippy::panic, reason = "runs at compile time only")]
const fn place_all() -> [u16; SLOTS] {
    let mut places = [EMPTY; SLOTS];
    let mut i = 0;
    while i < COMMAND_COUNT {
        let Some(mut slot) = hash(ALL_COMMANDS_AT_BUILD[i].name.as_bytes()) else {
            panic!("a command without a name");
        };
        while places[slot % SLOTS] != EMPTY {
            slot += 1;
        }
        places[slot % SLOTS] = i as u16;
        i += 1;
    }
    places
}

/// A constant cannot read a static.
const ALL_COMMANDS_AT_BUILD: [CommandSpec; COMMAND_COUNT] = super::assemble();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_a_step_or_two() {
        let mut steps_total = 0;
        for (i, spec) in ALL_COMMANDS.iter().enumerate() {
            let first = hash(spec.name.as_bytes()).unwrap();
            let steps = (0..SLOTS).find(|n| PLACES[(first + n) % SLOTS] == i as u16).unwrap();
            assert!(steps <= 3, "{} is {steps} places off", spec.name);
            steps_total += steps;
        }
        assert!(steps_total * 5 < COMMAND_COUNT, "{steps_total} steps");
    }
}
