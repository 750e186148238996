//! One field of all documents: which value is where.
//!
//! Nulls, booleans, numbers and strings are keys, sorted as filters order them, each with the positions that hold it. Lists and maps are
//! known by their positions alone, and lists by the keys among their items; where a condition compares them as a whole, the documents are asked.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use hashbrown::HashMap;
use roaring::RoaringBitmap;

use super::Condition;
use crate::rows::Positions;
use crate::value::Value;

/// The values of a field.
#[derive(Debug)]
pub(super) struct Column {
    absent: RoaringBitmap,
    values: Keys,
    /// Positions of lists and maps.
    compound: RoaringBitmap,
    /// The keys among the items of lists.
    items: Keys,
}

impl Column {
    /// The column of these values, by position; `None` if it would take more than `limit` bytes, of which there are at most 4 GiB, so that
    /// positions can be counted in 32 bits.
    pub(super) fn of<'v>(values: impl Iterator<Item = Option<Cow<'v, Value>>>, limit: u64) -> Option<Self> {
        let (mut absent, mut compound) = (Vec::new(), Vec::new());
        let (mut keys, mut items) = (KeysBuilder::default(), KeysBuilder::default());
        for (value, position) in values.zip(0..) {
            match value.as_deref() {
                None => absent.push(position),
                Some(value) if is_key(value) => keys.add(value, position),
                Some(value) => {
                    compound.push(position);
                    let list = value.as_list().unwrap_or_default();
                    list.iter().filter(|item| is_key(item)).for_each(|item| items.add(item, position));
                }
            }
            if keys.bytes + items.bytes > limit.saturating_mul(2) {
                return None;
            }
        }
        let [absent, compound] = [absent, compound].map(|positions| bitmap_of(positions.into_iter()));
        let column = Self { absent, values: keys.finish(), compound, items: items.finish() };
        (column.bytes() <= limit).then_some(column)
    }

    /// Leaves those of some positions where a condition holds. `holds` asks the document at a position.
    pub(super) fn narrow(&self, condition: &Condition, among: &mut Positions, holds: impl Fn(usize) -> bool) {
        let negated =
            matches!(condition, Condition::NotEqual(_) | Condition::NotIn(_) | Condition::Exists(true));
        let mut found = among.to_empty();
        self.find(condition, &mut found);
        if compares_compounds(condition) {
            let asked = self.compound.iter().map(|position| position as usize);
            asked
                .filter(|&position| among.contains(position) && holds(position) != negated)
                .for_each(|position| found.insert(position));
        }
        if negated { among.subtract(&found) } else { among.intersect(&found) }
    }

    /// The positions where a condition, or what a negated one denies, holds by keys.
    fn find(&self, condition: &Condition, found: &mut Positions) {
        match condition {
            Condition::Equal(value) | Condition::NotEqual(value) => self.find_equal(value, found),
            Condition::Ordered(bound, accepted) => {
                self.values.collect(self.values.ordered(bound, accepted), found);
            }
            Condition::In(items) | Condition::NotIn(items) => {
                for text in &items.strings {
                    self.values.collect(self.values.equal_text(text), found);
                }
                items.others.iter().for_each(|value| self.find_equal(value, found));
            }
            Condition::Contains(wanted) => {
                if let Value::String(part) = wanted {
                    self.values.collect_texts_with(part, found);
                }
                self.items.collect(self.items.equal(wanted), found);
            }
            Condition::Exists(_) => collect(&self.absent, found),
        }
    }

    fn find_equal(&self, value: &Value, found: &mut Positions) {
        if *value == Value::Null {
            collect(&self.absent, found);
        }
        self.values.collect(self.values.equal(value), found);
    }

    /// Forgets positions; `moved` says where the others have gone.
    pub(super) fn remove(&mut self, moved: &[Option<u32>]) {
        self.absent = renumbered(&self.absent, moved);
        self.compound = renumbered(&self.compound, moved);
        self.values.remove(moved);
        self.items.remove(moved);
    }

    /// Bytes it takes, about.
    pub(super) fn bytes(&self) -> u64 {
        size_of::<Self>() as u64
            + bitmap_bytes(&self.absent)
            + bitmap_bytes(&self.compound)
            + self.values.bytes()
            + self.items.bytes()
    }
}

/// Whether a condition can hold for some lists or maps and not for others, other than by the keys in a list.
fn compares_compounds(condition: &Condition) -> bool {
    match condition {
        Condition::Equal(value)
        | Condition::NotEqual(value)
        | Condition::Ordered(value, _)
        | Condition::Contains(value) => !is_key(value),
        Condition::In(items) | Condition::NotIn(items) => items.others.iter().any(|value| !is_key(value)),
        Condition::Exists(_) => false,
    }
}

