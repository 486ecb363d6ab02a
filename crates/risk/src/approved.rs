//! Approval as a type.

/// Something that passed this room's checks. The field is private and only this crate builds it; it can't be copied, so that an
/// approval is used once.
///
/// ```compile_fail,E0423
/// let forged = risk::Approved(1); // the field is private
/// ```
///
/// ```compile_fail,E0624
/// let forged = risk::Approved::new(1); // so is the constructor
/// ```
///
/// ```compile_fail,E0277
/// let forged: risk::Approved<i32> = 1.into(); // nothing turns into one
/// ```
///
/// ```compile_fail,E0277
/// fn needs_copies<T: Clone>() {}
/// needs_copies::<risk::Approved<i32>>(); // one approval, one use
/// ```
#[derive(Debug)]
pub struct Approved<T>(T);

impl<T> Approved<T> {
    pub(crate) fn new(value: T) -> Approved<T> {
        Approved(value)
    }

    /// What was approved.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// What was approved, consumed: an approval is used once.
    pub fn into_inner(self) -> T {
        self.0
    }
}
