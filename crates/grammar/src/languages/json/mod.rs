//! JSON, and schemas: values have the kind and objects the fields that a schema says.
//!
//! Which field comes next is a lazy attribute of a member: it is decided before the letters of its key, which then have no choice. Fields come in
//! any order, each once, all required ones. Under [`Schema::Any`] objects are as JSON has them, keys unchecked.

mod names;
mod schema;

use names::Names;
pub use schema::{Field, MAX_FIELDS, Schema};

use crate::attribute::{Attributes, keep};
use crate::bits;
use crate::error::GrammarError;
use crate::grammar::Grammar;
use crate::languages::productions::nonterminal;
use crate::tree::Tree;

/// A schema in one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array(u32),
    Object {
        first: u32,
        count: u32,
        required: u64,
    },
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    kind: Kind,
    /// Fewest decisions of a `value`.
    cost: u32,
}

#[derive(Debug, Clone)]
struct Key {
    name: Vec<u8>,
    shape: u32,
    /// Fewest decisions of a `member`.
    cost: u32,
}

/// Where a node of a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    shape: u32,
    /// Fields of the object that have not come yet.
    open: u64,
    /// The field of this member.
    field: u32,
    /// How many letters of the key there are; `None` in a string that is free.
    letters: Option<u32>,
    /// Whether no member follows.
    last: bool,
    /// Decisions that members to follow need beyond what was set aside for them before it was known which come first.
    debt: u32,
}

/// The attributes of JSON under a schema.
#[derive(Debug, Clone)]
pub struct Json {
    shapes: Vec<Shape>,
    keys: Vec<Key>,
    root: u32,
    values: usize,
    least: Vec<u32>,
    at: Names,
}

impl Json {
    /// The attributes of the language `json` under a schema.
    ///
    /// # Errors
    /// An object has more than [`MAX_FIELDS`] fields, two of one name, or a name that is not printable ASCII without quotes and backslashes.
    ///
    /// # Panics
    /// When the grammar is another.
    pub fn new(grammar: &Grammar, schema: &Schema) -> Result<Self, GrammarError> {
        let mut json = Self {
            shapes: Vec::new(),
            keys: Vec::new(),
            root: 0,
            values: 1,
            // Decisions: a member has its lazy attribute too.
            least: crate::analysis::fewest(
                grammar,
                |_| true,
                |n| 1 + u32::from(n == nonterminal(grammar, "member")),
            )
            .0,
            at: Names::new(grammar),
        };
        json.root = json.shape(schema)?;
        Ok(json)
    }

    fn least(&self, nonterminal: u16) -> u32 {
        self.least[usize::from(nonterminal)]
    }

    fn shape(&mut self, schema: &Schema) -> Result<u32, GrammarError> {
        let kind = match schema {
            Schema::Any => Kind::Any,
            Schema::Null => Kind::Null,
            Schema::Boolean => Kind::Boolean,
            Schema::Integer => Kind::Integer,
            Schema::Number => Kind::Number,
            Schema::String => Kind::String,
            Schema::Array(items) => Kind::Array(self.shape(items)?),
            Schema::Object(fields) => self.object(fields)?,
        };
        // A value, then its kind: objects, arrays, strings and numbers are nonterminals, words are not.
        let cost = match kind {
            Kind::Any | Kind::Null | Kind::Boolean => 1,
            Kind::Integer | Kind::Number => 1 + self.least(self.at.number),
            Kind::String => 1 + self.least(self.at.key),
            Kind::Array(_) => 3,
            Kind::Object { required: 0, .. } => 1 + self.least(self.at.object),
            Kind::Object { required, .. } => 3 + self.members(kind, required),
        };
        self.shapes.push(Shape { kind, cost });
        Ok(self.shapes.len() as u32 - 1)
    }

