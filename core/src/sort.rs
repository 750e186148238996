//! One sort for all that is sorted here. A sort of its own for each type costs four kilobytes of code, which every visitor of a page downloads.

use std::cmp::Ordering;

/// The numbers of `count` items in the order that `compare` gives; equal ones stay as they are.
pub(crate) fn sorted(count: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..count).collect();
    numbers.sort_unstable_by(|&a, &b| compare(a, b).then(a.cmp(&b)));
    numbers
}
