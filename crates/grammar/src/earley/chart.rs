//! The chart: for every place of the text the items that hold there.
//!
//! An item `[A -> alpha . beta, origin]` in the set of place `i` says that `alpha` derives the terminals from `origin` to `i`. A set is made in two
//! steps. *Closing* it needs no terminal ahead: finished items advance those that waited for them, and a nonterminal that may
//! be empty is also stepped over. *Predicting* happens when the next terminal is known, and only productions that can begin with it are looked
//! at. So a set between two terminals says what may come next, and the sets before it hold little that leads nowhere.
//!
//! Items are flat, in the order of their making: what an item comes from has a smaller number, so derivations cannot run in circles.

use super::tables::{Next, Tables};
use super::{MAX_ITEMS, MAX_STEPS};
use crate::bits;
use crate::error::GrammarError;
use crate::grammar::Grammar;

pub(super) const NONE: u32 = u32::MAX;
/// As a cause: a terminal was read.
pub(super) const SCANNED: u32 = u32::MAX - 1;
/// As a cause: the nonterminal is empty.
pub(super) const EMPTY: u32 = u32::MAX - 2;
/// In place of what was advanced: Leo's leap over a chain of items of which each finishes the next.
pub(super) const LEAP: u32 = u32::MAX - 3;

#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) state: u32,
    pub(super) origin: u32,
    /// The item with the dot one symbol before, or [`LEAP`].
    pub(super) before: u32,
    /// What the symbol between is: [`SCANNED`], [`EMPTY`] or a finished item; [`NONE`] with the dot in front.
    pub(super) cause: u32,
    /// The next item of the set that waits for the same nonterminal.
    waiting: u32,
    /// Another `(before, cause)` of the same item: a place of ambiguity.
    pub(super) other: u32,
}

/// The items of a set that wait for a nonterminal.
#[derive(Debug, Clone, Copy)]
struct Head {
    nonterminal: u16,
    first: u32,
    /// Where a chain of unique waiting items ends: [`UNKNOWN`], [`NONE`] or the last item that waits.
    top: u32,
}

const UNKNOWN: u32 = u32::MAX - 1;

#[derive(Debug, Clone, Copy)]
struct Set {
    items: u32,
    heads: u32,
    others: u32,
    /// Ends of what closing has made.
    closed_items: u32,
    closed_heads: u32,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    key: u64,
    set: u64,
    item: u32,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Chart {
    pub(super) items: Vec<Item>,
    pub(super) others: Vec<(u32, u32)>,
    sets: Vec<Set>,
    heads: Vec<Head>,
    /// Open hash of the items of the set that is being closed; entries of other sets are as good as empty.
    seen: Vec<Seen>,
    seen_in_set: usize,
    /// Number of the set being made, never used twice.
    stamp: u64,
    /// For every nonterminal, its head in the set being made: (stamp, index).
    slots: Vec<(u64, u32)>,
    scans: Vec<(u32, u32, u32)>,
    leaps: Vec<u32>,
    steps: u64,
}

impl Chart {
    /// Begins anew, at the start of a text.
    pub(super) fn start(&mut self, grammar: &Grammar, tables: &Tables) -> Result<(), GrammarError> {
        self.items.clear();
        self.sets.clear();
        self.heads.clear();
        self.others.clear();
        self.steps = 0;
        self.slots.resize(grammar.nonterminals(), (0, 0));
        if self.seen.is_empty() {
            self.seen = vec![
                Seen {
                    key: 0,
                    set: 0,
                    item: 0
                };
                256
            ];
        }
        self.open_set();
        self.items.push(Item {
            state: tables.root(),
            origin: 0,
            before: NONE,
            cause: NONE,
            waiting: NONE,
            other: NONE,
        });
        self.close(grammar, tables)
    }

    /// How many terminals have been read.
    pub(super) fn len(&self) -> usize {
        self.sets.len() - 1
    }

    /// The finished root of the last set.
    pub(super) fn accepted(&self, tables: &Tables) -> Option<u32> {
        let from = self.sets.last()?.items;
        let mut items = self.items[from as usize..].iter();
        let at = items.position(|item| item.state == tables.root() + 1)?;
        Some(from + at as u32)
    }

