//! Classes of characters as ranges, and how wide ones are cut into terminals that share nothing.

use std::collections::BTreeMap;

use super::cursor::Cursor;
use crate::error::GrammarError;

/// Sorted, disjoint, both ends included.
pub(super) type Ranges = Vec<(char, char)>;

/// Most wide classes, so that membership fits a word.
const MAX_WIDE: usize = 64;

pub(super) fn merged(mut ranges: Ranges) -> Ranges {
    ranges.sort_unstable();
    let mut merged: Ranges = Vec::new();
    for (low, high) in ranges {
        match merged.last_mut() {
            Some(last) if after(last.1).is_none_or(|next| low <= next) => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
}

pub(super) fn negated(ranges: &[(char, char)]) -> Ranges {
    let mut rest = Vec::new();
    let mut from = Some('\0');
    for &(low, high) in ranges {
        if let (Some(from), Some(to)) = (from, before(low))
            && from <= to
        {
            rest.push((from, to));
        }
        from = after(high);
    }
    rest.extend(from.map(|from| (from, char::MAX)));
    rest
}

fn after(c: char) -> Option<char> {
    (c..=char::MAX).nth(1)
}

fn before(c: char) -> Option<char> {
    ('\0'..=c).rev().nth(1)
}

/// The class that an escape such as `\d` stands for, if it is one; the cursor moves only then.
pub(super) fn escaped(cursor: &mut Cursor<'_>) -> Option<Ranges> {
    let letter = cursor.rest().strip_prefix('\\')?.chars().next()?;
    let ranges = match letter.to_ascii_lowercase() {
        'd' => vec![('0', '9')],
        'w' => vec![('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        's' => vec![('\t', '\r'), (' ', ' ')],
        _ => return None,
    };
    cursor.bump();
    cursor.bump();
    Some(if letter.is_ascii_uppercase() {
        negated(&ranges)
    } else {
        ranges
    })
}

pub(super) fn size(ranges: &[(char, char)]) -> usize {
    ranges
        .iter()
        .map(|&(low, high)| (high as usize).saturating_sub(low as usize) + 1)
        .sum()
}

/// How wide classes are cut: pieces that no single character and no other class runs through.
#[derive(Debug, Default)]
pub(super) struct Cut {
    wide: Vec<Ranges>,
    /// Terminals of their own, sorted.
    singles: Vec<char>,
    /// Which classes hold a piece, and the piece.
    pieces: BTreeMap<u64, Ranges>,
}

impl Cut {
    /// `singles` are terminals of their own, sorted.
    pub(super) fn new(mut wide: Vec<Ranges>, singles: Vec<char>) -> Result<Self, GrammarError> {
        wide.sort_unstable();
        wide.dedup();
        if wide.len() > MAX_WIDE {
            return Err(GrammarError::Limit {
                what: "the number of different wide classes of characters",
                limit: MAX_WIDE,
            });
        }
        let mut bounds = vec!['\0'];
        let mut cut = |low: char, high: char| {
            bounds.push(low);
            bounds.extend(after(high));
        };
        wide.iter()
            .flatten()
            .for_each(|&(low, high)| cut(low, high));
        for &single in &singles {
            cut(single, single);
        }
        bounds.sort_unstable();
        bounds.dedup();
        let mut pieces: BTreeMap<u64, Ranges> = BTreeMap::new();
        for (at, &low) in bounds.iter().enumerate() {
            let high = bounds
                .get(at + 1)
                .map_or(Some(char::MAX), |&next| before(next));
            let holders = (0..wide.len()).filter(|&class| holds(&wide[class], low));
            let holders = holders.fold(0, |mask, class| mask | 1 << class);
            if let Some(high) = high
                && holders != 0
                && singles.binary_search(&low).is_err()
            {
                pieces.entry(holders).or_default().push((low, high));
            }
        }
        let pieces = pieces
            .into_iter()
            .map(|(holders, ranges)| (holders, merged(ranges)))
            .collect();
        Ok(Self {
            wide,
            singles,
            pieces,
        })
    }

    /// The single characters that are in a class.
    pub(super) fn singles(&self, class: &Ranges) -> Vec<char> {
        self.singles
            .iter()
            .copied()
            .filter(|&c| holds(class, c))
            .collect()
    }

    /// The pieces of a wide class.
    pub(super) fn pieces(&self, class: &Ranges) -> impl Iterator<Item = &Ranges> {
        let at = self.wide.binary_search(class).ok();
        let holders = self.pieces.iter();
        holders
            .filter(move |(mask, _)| at.is_some_and(|at| *mask >> at & 1 == 1))
            .map(|(_, piece)| piece)
    }
}

pub(super) fn holds(ranges: &[(char, char)], c: char) -> bool {
    let after = ranges.partition_point(|&(low, _)| low <= c);
    after > 0 && c <= ranges[after - 1].1
}

/// A character that stands for a class: a letter or digit if there is one, else something that prints.
pub(super) fn representative(ranges: &[(char, char)]) -> char {
    let liked = ('a'..='z')
        .chain('A'..='Z')
        .chain('0'..='9')
        .chain('!'..='~')
        .chain([' ']);
    let mut liked = liked.filter(|&c| holds(ranges, c));
    liked
        .next()
        .or(ranges.first().map(|range| range.0))
        .unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negation_is_its_own_inverse() {
        for class in [
            vec![],
            vec![('a', 'z')],
            vec![
                ('\0', '@'),
                ('\u{d000}', '\u{e000}'),
                ('\u{10fff0}', char::MAX),
            ],
        ] {
            assert_eq!(negated(&negated(&class)), class);
            let inside = ['\0', '@', 'A', 'b', '\u{d7ff}', '\u{e001}', char::MAX];
            assert!(
                inside
                    .iter()
                    .all(|&c| holds(&class, c) != holds(&negated(&class), c))
            );
        }
    }

    #[test]
    fn pieces_share_nothing_and_leave_nothing_out() {
        let wide = vec![negated(&[('"', '"'), ('\\', '\\')]), vec![('\0', '\u{7f}')]];
        let singles = ['"', 'a'];
        let cut = Cut::new(wide.clone(), singles.to_vec()).unwrap();
        for c in ('\0'..='\u{100}').chain(['\u{d7ff}', '\u{e000}', char::MAX]) {
            for class in &wide {
                let found = cut.pieces(class).filter(|piece| holds(piece, c)).count();
                assert_eq!(
                    found,
                    usize::from(holds(class, c) && !singles.contains(&c)),
                    "{c:?}"
                );
            }
        }
    }
}