    fn object(&mut self, fields: &[Field]) -> Result<Kind, GrammarError> {
        if fields.len() > MAX_FIELDS {
            return Err(GrammarError::Limit {
                what: "the number of fields of an object",
                limit: MAX_FIELDS,
            });
        }
        let mut keys: Vec<Key> = Vec::new();
        let mut required = 0;
        for (at, field) in fields.iter().enumerate() {
            let name = field.name.as_bytes();
            let plain = name
                .iter()
                .all(|&b| b.is_ascii() && self.at.plain_of[usize::from(b)] != u16::MAX);
            if !plain || keys.iter().any(|key| key.name == name) {
                let message = format!(
                    "`{}` is no name for a field: expected printable ASCII without quotes and backslashes, once",
                    field.name
                );
                return Err(GrammarError::Grammar { message });
            }
            required |= u64::from(field.required) << at;
            let shape = self.shape(&field.schema)?;
            // The field, the member, its key, three times no space, the value.
            let cost = 2 + self.key_cost(name.len() as u32) + 3 + self.shapes[shape as usize].cost;
            keys.push(Key {
                name: name.to_vec(),
                shape,
                cost,
            });
        }
        self.values = self.values.max(fields.len());
        let (first, count) = (self.keys.len() as u32, keys.len() as u32);
        self.keys.extend(keys);
        Ok(Kind::Object {
            first,
            count,
            required,
        })
    }

    /// A key: itself, three decisions per letter, the end.
    fn key_cost(&self, letters: u32) -> u32 {
        self.least(self.at.key) + 3 * letters
    }

    fn kind(&self, place: &Place) -> Kind {
        self.shapes[place.shape as usize].kind
    }

    fn key(&self, kind: Kind, field: usize) -> &Key {
        let Kind::Object { first, .. } = kind else {
            unreachable!("only objects have fields")
        };
        &self.keys[first as usize + field]
    }

    /// Fewest decisions of `members` with these fields left: all required ones, or one.
    fn members(&self, kind: Kind, open: u64) -> u32 {
        let Kind::Object { required, .. } = kind else {
            return self.least(self.at.members);
        };
        let costs = |set: u64| bits_of(set).map(move |field| self.key(kind, field).cost);
        let needed = open & required;
        if needed == 0 {
            return 1 + costs(open).min().unwrap_or(0);
        }
        costs(needed).sum::<u32>() + 2 * needed.count_ones() - 1
    }

    /// With another member to follow: fewest decisions of the rest whichever field comes first, and of both together.
    fn two(&self, kind: Kind, open: u64) -> (u32, u32) {
        let first = |field: usize| {
            let rest = self.members(kind, open & !(1 << field));
            (rest, self.key(kind, field).cost + rest)
        };
        let ways = bits_of(open).map(first);
        ways.fold((u32::MAX, u32::MAX), |(rest, both), way| {
            (rest.min(way.0), both.min(way.1))
        })
    }

    /// What the fields after the first need beyond what was set aside for them.
    fn debt(&self, place: &Place, after: u64) -> u32 {
        match self.kind(place) {
            kind @ Kind::Object { .. } => self.members(kind, after) - self.two(kind, place.open).0,
            _ => 0,
        }
    }

    fn value_extra(&self, shape: u32) -> u32 {
        self.shapes[shape as usize].cost - self.least(self.at.value)
    }

    fn element(&self, place: &Place) -> u32 {
        match self.kind(place) {
            Kind::Array(items) => items,
            _ => place.shape,
        }
    }

    /// Decisions for the letters of the key that are still to come.
    fn letters_left(&self, kind: Kind, place: &Place) -> u32 {
        let Some(letters) = place.letters else {
            return 0;
        };
        3 * (self.key(kind, place.field as usize).name.len() as u32).saturating_sub(letters)
    }
}

fn bits_of(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = set.trailing_zeros() as usize;
        set &= set.wrapping_sub(1);
        (at < 64).then_some(at)
    })
}

impl Attributes for Json {
    type Inherited = Place;
    /// The fields that have not come yet.
    type Synthesized = u64;

