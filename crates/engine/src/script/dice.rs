//! [`Dice`]: what is behind `math.random`.

use mlua::{Lua, MultiValue};

use super::{arguments::whole, raised::Raised, stage::Acting};

/// The generator behind `math.random`: C's `lrand48`, as in Redis, so that a
/// script that seeds it sees the same numbers in every run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

/// Numbers drawn are below this.
const DRAWN: i64 = i32::MAX as i64;

impl Dice {
    /// As `srand48` seeds it.
    pub(super) fn seeded(seed: i32) -> Self {
        Self(u64::from(seed as u32) << 16 | 0x330e)
    }

    /// A number from 0 to 1, 1 excluded.
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & 0xffff_ffff_ffff;
        ((self.0 >> 17) as i64 % DRAWN) as f64 / DRAWN as f64
    }
}

/// `math.random`.
pub(super) fn random(lua: &Lua, acting: &mut Acting, args: &MultiValue) -> mlua::Result<f64> {
    let drawn = acting.dice.draw();
    let empty = |number| Err(Raised::argument(lua, number, "random", "interval is empty"));
    match args.len() {
        0 => Ok(drawn),
        1 => {
            let most = whole(lua, args, 0, "random")?;
            if most < 1 { empty(1) } else { Ok((drawn * most as f64).floor() + 1.0) }
        }
        2 => {
            let least = whole(lua, args, 0, "random")?;
            let most = whole(lua, args, 1, "random")?;
            if least > most {
                return empty(2);
            }
            let width = most as f64 - least as f64 + 1.0;
            Ok((drawn * width).floor() + least as f64)
        }
        _ => Err(Raised::here(lua, "wrong number of arguments")),
    }
}

/// `math.randomseed`.
pub(super) fn random_seed(lua: &Lua, acting: &mut Acting, args: &MultiValue) -> mlua::Result<()> {
    acting.dice = Dice::seeded(whole(lua, args, 0, "randomseed")? as i32);
    Ok(())
}