    /// Adds the terminals that may come next.
    pub(super) fn allowed(&self, grammar: &Grammar, tables: &Tables, set: &mut [u64]) {
        let Some(last) = self.sets.last() else { return };
        for item in &self.items[last.items as usize..last.closed_items as usize] {
            if let Next::Terminal(terminal) = tables.states[item.state as usize].next {
                bits::insert(set, usize::from(terminal));
            }
        }
        for head in &self.heads[last.heads as usize..last.closed_heads as usize] {
            bits::union(set, grammar.analysis.first_of(head.nonterminal));
        }
    }

    /// The place at whose set an item was made.
    pub(super) fn end_of(&self, item: u32) -> usize {
        self.sets.partition_point(|set| set.items <= item) - 1
    }

    /// Reads one terminal; says whether it may stand here. If not, the chart is as it was.
    pub(super) fn push(
        &mut self,
        grammar: &Grammar,
        tables: &Tables,
        terminal: u16,
    ) -> Result<bool, GrammarError> {
        self.predict(grammar, tables, terminal)?;
        if self.scans.is_empty() {
            self.unpredict();
            return Ok(false);
        }
        self.open_set();
        for &(state, origin, before) in &self.scans {
            self.items.push(Item {
                state,
                origin,
                before,
                cause: SCANNED,
                waiting: NONE,
                other: NONE,
            });
        }
        self.close(grammar, tables)?;
        Ok(true)
    }

    /// Takes the last terminal back.
    pub(super) fn pop(&mut self) {
        if self.sets.len() > 1
            && let Some(set) = self.sets.pop()
        {
            self.items.truncate(set.items as usize);
            self.heads.truncate(set.heads as usize);
            self.others.truncate(set.others as usize);
            self.unpredict();
        }
    }

    fn open_set(&mut self) {
        self.stamp += 1;
        self.seen_in_set = 0;
        let (items, heads) = (self.items.len() as u32, self.heads.len() as u32);
        let others = self.others.len() as u32;
        self.sets.push(Set {
            items,
            heads,
            others,
            closed_items: items,
            closed_heads: heads,
        });
    }

    fn close(&mut self, grammar: &Grammar, tables: &Tables) -> Result<(), GrammarError> {
        let place = self.len() as u32;
        let mut at = self.sets[place as usize].items;
        while (at as usize) < self.items.len() {
            let item = self.items[at as usize];
            match tables.states[item.state as usize].next {
                Next::Terminal(_) => {}
                Next::Nonterminal(nonterminal) => {
                    self.wait(nonterminal, at);
                    if grammar.analysis.is_nullable(nonterminal) {
                        self.add(item.state + 1, item.origin, at, EMPTY);
                    }
                }
                // Empty ones have been stepped over already.
                Next::Done if item.origin == place => {}
                Next::Done => self.complete(tables, at, item),
            }
            self.steps += 1;
            if self.items.len() > MAX_ITEMS {
                return Err(GrammarError::Limit {
                    what: "the number of items of a parse",
                    limit: MAX_ITEMS,
                });
            }
            if self.steps > MAX_STEPS {
                return Err(GrammarError::Limit {
                    what: "the number of steps of a parse",
                    limit: MAX_STEPS as usize,
                });
            }
            at += 1;
        }
        let set = &mut self.sets[place as usize];
        (set.closed_items, set.closed_heads) = (self.items.len() as u32, self.heads.len() as u32);
        Ok(())
    }

    /// Advances what waited for a finished item where it began.
    fn complete(&mut self, tables: &Tables, at: u32, item: Item) {
        let lhs = tables.states[item.state as usize].lhs;
        let Some(head) = self.head(item.origin, lhs) else {
            return;
        };
        let top = self.top(tables, head);
        if top != NONE {
            let waiting = self.items[top as usize];
            // A chain of one is no leap.
            let before = if self.heads[head as usize].first == top {
                top
            } else {
                LEAP
            };
            return self.add(waiting.state + 1, waiting.origin, before, at);
        }
        let mut next = self.heads[head as usize].first;
        while next != NONE {
            let waiting = self.items[next as usize];
            self.add(waiting.state + 1, waiting.origin, next, at);
            next = waiting.waiting;
        }
    }