    fn root(&self) -> Place {
        Place {
            shape: self.root,
            open: 0,
            field: 0,
            letters: None,
            last: true,
            debt: 0,
        }
    }

    fn values(&self) -> usize {
        self.values
    }

    fn is_lazy(&self, nonterminal: u16) -> bool {
        nonterminal == self.at.member
    }

    fn offer(&self, _nonterminal: u16, place: &Place, free: u32, mut offer: impl FnMut(u16)) {
        let kind = self.kind(place);
        let Kind::Object { required, .. } = kind else {
            return offer(0);
        };
        let needed = place.open & required;
        let least = self.least(self.at.member);
        if place.last {
            // The last required field, if one is left.
            let choices = if needed == 0 { place.open } else { needed };
            let affordable =
                |&field: &usize| self.key(kind, field).cost <= free.saturating_add(least);
            return bits_of(choices)
                .filter(affordable)
                .for_each(|field| offer(field as u16));
        }
        let (rest, _) = self.two(kind, place.open);
        let room = free.saturating_add(least).saturating_add(rest);
        for field in bits_of(place.open) {
            if self.key(kind, field).cost + self.members(kind, place.open & !(1 << field)) <= room {
                offer(field as u16);
            }
        }
    }

    fn promise(&self, _nonterminal: u16, place: &mut Place, value: u16) {
        if let Kind::Object { .. } = self.kind(place) {
            if !place.last {
                place.debt += self.debt(place, place.open & !(1 << value));
            }
            place.field = value.into();
            place.letters = Some(0);
        }
    }

    /// The field of the key's name; the number of padding, which no mask holds, if there is none.
    fn realised(&self, tree: &Tree, node: u32, place: &Place) -> u16 {
        let kind = self.kind(place);
        let Kind::Object { first, count, .. } = kind else {
            return 0;
        };
        let production = |node: u32| tree.nodes()[node as usize].production;
        let (mut name, mut chars) = (Vec::new(), tree.children(tree.children(node)[0])[0]);
        while let &[char, rest] = tree.children(chars) {
            if production(char) != self.at.is_plain {
                return self.values as u16;
            }
            name.push(production(tree.children(char)[0]));
            chars = rest;
        }
        let is = |key: &Key| {
            key.name
                .iter()
                .map(|&b| self.at.plain_of[usize::from(b)])
                .eq(name.iter().copied())
        };
        let keys = &self.keys[first as usize..(first + count) as usize];
        keys.iter()
            .position(is)
            .map_or(self.values as u16, |field| field as u16)
    }

    fn allow(&self, nonterminal: u16, place: &Place, _free: u32, allowed: &mut [u64]) {
        let at = &self.at;
        let kind = self.kind(place);
        let mut forbid = |production: u16| bits::remove(allowed, usize::from(production));
        if nonterminal == at.value {
            let kinds: &[usize] = match kind {
                Kind::Any => return,
                Kind::Object { .. } => &[0],
                Kind::Array(_) => &[1],
                Kind::String => &[2],
                Kind::Number | Kind::Integer => &[3],
                Kind::Boolean => &[4, 5],
                Kind::Null => &[6],
            };
            for (number, &production) in at.kinds.iter().enumerate() {
                if !kinds.contains(&number) {
                    forbid(production);
                }
            }
        } else if nonterminal == at.number && kind == Kind::Integer {
            keep(allowed, at.int, 4, 1);
        } else if let (
            Kind::Object {
                count, required, ..
            },
            true,
        ) = (kind, nonterminal == at.object)
        {
            if required != 0 {
                forbid(at.empty_object);
            } else if count == 0 {
                forbid(at.full_object);
            }
        } else if let (Kind::Object { required, .. }, true) = (kind, nonterminal == at.members) {
            if (place.open & required).count_ones() > 1 {
                forbid(at.one_member);
            }
            if place.open.count_ones() < 2 {
                forbid(at.more_members);
            }
        } else if let Some(letters) = place.letters {
            let name = &self.key(kind, place.field as usize).name;
            let letter = name.get(letters as usize);
            if nonterminal == at.chars {
                forbid(if letter.is_some() { at.end } else { at.letter });
            } else if nonterminal == at.char {
                keep(allowed, at.is_plain, 2, 1);
            } else if nonterminal == at.plain {
                let production =
                    letter.map(|&letter| usize::from(at.plain_of[usize::from(letter)]));
                allowed.fill(0);
                if let Some(production) = production {
                    bits::insert(allowed, production);
                }
            }
        }
    }

