//! Natural numbers of any size, for sums of fractions whose denominators differ. Schoolbook methods: the numbers are short.

use std::cmp::Ordering;

/// A natural number: 32-bit digits, lowest first, without zeros at the top.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Natural(Vec<u32>);

impl From<u128> for Natural {
    fn from(value: u128) -> Natural {
        let digits = (0..4).map(|i| (value >> (32 * i)) as u32).collect();
        Natural(digits).trimmed()
    }
}

impl Natural {
    /// Nothing.
    pub fn zero() -> Natural {
        Natural(Vec::new())
    }

    /// One.
    pub fn one() -> Natural {
        Natural(vec![1])
    }

    /// 10^`exponent`.
    pub fn pow10(exponent: usize) -> Natural {
        let mut power = Natural::one();
        for _ in 0..exponent / 9 {
            power.multiply_small(1_000_000_000, 0);
        }
        power.multiply_small(10u32.pow((exponent % 9) as u32), 0);
        power
    }

    /// From decimal digits; `None` for anything else, or for nothing.
    pub fn parse(digits: &str) -> Option<Natural> {
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mut value = Natural::zero();
        for digit in digits.bytes() {
            value.multiply_small(10, u32::from(digit - b'0'));
        }
        Some(value)
    }

    /// True for nothing.
    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// True for an even number.
    pub fn is_even(&self) -> bool {
        self.0.first().is_none_or(|low| low % 2 == 0)
    }

    fn trimmed(mut self) -> Natural {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    /// `self × factor + more`, in place.
    fn multiply_small(&mut self, factor: u32, more: u32) {
        let mut carry = u64::from(more);
        for digit in &mut self.0 {
            let product = u64::from(*digit) * u64::from(factor) + carry;
            *digit = product as u32;
            carry = product >> 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    /// `self ÷ divisor` in place; returns the remainder. The divisor is not zero.
    fn divide_small(&mut self, divisor: u32) -> u32 {
        let mut rest = 0u64;
        for digit in self.0.iter_mut().rev() {
            let value = rest << 32 | u64::from(*digit);
            *digit = (value / u64::from(divisor)) as u32;
            rest = value % u64::from(divisor);
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        rest as u32
    }

    /// `self + other`.
    pub fn plus(&self, other: &Natural) -> Natural {
        let (long, short) = if self.0.len() >= other.0.len() { (self, other) } else { (other, self) };
        let mut digits = Vec::with_capacity(long.0.len() + 1);
        let mut carry = 0u64;
        for (index, digit) in long.0.iter().enumerate() {
            let sum = u64::from(*digit) + u64::from(short.0.get(index).copied().unwrap_or(0)) + carry;
            digits.push(sum as u32);
            carry = sum >> 32;
        }
        digits.push(carry as u32);
        Natural(digits).trimmed()
    }

    /// `self − other`, which is not larger.
    pub fn minus(&self, other: &Natural) -> Natural {
        assert!(*self >= *other, "Invariant: a natural difference is not negative");
        let mut digits = Vec::with_capacity(self.0.len());
        let mut borrow = 0i64;
        for (index, digit) in self.0.iter().enumerate() {
            let difference = i64::from(*digit) - i64::from(other.0.get(index).copied().unwrap_or(0)) - borrow;
            borrow = i64::from(difference < 0);
            digits.push((difference + (borrow << 32)) as u32);
        }
        Natural(digits).trimmed()
    }

    /// `self × other`.
    pub fn times(&self, other: &Natural) -> Natural {
        let mut digits = vec![0u32; self.0.len() + other.0.len()];
        for (i, a) in self.0.iter().enumerate() {
            let mut carry = 0u64;
            for (j, b) in other.0.iter().enumerate() {
                let sum = u64::from(*a) * u64::from(*b) + u64::from(digits[i + j]) + carry;
                digits[i + j] = sum as u32;
                carry = sum >> 32;
            }
            digits[i + other.0.len()] = carry as u32;
        }
        Natural(digits).trimmed()
    }

    /// Quotient and remainder (Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D). The divisor is not zero.
    pub fn divided_by(&self, divisor: &Natural) -> (Natural, Natural) {
        assert!(!divisor.is_zero(), "Invariant: a divisor is not zero");
        if self < divisor {
            return (Natural::zero(), self.clone());
        }
        if let [small] = divisor.0[..] {
            let mut quotient = self.clone();
            let rest = quotient.divide_small(small);
            return (quotient, Natural::from(u128::from(rest)));
        }
        let shift = divisor.0[divisor.0.len() - 1].leading_zeros();
        let low = divisor.shifted_up(shift);
        let mut rest = self.shifted_up(shift).0;
        rest.resize(self.0.len() + 1, 0);
        let n = low.0.len();
        let (top, next) = (u64::from(low.0[n - 1]), u64::from(low.0[n - 2]));
        let mut quotient = vec![0u32; rest.len() - n];
        for at in (0..quotient.len()).rev() {
            let head = u64::from(rest[at + n]) << 32 | u64::from(rest[at + n - 1]);
            let (mut guess, mut left) = (head / top, head % top);
            while guess >> 32 != 0 || guess * next > (left << 32 | u64::from(rest[at + n - 2])) {
                guess -= 1;
                left += top;
                if left >> 32 != 0 {
                    break;
                }
            }
            let (mut borrow, mut carry) = (0i64, 0u64);
            for (index, digit) in low.0.iter().enumerate() {
                let product = guess * u64::from(*digit) + carry;
                carry = product >> 32;
                let difference = i64::from(rest[at + index]) - i64::from(product as u32) - borrow;
                borrow = i64::from(difference < 0);
                rest[at + index] = (difference + (borrow << 32)) as u32;
            }
            let difference = i64::from(rest[at + n]) - carry as i64 - borrow;
            rest[at + n] = difference as u32;
            if difference < 0 {
                // The guess was one too large: rare, and at most by one.
                guess -= 1;
                let mut carry = 0u64;
                for (index, digit) in low.0.iter().enumerate() {
                    let sum = u64::from(rest[at + index]) + u64::from(*digit) + carry;
                    rest[at + index] = sum as u32;
                    carry = sum >> 32;
                }
                rest[at + n] = (u64::from(rest[at + n]) + carry) as u32;
            }
            quotient[at] = guess as u32;
        }
        (Natural(quotient).trimmed(), Natural(rest).trimmed().shifted_down(shift))
    }

    /// Shifted by less than 32 bits.
    fn shifted_up(&self, bits: u32) -> Natural {
        let mut shifted = self.clone();
        shifted.multiply_small(1 << bits, 0);
        shifted
    }

    fn shifted_down(mut self, bits: u32) -> Natural {
        self.divide_small(1 << bits);
        self
    }

    /// Greatest common divisor.
    pub fn common_divisor(&self, other: &Natural) -> Natural {
        let (mut a, mut b) = (self.clone(), other.clone());
        while !b.is_zero() {
            let rest = a.divided_by(&b).1;
            a = std::mem::replace(&mut b, rest);
        }
        a
    }

    /// How often `factor` divides it, and what is left. Neither is zero.
    pub fn without_factor(&self, factor: u32) -> (usize, Natural) {
        let (mut count, mut left) = (0, self.clone());
        loop {
            let mut next = left.clone();
            if left.is_zero() || next.divide_small(factor) != 0 {
                return (count, left);
            }
            left = next;
            count += 1;
        }
    }

    /// Decimal digits.
    pub fn to_text(&self) -> String {
        let (mut left, mut parts) = (self.clone(), Vec::new());
        while !left.is_zero() {
            parts.push(left.divide_small(1_000_000_000));
        }
        let mut text = parts.pop().unwrap_or(0).to_string();
        for part in parts.iter().rev() {
            text.push_str(&format!("{part:09}"));
        }
        text
    }
}

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Natural) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Natural) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator of our own: this crate has no property tests.
    fn numbers(count: usize) -> Vec<Natural> {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..count)
            .map(|_| {
                let length = (next() % 9) as usize;
                // Digits at the edges make the rare branches of division common.
                let digits = (0..length).map(|_| match next() % 4 {
                    0 => 0,
                    1 => u32::MAX,
                    2 => 1 << 31,
                    _ => next() as u32,
                });
                Natural(digits.collect()).trimmed()
            })
            .collect()
    }