    fn head(&self, set: u32, nonterminal: u16) -> Option<u32> {
        let from = self.sets[set as usize].heads;
        let to = self.sets[set as usize + 1].heads;
        let heads = &self.heads[from as usize..to as usize];
        let at = if heads.len() <= SORTED_FROM {
            heads
                .iter()
                .position(|head| head.nonterminal == nonterminal)
        } else {
            heads
                .binary_search_by_key(&nonterminal, |head| head.nonterminal)
                .ok()
        }?;
        Some(from + at as u32)
    }

    /// The one item of a head, if it is the only one and its production ends with what it waits for.
    pub(super) fn only(&self, tables: &Tables, set: u32, nonterminal: u16) -> Option<u32> {
        let head = self.head(set, nonterminal)?;
        self.only_of(tables, self.heads[head as usize])
    }

    fn only_of(&self, tables: &Tables, head: Head) -> Option<u32> {
        let item = self.items[head.first as usize];
        let last = tables.states[item.state as usize + 1].next == Next::Done;
        (item.waiting == NONE && last).then_some(head.first)
    }

    /// Follows a chain of unique waiting items to its end, which all of its heads then know.
    fn top(&mut self, tables: &Tables, head: u32) -> u32 {
        if self.heads[head as usize].top != UNKNOWN {
            return self.heads[head as usize].top;
        }
        let (mut at, mut top) = (head, NONE);
        self.leaps.clear();
        while let Some(waiting) = self.only_of(tables, self.heads[at as usize]) {
            self.leaps.push(at);
            // A circle of unit productions comes back to a head whose end is being looked for.
            self.heads[at as usize].top = waiting;
            top = waiting;
            let item = self.items[waiting as usize];
            let lhs = tables.states[item.state as usize].lhs;
            let Some(next) = self.head(item.origin, lhs) else {
                break;
            };
            if self.heads[next as usize].top != UNKNOWN {
                let known = self.heads[next as usize].top;
                if known != NONE && !self.leaps.contains(&next) {
                    top = known;
                }
                break;
            }
            at = next;
        }
        if self.leaps.is_empty() {
            self.heads[head as usize].top = NONE;
        }
        for &passed in &self.leaps {
            self.heads[passed as usize].top = top;
        }
        top
    }

    fn add(&mut self, state: u32, origin: u32, before: u32, cause: u32) {
        self.steps += 1;
        if self.seen_in_set * 2 >= self.seen.len() {
            self.grow_seen();
        }
        let key = u64::from(state) << 32 | u64::from(origin);
        let mask = self.seen.len() - 1;
        let mut at = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize & mask;
        while self.seen[at].set == self.stamp {
            if self.seen[at].key == key {
                let item = self.seen[at].item as usize;
                if self.items[item].other == NONE {
                    self.items[item].other = self.others.len() as u32;
                    self.others.push((before, cause));
                }
                return;
            }
            at = (at + 1) & mask;
        }
        self.seen[at] = Seen {
            key,
            set: self.stamp,
            item: self.items.len() as u32,
        };
        self.seen_in_set += 1;
        self.items.push(Item {
            state,
            origin,
            before,
            cause,
            waiting: NONE,
            other: NONE,
        });
    }

