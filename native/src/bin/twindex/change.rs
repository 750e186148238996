//! `twindex delete` and `twindex merge`.

use serde::Serialize;
use twindex::core::{DeleteOptions, Error, Filter, Store};

use crate::args::{DeleteArgs, MergeArgs};
use crate::failure::Failure;
use crate::ui::{Ui, count, one_line};
use crate::{Ending, index_file};

/// Ids printed one by one for people.
const NAMED: usize = 20;

#[derive(Debug, Serialize)]
struct Deleted<'a> {
    index: String,
    deleted: usize,
    ids: &'a [String],
    count: usize,
    dry_run: bool,
}

pub(crate) async fn delete(args: DeleteArgs, ui: &Ui) -> Result<Ending, Failure> {
    let filter = args.filter.as_ref().map(Filter::parse).transpose()?;
    let (path, store, _lock) = args.index.open_to_change(ui).await?;
    let doomed = store.read(|store| match &filter {
        Some(filter) => matching(store, filter),
        None => known(store, &args.ids, args.ignore_unknown),
    })??;
    if !doomed.is_empty() {
        if args.dry_run {
            store.read(|store| store.index().map_or(Ok(()), |index| index.check_can_remove()))??;
        } else {
            store.delete(DeleteOptions::ids(doomed.iter().cloned())).await?;
            store.save_file(&path).await?;
        }
    }
    let left = store.count()?;
    let shown = path.display().to_string();
    let json = || Deleted {
        index: shown.clone(),
        deleted: doomed.len(),
        ids: &doomed,
        count: left,
        dry_run: args.dry_run,
    };
    ui.answer(json, |out| {
        let what = count(doomed.len(), "document");
        if args.dry_run {
            writeln!(out, "{shown}: {what} would be deleted of {left}")?;
            doomed.iter().take(NAMED).try_for_each(|id| writeln!(out, "  {}", one_line(id, ui.width())))?;
            if doomed.len() > NAMED {
                writeln!(out, "  and {} more", doomed.len() - NAMED)?;
            }
            return Ok(());
        }
        writeln!(out, "{shown}: {what} deleted, {left} left")
    })?;
    Ok(Ending::Done)
}

/// The ids of the documents that a filter accepts, in order.
fn matching(store: &Store, filter: &Filter) -> twindex::core::Result<Vec<String>> {
    let mut ids = Vec::new();
    for document in store.documents() {
        if filter.matches(document)? {
            ids.extend(document.id.clone());
        }
    }
    Ok(ids)
}

/// The ids that the store has, each once.
fn known(store: &Store, ids: &[String], ignore_unknown: bool) -> twindex::core::Result<Vec<String>> {
    let (mut known, unknown): (Vec<String>, Vec<String>) =
        ids.iter().cloned().partition(|id| store.get(id).is_some());
    if !unknown.is_empty() && !ignore_unknown {
        return Err(Error::UnknownId { ids: unknown });
    }
    let mut seen = std::collections::HashSet::new();
    known.retain(|id| seen.insert(id.clone()));
    Ok(known)
}

#[derive(Debug, Serialize)]
struct Merged {
    index: String,
    added: usize,
    count: usize,
}

pub(crate) async fn merge(args: MergeArgs, ui: &Ui) -> Result<Ending, Failure> {
    let (path, store, _lock) = args.index.open_to_change(ui).await?;
    let before = store.count()?;
    for from in &args.from {
        let from = index_file::find(from, None)?;
        let other = index_file::open(&from, args.index.engine()?, false).await?;
        store.merge_from(&other).await.map_err(|error| {
            let mut failure = Failure::from(error);
            failure.message = format!("{}: {}", from.display(), failure.message);
            failure
        })?;
    }
    store.save_file(&path).await?;
    let count = store.count()?;
    let merged = Merged { index: path.display().to_string(), added: count - before, count };
    ui.answer(
        || &merged,
        |out| {
            let added = crate::ui::count(merged.added, "document");
            writeln!(out, "{}: {added} added, {count} in all", merged.index)
        },
    )?;
    Ok(Ending::Done)
}
