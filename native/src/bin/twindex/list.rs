//! `twindex get` and `twindex list`.

use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use twindex::VectorStore;
use twindex::core::{Document, Filter, Metadata, Store};

use crate::Ending;
use crate::args::{GetArgs, ListArgs, PrintArgs};
use crate::failure::Failure;
use crate::search::write_body;
use crate::ui::{Ui, one_line};

/// A document as `build` reads it back.
#[derive(Debug, Serialize)]
struct Row<'a> {
    id: Option<&'a str>,
    page_content: &'a str,
    metadata: &'a Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<Vec<f32>>,
}

#[derive(Debug, Serialize)]
struct Got<'a> {
    documents: Vec<Row<'a>>,
    unknown: &'a [String],
}

#[derive(Debug, Serialize)]
struct Listed<'a> {
    documents: Vec<Row<'a>>,
    matching: usize,
}

pub(crate) async fn get(args: GetArgs, ui: &Ui) -> Result<Ending, Failure> {
    check(&args.print, ui)?;
    let (_, store) = args.index.open().await?;
    let documents = store.get_by_ids(&args.ids).await?;
    let unknown: Vec<String> =
        store.read(|store| args.ids.iter().filter(|id| store.get(id).is_none()).cloned().collect())?;
    if args.print.jsonl {
        write_jsonl(&store, &documents, &args.print, ui)?;
    } else {
        let rows = rows(&store, &documents, &args.print)?;
        ui.answer(
            || Got { documents: rows, unknown: &unknown },
            |out| {
                documents.iter().try_for_each(|document| {
                    writeln!(out, "{}", one_line(id_of(document), ui.width()))?;
                    write_body(out, &document.page_content, &document.metadata, true, ui)
                })
            },
        )?;
    }
    for id in &unknown {
        ui.note(format_args!("no document has the id {id:?}"));
    }
    Ok(if unknown.is_empty() { Ending::Done } else { Ending::NothingFound })
}

pub(crate) async fn list(args: ListArgs, ui: &Ui) -> Result<Ending, Failure> {
    check(&args.print, ui)?;
    let filter = args.filter.as_ref().map(Filter::parse).transpose()?;
    let (_, store) = args.index.open().await?;
    let limit = args.limit.unwrap_or(usize::MAX);
    let (documents, matching) = store.read(|store| accepted(store, filter.as_ref(), limit))??;
    if args.print.jsonl {
        write_jsonl(&store, &documents, &args.print, ui)?;
    } else {
        let rows = rows(&store, &documents, &args.print)?;
        ui.answer(
            || Listed { documents: rows, matching },
            |out| {
                documents.iter().try_for_each(|document| {
                    let line = format!("{}  {}", id_of(document), document.page_content);
                    writeln!(out, "{}", one_line(&line, ui.width()))
                })
            },
        )?;
    }
    if documents.len() < matching {
        ui.note(format_args!("{} more", matching - documents.len()));
    }
    Ok(Ending::Done)
}

/// The first `limit` documents that a filter accepts, and how many it accepts at all. Without a filter the others are not looked at.
fn accepted(
    store: &Store,
    filter: Option<&Filter>,
    limit: usize,
) -> twindex::core::Result<(Vec<Arc<Document>>, usize)> {
    let all = store.documents().iter();
    let Some(filter) = filter else { return Ok((all.take(limit).cloned().collect(), store.len())) };
    let (mut documents, mut matching) = (Vec::new(), 0);
    for document in all {
        if filter.matches(document)? {
            matching += 1;
            if documents.len() < limit {
                documents.push(Arc::clone(document));
            }
        }
    }
    Ok((documents, matching))
}

fn check(print: &PrintArgs, ui: &Ui) -> Result<(), Failure> {
    if print.vectors && !print.jsonl && !ui.json {
        return Err(Failure::option("--vectors goes with --json or --jsonl"));
    }
    Ok(())
}

fn id_of(document: &Document) -> &str {
    document.id.as_deref().unwrap_or_default()
}

fn row<'a>(store: &VectorStore, document: &'a Document, print: &PrintArgs) -> Result<Row<'a>, Failure> {
    let vector = match print.vectors {
        true => Some(store.read(|store| store.vector(id_of(document)))??),
        false => None,
    };
    Ok(Row {
        id: document.id.as_deref(),
        page_content: &document.page_content,
        metadata: &document.metadata,
        vector,
    })
}

fn rows<'a>(
    store: &VectorStore,
    documents: &'a [Arc<Document>],
    print: &PrintArgs,
) -> Result<Vec<Row<'a>>, Failure> {
    documents.iter().map(|document| row(store, document, print)).collect()
}

/// Writes a document a line, holding one row at a time.
fn write_jsonl(
    store: &VectorStore,
    documents: &[Arc<Document>],
    print: &PrintArgs,
    ui: &Ui,
) -> Result<(), Failure> {
    let mut failed = None;
    ui.print(|out: &mut dyn Write| {
        for document in documents {
            match row(store, document, print) {
                Ok(row) => {
                    serde_json::to_writer(&mut *out, &row)?;
                    writeln!(out)?;
                }
                Err(failure) => {
                    failed = Some(failure);
                    return io::Result::Ok(());
                }
            }
        }
        Ok(())
    })?;
    failed.map_or(Ok(()), Err)
}