    fn grow_seen(&mut self) {
        let size = self.seen.len() * 2;
        let old = std::mem::replace(
            &mut self.seen,
            vec![
                Seen {
                    key: 0,
                    set: 0,
                    item: 0
                };
                size
            ],
        );
        for seen in old.into_iter().filter(|seen| seen.set == self.stamp) {
            let mut at = (seen.key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize & (size - 1);
            while self.seen[at].set == self.stamp {
                at = (at + 1) & (size - 1);
            }
            self.seen[at] = seen;
        }
    }

    fn wait(&mut self, nonterminal: u16, item: u32) {
        let slot = &mut self.slots[usize::from(nonterminal)];
        if slot.0 == self.stamp {
            let head = &mut self.heads[slot.1 as usize];
            self.items[item as usize].waiting = head.first;
            head.first = item;
        } else {
            *slot = (self.stamp, self.heads.len() as u32);
            self.heads.push(Head {
                nonterminal,
                first: item,
                top: UNKNOWN,
            });
        }
    }

    /// Items with the dot in front, for productions that can begin with the terminal, and what the terminal advances.
    fn predict(
        &mut self,
        grammar: &Grammar,
        tables: &Tables,
        terminal: u16,
    ) -> Result<(), GrammarError> {
        let place = self.len() as u32;
        let set = self.sets[place as usize];
        self.scans.clear();
        for at in set.items..set.closed_items {
            let item = self.items[at as usize];
            if tables.states[item.state as usize].next == Next::Terminal(terminal) {
                self.scans.push((item.state + 1, item.origin, at));
            }
        }
        let (words, first) = (grammar.analysis.words, &grammar.analysis.first);
        let (word, bit) = (usize::from(terminal) / 64, 1 << (terminal % 64));
        let mut head = set.heads as usize;
        while head < self.heads.len() {
            for &production in grammar.productions_of(self.heads[head].nonterminal) {
                if first[usize::from(production) * words + word] & bit != 0 {
                    self.predict_one(grammar, tables, (production, terminal), place);
                }
                self.steps += 1;
            }
            head += 1;
        }
        let heads = &mut self.heads[set.heads as usize..];
        if heads.len() > SORTED_FROM {
            heads.sort_unstable_by_key(|head| head.nonterminal);
        }
        if self.items.len() > MAX_ITEMS {
            return Err(GrammarError::Limit {
                what: "the number of items of a parse",
                limit: MAX_ITEMS,
            });
        }
        Ok(())
    }

    fn predict_one(
        &mut self,
        grammar: &Grammar,
        tables: &Tables,
        (production, terminal): (u16, u16),
        place: u32,
    ) {
        let mut state = tables.first[usize::from(production)];
        let (mut before, mut cause) = (NONE, NONE);
        loop {
            let item = self.items.len() as u32;
            match tables.states[state as usize].next {
                Next::Done => return,
                Next::Terminal(found) => {
                    if found == terminal {
                        // With the dot in front the item itself is needed by no one.
                        let from = if before == NONE { NONE } else { item };
                        self.scans.push((state + 1, place, from));
                        if before != NONE {
                            self.items.push(Item {
                                state,
                                origin: place,
                                before,
                                cause,
                                waiting: NONE,
                                other: NONE,
                            });
                        }
                    }
                    return;
                }
                Next::Nonterminal(nonterminal) => {
                    self.items.push(Item {
                        state,
                        origin: place,
                        before,
                        cause,
                        waiting: NONE,
                        other: NONE,
                    });
                    self.wait(nonterminal, item);
                    if !grammar.analysis.is_nullable(nonterminal) {
                        return;
                    }
                    (before, cause, state) = (item, EMPTY, state + 1);
                }
            }
        }
    }

    /// Takes back what was predicted in the last set.
    fn unpredict(&mut self) {
        let Some(set) = self.sets.last().copied() else {
            return;
        };
        // Heads may have been sorted; those of closing are the ones that still have an item of closing.
        let mut kept = set.heads as usize;
        self.stamp += 1;
        for at in set.heads as usize..self.heads.len() {
            let mut head = self.heads[at];
            while head.first != NONE && head.first >= set.closed_items {
                head.first = self.items[head.first as usize].waiting;
            }
            if head.first != NONE {
                head.top = UNKNOWN;
                self.slots[usize::from(head.nonterminal)] = (self.stamp, kept as u32);
                self.heads[kept] = head;
                kept += 1;
            }
        }
        self.heads.truncate(kept);
        self.items.truncate(set.closed_items as usize);
    }
}

/// Sets with more heads keep them sorted.
const SORTED_FROM: usize = 16;
