//! Times that are taken in turn, so that they can be compared on a machine that has other things to do.

use std::time::Instant;

/// What two pieces of work took, in seconds, and how they compare.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    /// Median of the first.
    pub first: f64,
    /// Median of the second.
    pub second: f64,
    /// Median of first / second, round by round: how many times as fast the second is.
    pub ratio: f64,
}

/// Median of figures.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// How long it takes, in seconds.
pub fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Runs two pieces of work in turn, in both orders, so that a drift of the machine hits both; two rounds more, first, that do not count.
pub fn compare(rounds: usize, mut first: impl FnMut(usize), mut second: impl FnMut(usize)) -> Compared {
    const WARM_UP: usize = 2;
    let (mut firsts, mut seconds, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds + WARM_UP {
        let (one, other) = if round % 2 == 0 {
            let one = time(|| first(round));
            (one, time(|| second(round)))
        } else {
            let other = time(|| second(round));
            (time(|| first(round)), other)
        };
        if round >= WARM_UP {
            firsts.push(one);
            seconds.push(other);
            ratios.push(one / other);
        }
    }
    Compared { first: median(firsts), second: median(seconds), ratio: median(ratios) }
}

/// Reads memory once, as fast as a loop can, and gives something that depends on all of it.
#[must_use]
pub fn stream(words: &[u64]) -> u64 {
    // Sixteen independent sums, so that additions do not wait for each other.
    let mut lanes = [0u64; 16];
    for block in words.as_chunks::<16>().0 {
        for (lane, word) in lanes.iter_mut().zip(block) {
            *lane = lane.wrapping_add(*word);
        }
    }
    lanes.iter().fold(0, |sum, lane| sum.wrapping_add(*lane))
}
