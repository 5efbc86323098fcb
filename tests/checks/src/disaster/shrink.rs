//! A shorter run that breaks the same law.

use super::{
    plan::{DEED, HEAD},
    run,
};

/// Leaves deeds out of a run as long as the same law breaks: halves first, single ones last.
#[must_use]
pub fn shrink(octets: &[u8]) -> Vec<u8> {
    let law = run(octets, false).violation.map(|violation| violation.law);
    let breaks = |octets: &[u8]| run(octets, false).violation.map(|violation| violation.law) == law;
    let mut best = octets.to_vec();
    let mut size = (best.len().saturating_sub(HEAD) / DEED).next_power_of_two();
    while size > 0 {
        let mut from = HEAD;
        while from < best.len() {
            let to = best.len().min(from + size * DEED);
            let shorter = [&best[..from], &best[to..]].concat();
            if breaks(&shorter) {
                best = shorter;
            } else {
                from = to;
            }
        }
        size /= 2;
    }
    best
}