/// Whether a value has a place in the order of keys: all but lists, maps and NaN.
fn is_key(value: &Value) -> bool {
    match value {
        Value::Float(x) => !x.is_nan(),
        Value::List(_) | Value::Map(_) => false,
        _ => true,
    }
}

/// The order of keys: by kind, then as filters order them. Equal are those that [`Value::same_as`] says are the same.
fn key_order(a: &Value, b: &Value) -> Ordering {
    kind(a).cmp(&kind(b)).then_with(|| a.order(b).unwrap_or(Ordering::Equal))
}

fn kind(key: &Value) -> u8 {
    match key {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => 2,
        Value::String(_) | Value::List(_) | Value::Map(_) => 3,
    }
}

/// Keys in order, each once, with the positions of each.
#[derive(Debug)]
struct Keys {
    keys: Vec<Value>,
    postings: Postings,
}

impl Keys {
    /// Where the key is that equals a value.
    fn equal(&self, value: &Value) -> Range<usize> {
        if !is_key(value) {
            return 0..0;
        }
        let at = self.keys.partition_point(|key| key_order(key, value).is_lt());
        at..at + usize::from(self.keys.get(at).is_some_and(|key| key.same_as(value)))
    }

    fn equal_text(&self, text: &str) -> Range<usize> {
        // Strings come last.
        let at = self.keys.partition_point(|key| key.as_str().is_none_or(|key| key < text));
        at..at + usize::from(self.keys.get(at).is_some_and(|key| key.as_str() == Some(text)))
    }

    /// Where the keys are whose order to a value is one of those accepted.
    fn ordered(&self, bound: &Value, accepted: &[Ordering; 2]) -> Range<usize> {
        if !is_key(bound) || *bound == Value::Null {
            return 0..0;
        }
        let first = self.keys.partition_point(|key| kind(key) < kind(bound));
        let end = self.keys.partition_point(|key| kind(key) <= kind(bound));
        let less = self.keys.partition_point(|key| key_order(key, bound).is_lt());
        let equal = self.keys.partition_point(|key| key_order(key, bound).is_le());
        let holds = |ordering| accepted.contains(&ordering);
        let start = if holds(Ordering::Less) {
            first
        } else if holds(Ordering::Equal) {
            less
        } else {
            equal
        };
        let end = if holds(Ordering::Greater) {
            end
        } else if holds(Ordering::Equal) {
            equal
        } else {
            less
        };
        start..end
    }

    fn collect(&self, keys: Range<usize>, found: &mut Positions) {
        match &self.postings {
            Postings::Bitmaps(bitmaps) => bitmaps[keys].iter().for_each(|bitmap| collect(bitmap, found)),
            Postings::Lists { ends, positions } => {
                let end_of = |key: usize| ends.get(key.wrapping_sub(1)).map_or(0, |&end| end as usize);
                let positions = &positions[end_of(keys.start)..end_of(keys.end)];
                positions.iter().for_each(|&position| found.insert(position as usize));
            }
        }
    }

    fn collect_texts_with(&self, part: &str, found: &mut Positions) {
        let first = self.keys.partition_point(|key| key.as_str().is_none());
        for (at, key) in self.keys.iter().enumerate().skip(first) {
            if key.as_str().is_some_and(|text| text.contains(part)) {
                self.collect(at..at + 1, found);
            }
        }
    }

    fn remove(&mut self, moved: &[Option<u32>]) {
        let mut kept = Vec::with_capacity(self.keys.len());
        match &mut self.postings {
            Postings::Bitmaps(bitmaps) => {
                bitmaps.retain_mut(|bitmap| {
                    *bitmap = renumbered(bitmap, moved);
                    kept.push(!bitmap.is_empty());
                    !bitmap.is_empty()
                });
            }
            Postings::Lists { ends, positions } => {
                let (mut from, mut to) = (0, 0);
                ends.retain_mut(|end| {
                    let before = to;
                    for at in from..*end as usize {
                        if let Some(position) = moved[positions[at] as usize] {
                            positions[to] = position;
                            to += 1;
                        }
                    }
                    from = *end as usize;
                    *end = to as u32;
                    kept.push(to > before);
                    to > before
                });
                positions.truncate(to);
            }
        }
        let mut kept = kept.into_iter();
        self.keys.retain(|_| kept.next().unwrap_or(true));
    }

