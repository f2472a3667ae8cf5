//! The rings of a molecule while it is read.

/// Digits, and so rings that can be open at once.
pub(super) const DIGITS: usize = 8;
/// No atom.
pub(super) const NONE: u16 = u16::MAX;

/// Rings that are open, and what is known of the atom at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// The atom that opened each digit; `NONE` for one that is free.
    pub(super) opener: [u16; DIGITS],
    /// Bond order that the opening end states; 0 if none.
    pub(super) order: [u8; DIGITS],
    /// Openers of the rings that were closed on this atom.
    pub(super) closed: [u16; DIGITS],
    /// The number of the next atom.
    pub(super) next: u16,
}

impl State {
    pub(super) fn open(&self) -> u32 {
        self.opener.iter().filter(|&&opener| opener != NONE).count() as u32
    }

    pub(super) fn free_digit(&self) -> Option<usize> {
        self.opener.iter().position(|&opener| opener == NONE)
    }

    /// Atoms it takes to close everything when the next one is bonded to `parent`: rings of one opener need one atom each.
    pub(super) fn atoms(&self, parent: u16) -> u32 {
        let needs = self
            .opener
            .iter()
            .filter(|&&opener| opener != NONE)
            .map(|&opener| {
                let same = self.opener.iter().filter(|&&other| other == opener).count() as u32;
                same + u32::from(opener == parent)
            });
        needs.max().unwrap_or(0)
    }

    /// Whether atom `here`, bonded to `parent`, may close a digit.
    pub(super) fn closable(&self, digit: usize, here: u16, parent: u16) -> bool {
        let opener = self.opener[digit];
        opener != NONE && opener != here && opener != parent && !self.closed.contains(&opener)
    }

    pub(super) fn close(mut self, digit: usize) -> Self {
        if let Some(at) = self.closed.iter().position(|&opener| opener == NONE) {
            self.closed[at] = self.opener[digit];
        }
        self.opener[digit] = NONE;
        self
    }

    pub(super) fn opened(mut self, digit: usize, here: u16, order: u8) -> Self {
        (self.opener[digit], self.order[digit]) = (here, order);
        self
    }
}
