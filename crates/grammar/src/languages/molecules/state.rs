//! What is open in a molecule while it is written: rings, and the ways in which its aromatic atoms may still get their double bonds.

/// Digits, and so rings that can be open at once.
pub(super) const DIGITS: usize = 8;
/// No atom; deeper than every atom.
pub(super) const NONE: u16 = u16::MAX;
/// Branch points at which a double bond may be put off at once.
const LEVELS: usize = 7;
/// Ways that are followed at once.
const WAYS: usize = 16;

/// A ring bond of which one end is written. Atoms are known by their depth, the number of atoms on the way to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ring {
    /// The atom that opened it; `NONE` if the digit is free.
    pub(super) opener: u16,
    /// The order that it states; 0 if none.
    pub(super) order: u8,
    /// Whether the opener is aromatic.
    pub(super) aromatic: bool,
    /// Valence that the opener has left for a higher order.
    pub(super) spare: u8,
}

/// One way to place double bonds so far, as bits: digit `d` is a double bond; this atom has none yet (8); nor has the atom of the last branch point, the one before (9, 10, …).
pub(super) type Way = u16;
/// The atom at hand lacks its double bond.
pub(super) const HERE: Way = 1 << 8;
const FIRST_LEVEL: u32 = 9;

/// All ways that are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ways {
    count: u8,
    of: [Way; WAYS],
}

impl Ways {
    /// The one way of a text without aromatic atoms.
    pub(super) const START: Self = Self {
        count: 1,
        of: [0; WAYS],
    };

    pub(super) fn all(&self) -> &[Way] {
        &self.of[..usize::from(self.count)]
    }

    /// What each way becomes, which may be nothing, one or two others. Those that find no room are given up, which is safe.
    pub(super) fn map(&self, mut next: impl FnMut(Way) -> [Option<Way>; 2]) -> Self {
        let mut ways = Self {
            count: 0,
            of: [0; WAYS],
        };
        for &way in self.all() {
            for way in next(way).into_iter().flatten() {
                let new = !ways.all().contains(&way);
                if new && usize::from(ways.count) < WAYS {
                    ways.of[usize::from(ways.count)] = way;
                    ways.count += 1;
                }
            }
        }
        ways
    }

    pub(super) fn keep(&self, keeps: impl Fn(Way) -> bool) -> Self {
        self.map(|way| [keeps(way).then_some(way), None])
    }
}

/// A way inside a branch, with what it was for the atom of the branch point pushed onto the levels; a wait that is pushed beyond the last is given up.
pub(super) fn pushed(way: Way) -> Option<Way> {
    let (digits, levels) = (way & 0xff, way >> FIRST_LEVEL);
    let here = way >> 8 & 1;
    (levels >> (LEVELS - 1) == 0).then_some(digits | (levels << 1 | here) << FIRST_LEVEL)
}

/// Where an atom may still get its double bond, after all ring bonds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Later {
    /// Nowhere: nothing follows.
    Nothing,
    /// By an aromatic bond to what follows, which a ring must then close over.
    Ring,
    /// By `=` as well.
    Free,
}

/// A branch point, as far as what is behind its branch matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Level {
    /// Its atom, if the double bond that it may lack must come from under a ring; else `NONE`.
    depth: u16,
    /// What was pending in its chain.
    pending: u16,
}

/// What is open between two tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) rings: [Ring; DIGITS],
    pub(super) ways: Ways,
    /// The last branch points.
    levels: [Level; LEVELS],
    /// What was written of this chain is on a ring once a ring closes that was opened at this atom or before; `NONE` if it is.
    pub(super) pending: u16,
    /// The first opener of all rings that were closed in this chain.
    low: u16,
}

impl State {
    pub(super) const START: Self = Self {
        rings: [Ring {
            opener: NONE,
            order: 0,
            aromatic: false,
            spare: 0,
        }; DIGITS],
        ways: Ways::START,
        levels: [Level {
            depth: NONE,
            pending: NONE,
        }; LEVELS],
        pending: NONE,
        low: NONE,
    };

    pub(super) fn open(&self) -> u32 {
        self.rings.iter().filter(|ring| ring.opener != NONE).count() as u32
    }

    pub(super) fn free_digit(&self) -> Option<usize> {
        self.rings.iter().position(|ring| ring.opener == NONE)
    }