    fn bytes(&self) -> u64 {
        let texts: usize = self.keys.iter().filter_map(Value::as_str).map(text_bytes).sum();
        let keys = (self.keys.capacity() * size_of::<Value>() + texts) as u64;
        keys + match &self.postings {
            Postings::Bitmaps(bitmaps) => bitmaps.iter().map(bitmap_bytes).sum(),
            Postings::Lists { ends, positions } => {
                ((ends.capacity() + positions.capacity()) * size_of::<u32>()) as u64
            }
        }
    }
}

/// The positions of each key, ascending.
#[derive(Debug)]
enum Postings {
    /// Of keys that many documents share.
    Bitmaps(Vec<RoaringBitmap>),
    /// Of keys that are nearly as many as documents: those of key `i` end where `ends[i]` says.
    Lists { ends: Vec<u32>, positions: Vec<u32> },
}

/// From how many documents a key on, by average, bitmaps are smaller.
const SHARED_BY: usize = 64;

/// Keys with positions as they come, position by position.
#[derive(Debug, Default)]
struct KeysBuilder {
    texts: HashMap<String, Vec<u32>>,
    others: Vec<(Value, u32)>,
    /// What they take until now, about.
    bytes: u64,
}

impl KeysBuilder {
    fn add(&mut self, key: &Value, position: u32) {
        let Value::String(text) = key else {
            self.others.push((key.clone(), position));
            self.bytes += size_of::<(Value, u32)>() as u64;
            return;
        };
        self.bytes += size_of::<u32>() as u64;
        match self.texts.get_mut(text) {
            Some(positions) => positions.push(position),
            None => {
                self.bytes += (size_of::<(String, Vec<u32>)>() + text_bytes(text)) as u64;
                self.texts.insert(text.clone(), vec![position]);
            }
        }
    }

    fn finish(mut self) -> Keys {
        let (mut keys, mut ends, mut positions) = (Vec::new(), Vec::new(), Vec::<u32>::new());
        // Stable, so that positions stay in order.
        self.others.sort_by(|(a, _), (b, _)| key_order(a, b));
        for (key, position) in self.others {
            if keys.last().is_none_or(|last| key_order(last, &key).is_ne()) {
                keys.push(key);
                ends.push(0);
            } else if positions.last() == Some(&position) {
                // One list has the item twice.
                continue;
            }
            positions.push(position);
            *ends.last_mut().expect("a key was put in") = positions.len() as u32;
        }
        let mut texts: Vec<_> = self.texts.into_iter().collect();
        texts.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (text, mut of_text) in texts {
            of_text.dedup();
            positions.extend(of_text);
            ends.push(positions.len() as u32);
            keys.push(Value::String(text));
        }
        keys.shrink_to_fit();
        Keys { postings: Postings::of(ends, positions), keys }
    }
}

impl Postings {
    fn of(mut ends: Vec<u32>, mut positions: Vec<u32>) -> Self {
        if positions.len() / SHARED_BY < ends.len() {
            ends.shrink_to_fit();
            positions.shrink_to_fit();
            return Postings::Lists { ends, positions };
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let runs = starts.zip(&ends).map(|(start, &end)| &positions[start as usize..end as usize]);
        Postings::Bitmaps(runs.map(|run| bitmap_of(run.iter().copied())).collect())
    }
}

fn bitmap_of(positions: impl Iterator<Item = u32>) -> RoaringBitmap {
    let mut bitmap = RoaringBitmap::from_sorted_iter(positions).expect("positions come in order, each once");
    bitmap.optimize();
    bitmap
}

fn renumbered(bitmap: &RoaringBitmap, moved: &[Option<u32>]) -> RoaringBitmap {
    bitmap_of(bitmap.iter().filter_map(|position| moved[position as usize]))
}

fn collect(bitmap: &RoaringBitmap, found: &mut Positions) {
    let mut positions = bitmap.iter();
    // Where most positions are in, runs are fewer than positions by enough to make up for what each costs.
    if bitmap.max().is_some_and(|last| bitmap.len() > u64::from(last) / 2) {
        while let Some(run) = positions.next_range() {
            found.insert_run(*run.start() as usize..*run.end() as usize + 1);
        }
    } else {
        positions.for_each(|position| found.insert(position as usize));
    }
}

/// What a string takes beside its place: its bytes, rounded up as allocators do.
fn text_bytes(text: &str) -> usize {
    text.len().next_multiple_of(16)
}

fn bitmap_bytes(bitmap: &RoaringBitmap) -> u64 {
    /// A record and two allocations' rounding.
    const CONTAINER: u64 = 64;
    let parts = bitmap.statistics();
    size_of::<RoaringBitmap>() as u64
        + u64::from(parts.n_containers) * CONTAINER
        // Two bytes each, counted as four by the crate.
        + parts.n_bytes_array_containers / 2
        + parts.n_bytes_run_containers
        + parts.n_bytes_bitset_containers
}