    fn inherit(
        &self,
        production: u16,
        child: usize,
        place: &Place,
        siblings: &[Option<u64>],
    ) -> Place {
        let at = &self.at;
        let mut place = *place;
        if production == at.full_object && child == 1 {
            if let Kind::Object { count, .. } = self.kind(&place) {
                place.open = if count == 64 {
                    u64::MAX
                } else {
                    (1 << count) - 1
                };
            }
        } else if production == at.one_member {
            place.last = true;
        } else if production == at.more_members {
            place.last = false;
            let after = siblings[0].unwrap_or(place.open);
            if child == 1 {
                place.debt += self.debt(&place, after);
            } else if child == 2 {
                place.open = after;
            }
        } else if production == at.full_member && child > 0 {
            if child == 3
                && let kind @ Kind::Object { .. } = self.kind(&place)
            {
                place.shape = self.key(kind, place.field as usize).shape;
            }
            place.letters = None;
        } else if production == at.letter && child == 1 {
            place.letters = place.letters.map(|letters| letters + 1);
        } else if (production == at.one_item || production == at.more_items) && child == 0 {
            place.shape = self.element(&place);
        }
        place
    }

    fn synthesize(
        &self,
        production: u16,
        place: &Place,
        _children: &[Option<u64>],
    ) -> Result<u64, String> {
        Ok(if production == self.at.full_member {
            place.open & !(1 << place.field)
        } else {
            place.open
        })
    }

    fn reserve(&self, place: &Place) -> u32 {
        place.debt
    }

    const HAS_EXTRA: bool = true;

    fn extra(&self, production: u16, child: usize, place: &Place) -> u32 {
        let at = &self.at;
        let kind = self.kind(place);
        let object = matches!(kind, Kind::Object { .. });
        match (production, child) {
            (p, 1) if p == at.whole => self.value_extra(place.shape),
            (p, 0) if p == at.to_object && object => {
                self.shapes[place.shape as usize].cost - 1 - self.least(at.object)
            }
            (p, 1) if p == at.full_object && object => {
                let Kind::Object { count, .. } = kind else {
                    return 0;
                };
                let open = if count == 64 {
                    u64::MAX
                } else {
                    (1 << count) - 1
                };
                self.members(kind, open) - self.least(at.members)
            }
            (p, 0) if p == at.one_member && object => {
                self.members(kind, place.open) - 1 - self.least(at.member)
            }
            (p, 0) if p == at.more_members && object => {
                let (rest, both) = self.two(kind, place.open);
                both - rest - self.least(at.member)
            }
            (p, 2) if p == at.more_members && object => {
                self.two(kind, place.open).0 - self.least(at.members)
            }
            (p, 0) if p == at.full_member && object => {
                self.key_cost(self.key(kind, place.field as usize).name.len() as u32)
                    - self.least(at.key)
            }
            (p, 3) if p == at.full_member && object => {
                self.value_extra(self.key(kind, place.field as usize).shape)
            }
            (p, 0) if p == at.full_key => self.letters_left(kind, place),
            (p, 1) if p == at.letter => self.letters_left(kind, place).saturating_sub(3),
            (p, 1) if p == at.full_array => self.value_extra(self.element(place)),
            (p, 0) if p == at.one_item || p == at.more_items => {
                self.value_extra(self.element(place))
            }
            (p, 3) if p == at.more_items => self.value_extra(self.element(place)),
            _ => 0,
        }
    }
}