    /// Digits of rings that were opened at this atom or deeper.
    pub(super) fn opened_from(&self, depth: u16) -> impl Iterator<Item = usize> + '_ {
        (0..DIGITS).filter(move |&digit| {
            let opener = self.rings[digit].opener;
            opener != NONE && opener >= depth
        })
    }

    /// Keeps the ways that can be completed if the atom at `depth` may get its double bond as `later` says.
    pub(super) fn viable(mut self, depth: u16, later: Later) -> Option<Self> {
        let state = self;
        self.ways = self.ways.keep(|way| {
            let lacks = way & HERE != 0;
            let waits = if lacks && later == Later::Ring {
                depth
            } else {
                NONE
            };
            !(lacks && later == Later::Nothing) && state.covers(way, waits)
        });
        (!self.ways.all().is_empty()).then_some(self)
    }

    /// Keeps the ways that can go into one more branch.
    pub(super) fn enterable(mut self) -> Option<Self> {
        self.ways = self.ways.keep(|way| pushed(way).is_some());
        (!self.ways.all().is_empty()).then_some(self)
    }

    /// Whether there are rings to close over all that needs one. From here outwards, each double bond that waits takes a ring that was opened at its atom or before, and
    /// what is still pending in a chain takes one if those closed by then do not cover it. The deepest opener that will do is taken, since what is further out
    /// can only use others.
    fn covers(&self, way: Way, here: u16) -> bool {
        let (mut used, mut low) = (0_u8, self.low);
        let mut take = |bound: u16, low: &mut u16| {
            if bound == NONE {
                return true;
            }
            let rings = self.rings.iter().enumerate();
            let fitting = rings.filter(|&(at, ring)| used >> at & 1 == 0 && ring.opener <= bound);
            let Some((at, ring)) = fitting.max_by_key(|(_, ring)| ring.opener) else {
                return false;
            };
            used |= 1 << at;
            *low = ring.opener.min(*low);
            true
        };
        if !take(here.min(self.pending), &mut low) {
            return false;
        }
        let waiting = way >> FIRST_LEVEL;
        self.levels.iter().enumerate().all(|(at, level)| {
            let pending = if low <= level.pending {
                NONE
            } else {
                level.pending
            };
            let waits = if waiting >> at & 1 == 1 {
                level.depth
            } else {
                NONE
            };
            take(waits.min(pending), &mut low)
        })
    }

    /// An aromatic atom or bond must come to lie on a ring that was opened at `bound` or before.
    pub(super) fn require(&mut self, bound: u16) {
        self.pending = self.pending.min(bound);
    }

    pub(super) fn closed(&mut self, digit: usize) {
        let opener = self.rings[digit].opener;
        self.rings[digit] = Self::START.rings[0];
        self.low = self.low.min(opener);
        if opener <= self.pending {
            self.pending = NONE;
        }
    }

    /// Goes into a branch of the atom at `depth`, but for the ways. Where something follows behind the branch, what is pending may wait for that.
    pub(super) fn enter(&mut self, depth: u16, later: Later, follows: bool) {
        // What was closed in this chain so far covers what is around it, too.
        for level in &mut self.levels {
            if self.low <= level.pending {
                level.pending = NONE;
            }
        }
        let lost = self.levels[LEVELS - 1].pending;
        self.levels.copy_within(..LEVELS - 1, 1);
        let depth = if later == Later::Ring { depth } else { NONE };
        let mut pending = NONE;
        if follows {
            std::mem::swap(&mut pending, &mut self.pending);
            self.low = NONE;
        }
        self.levels[0] = Level { depth, pending };
        // What is pending further out than the levels reach is asked for earlier than it must be.
        let last = &mut self.levels[LEVELS - 1].pending;
        *last = lost.min(*last);
    }

    /// Comes out of a branch that was entered from `before`.
    pub(super) fn leave(&mut self, before: &Self) {
        self.levels = before.levels;
        self.ways = self.ways.map(|way| {
            let (digits, levels) = (way & 0xff, way >> FIRST_LEVEL);
            let back = digits | (levels & 1) << 8 | (levels >> 1) << FIRST_LEVEL;
            [(way & HERE == 0).then_some(back), None]
        });
        self.pending = if self.low <= before.pending {
            NONE
        } else {
            before.pending
        };
        self.low = self.low.min(before.low);
    }

    /// Whether a chain may end here: all rings from `must` on are closed, and nothing is pending.
    pub(super) fn ended(self, depth: u16, must: u16) -> Option<Self> {
        if self.opened_from(must).next().is_some() || self.pending != NONE {
            return None;
        }
        self.viable(depth, Later::Nothing)
    }
}
