//! [`Big`]: whole numbers of any size, for the few that 128 bits do not hold.

use std::cmp::Ordering;

/// The largest power of ten in 64 bits, and its exponent.
const CHUNK: (u64, u32) = (10u64.pow(19), 19);

/// A whole number; the lowest 64 bits first, no zeros at the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Big(Vec<u64>);

impl From<u64> for Big {
    fn from(n: u64) -> Self {
        Self(if n == 0 { Vec::new() } else { vec![n] })
    }
}

impl Big {
    /// The number of these digits, each less than `base`.
    pub(super) fn from_digits(digits: &[u8], base: u64) -> Self {
        let mut number = Self::from(0);
        for &digit in digits {
            number.multiply_add(base, u64::from(digit));
        }
        number
    }

    fn multiply_add(&mut self, factor: u64, summand: u64) {
        let mut carry = summand;
        for word in &mut self.0 {
            let product = u128::from(*word) * u128::from(factor) + u128::from(carry);
            *word = product as u64;
            carry = (product >> 64) as u64;
        }
        if carry != 0 {
            self.0.push(carry);
        }
    }

    pub(super) fn multiply_by_power_of_ten(&mut self, power: u32) {
        for _ in 0..power / CHUNK.1 {
            self.multiply_add(CHUNK.0, 0);
        }
        self.multiply_add(10u64.pow(power % CHUNK.1), 0);
    }

    pub(super) fn shift_left(&mut self, by: usize) {
        let (words, bits) = (by / 64, by % 64);
        if bits != 0 {
            self.multiply_add(1 << bits, 0);
        }
        if !self.0.is_empty() {
            self.0.splice(0..0, std::iter::repeat_n(0, words));
        }
    }

    fn bits(&self) -> usize {
        self.0.last().map_or(0, |top| self.0.len() * 64 - top.leading_zeros() as usize)
    }

    fn compare(&self, other: &Self) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// Takes away `other`, which is not larger.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        for (word, other) in self.0.iter_mut().zip(others) {
            (*word, borrow) = word.borrowing_sub(other, borrow);
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    /// `self / other` to 67 bits, the lowest set when there is a remainder, and
    /// the power of two to multiply it with. Neither is zero.
    pub(super) fn divide(mut self, mut other: Self) -> (u128, i32) {
        let mut exponent = self.bits() as i32 - other.bits() as i32;
        if exponent >= 0 {
            other.shift_left(exponent.unsigned_abs() as usize);
        } else {
            self.shift_left(exponent.unsigned_abs() as usize);
        }
        if self.compare(&other).is_lt() {
            self.shift_left(1);
            exponent -= 1;
        }
        // Now the quotient is at least 1 and less than 2.
        let mut quotient = 0;
        for _ in 0..66 {
            let bit = self.compare(&other).is_ge();
            if bit {
                self.subtract(&other);
            }
            quotient = (quotient << 1) | u128::from(bit);
            self.shift_left(1);
        }
        ((quotient << 1) | u128::from(!self.0.is_empty()), exponent - 66)
    }

    /// The number in decimal.
    pub(super) fn into_decimal(mut self) -> String {
        let mut chunks = Vec::new();
        while !self.0.is_empty() {
            let mut remainder = 0;
            for word in self.0.iter_mut().rev() {
                let dividend = (u128::from(remainder) << 64) | u128::from(*word);
                *word = (dividend / u128::from(CHUNK.0)) as u64;
                remainder = (dividend % u128::from(CHUNK.0)) as u64;
            }
            while self.0.last() == Some(&0) {
                self.0.pop();
            }
            chunks.push(remainder);
        }
        let mut text = chunks.pop().unwrap_or(0).to_string();
        for chunk in chunks.iter().rev() {
            text.push_str(&format!("{chunk:019}"));
        }
        text
    }
}
