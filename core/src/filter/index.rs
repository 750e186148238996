//! Filters answered from columns of metadata, not document by document (feature `metadata-index`).
//!
//! A column is made when a filter first names its field, and covers the documents there are then. Those added since are asked one by one
//! until they are many, and then the column is made again; what is deleted is taken out. A set found so is the set that
//! [`Filter::matches`] gives, and functions in a filter are asked about the same documents in the same order.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::column::Column;
use super::{Condition, Filter, Node, ask, look_up};
use crate::documents::Documents;
use crate::error::Result;
use crate::rows::Positions;

/// How many fields have a column at most; the one not asked for longest gives way.
const MAX_FIELDS: usize = 32;

/// What all columns may take together, as far as they do not have it for so few documents anyway.
const BYTES_A_DOCUMENT: u64 = 256;
const LEAST_BUDGET: u64 = 1 << 20;

/// How many documents may be there that a column does not cover.
fn most_uncovered(covered: usize) -> usize {
    512 + covered / 32
}

/// The columns of one store's documents.
#[derive(Debug, Default)]
pub(crate) struct MetadataIndex {
    /// Those asked last come first.
    fields: Mutex<Vec<Arc<Field>>>,
}

#[derive(Debug)]
struct Field {
    name: Box<str>,
    made: OnceLock<Made>,
}

#[derive(Debug)]
struct Made {
    /// How many documents were there.
    covered: usize,
    /// `None` where documents are asked one by one instead: it would take too much.
    column: Option<Column>,
}

impl MetadataIndex {
    /// The field of a name, to be made outside the lock.
    fn field(&self, name: &str) -> Arc<Field> {
        let mut fields = self.lock();
        let field = match fields.iter().position(|field| &*field.name == name) {
            Some(at) => fields.remove(at),
            None => Arc::new(Field { name: name.into(), made: OnceLock::new() }),
        };
        fields.insert(0, field.clone());
        fields.truncate(MAX_FIELDS);
        field
    }

    fn made<'f>(&self, field: &'f Field, documents: &Documents) -> &'f Made {
        if let Some(made) = field.made.get() {
            return made;
        }
        let budget = (documents.len() as u64 * BYTES_A_DOCUMENT).max(LEAST_BUDGET);
        let made = field.made.get_or_init(|| {
            let values = (0..documents.len()).map(|position| documents.look_up(position, &field.name));
            Made { covered: documents.len(), column: Column::of(values, (budget / 2).min(u32::MAX.into())) }
        });
        self.keep_within(budget);
        made
    }

    /// Forgets columns until the rest fits; those asked last stay.
    fn keep_within(&self, budget: u64) {
        let mut taken = 0;
        self.lock().retain(|field| {
            taken += field.bytes();
            taken <= budget
        });
    }

    /// Takes in that there are more documents now, `count` in all.
    pub(crate) fn grow(&mut self, count: usize) {
        self.fields_mut().retain(|field| {
            field.made.get().is_none_or(|made| count - made.covered <= most_uncovered(made.covered))
        });
    }

    /// Takes in that positions were taken out of `count`.
    pub(crate) fn remove(&mut self, gone: &Positions, count: usize) {
        let fields = self.fields_mut();
        if fields.is_empty() {
            return;
        }
        let mut next = 0;
        let moved: Vec<Option<u32>> = (0..count)
            .map(|position| {
                let stays = !gone.contains(position);
                next += u32::from(stays);
                stays.then(|| next - 1)
            })
            .collect();
        // Nobody else has the fields, since nobody searches now; if somebody had, the column would be made again.
        fields.retain_mut(|field| match Arc::get_mut(field) {
            Some(field) => {
                if let Some(made) = field.made.get_mut() {
                    made.remove(&moved);
                }
                true
            }
            None => false,
        });
    }

    /// Bytes that the columns take, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().iter().map(|field| field.bytes()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Field>>> {
        // Nothing that is done under the lock can leave it half done.
        self.fields.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fields_mut(&mut self) -> &mut Vec<Arc<Field>> {
        self.fields.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Field {
    fn bytes(&self) -> u64 {
        let column = self.made.get().and_then(|made| made.column.as_ref());
        (size_of::<Self>() + self.name.len()) as u64 + column.map_or(0, Column::bytes)
    }
}

impl Made {
    fn remove(&mut self, moved: &[Option<u32>]) {
        self.covered = moved[..self.covered].iter().flatten().count();
        if let Some(column) = &mut self.column {
            column.remove(moved);
        }
    }
}

impl Filter {
    /// The positions of the documents that pass, from columns; `None` if the filter has more than one function, which document by document
    /// would be asked in turns.
    pub(crate) fn positions(&self, documents: &Documents) -> Option<Result<Positions>> {
        let all = Positions::all(documents.len());
        (self.0.functions() <= 1).then(|| self.0.positions(documents, &all))
    }
}

impl Node {
    fn functions(&self) -> usize {
        match self {
            Node::All(parts) | Node::Any(parts) => parts.iter().map(Node::functions).sum(),
            Node::Not(part) => part.functions(),
            Node::Field(..) => 0,
            Node::Predicate(_) => 1,
        }
    }

    /// Those of some positions whose documents pass. Each part is asked about the documents only that the parts before it left
    /// open, as [`matches`](Node::matches) does.
    fn positions(&self, documents: &Documents, among: &Positions) -> Result<Positions> {
        let mut open = among.clone();
        match self {
            Node::All(parts) => {
                for part in parts {
                    open = part.positions(documents, &open)?;
                }
            }
            Node::Any(parts) => {
                let mut failed = among.clone();
                for part in parts {
                    failed.subtract(&part.positions(documents, &failed)?);
                }
                open.subtract(&failed);
            }
            Node::Not(part) => open.subtract(&part.positions(documents, among)?),
            Node::Field(name, conditions) => narrow_by_field(name, conditions, documents, &mut open),
            Node::Predicate(keep) => {
                for position in among.iter() {
                    if !ask(keep, documents.at(position))? {
                        open.remove(position);
                    }
                }
            }
        }
        Ok(open)
    }
}

/// Leaves those of some positions where all conditions hold for a field.
fn narrow_by_field(name: &str, conditions: &[Condition], documents: &Documents, among: &mut Positions) {
    if among.is_empty() {
        return;
    }
    let index = documents.metadata_index();
    let field = index.field(name);
    let made = index.made(&field, documents);
    let value_at = |position: usize| look_up(&documents.at(position).metadata, name);
    let covered = if made.column.is_some() { made.covered } else { 0 };
    let others: Vec<usize> = among
        .iter_from(covered)
        .filter(|&position| {
            let value = value_at(position);
            conditions.iter().all(|condition| condition.holds(value))
        })
        .collect();
    among.truncate(covered);
    if let Some(column) = &made.column {
        for condition in conditions {
            column.narrow(condition, among, |position| condition.holds(value_at(position)));
        }
    }
    others.into_iter().for_each(|position| among.insert(position));
}

#[cfg(test)]
mod tests;