    #[test]
    fn arithmetic_agrees_with_the_machine() {
        let a = 0xffff_ffff_ffff_ffff_ffffu128;
        let b = 0x1_0000_0001u128;
        let (big_a, big_b) = (Natural::from(a), Natural::from(b));
        assert_eq!(big_a.plus(&big_b), Natural::from(a + b));
        assert_eq!(big_a.minus(&big_b), Natural::from(a - b));
        assert_eq!(big_a.times(&big_b), Natural::from(a * b));
        assert_eq!(big_a.divided_by(&big_b), (Natural::from(a / b), Natural::from(a % b)));
        assert_eq!(Natural::from(84).common_divisor(&Natural::from(30)), Natural::from(6));
        assert_eq!(Natural::from(400).without_factor(2), (4, Natural::from(25)));
        assert_eq!(Natural::pow10(20).to_text(), format!("1{}", "0".repeat(20)));
        assert_eq!(Natural::zero().to_text(), "0");
        assert_eq!(Natural::parse("1x"), None);
    }

    #[test]
    fn division_undoes_multiplication_and_text_round_trips() {
        let numbers = numbers(600);
        for triple in numbers.chunks(3) {
            let [a, b, c] = triple else { continue };
            assert_eq!(Natural::parse(&a.to_text()).as_ref(), Some(a));
            if !b.is_zero() {
                let (quotient, rest) = a.divided_by(b);
                assert!(rest < *b);
                assert_eq!(quotient.times(b).plus(&rest), *a);
                let product = b.times(c);
                assert_eq!(product.divided_by(b), (c.clone(), Natural::zero()));
            }
        }
    }
}
