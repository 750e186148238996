//! `twindex convert`.

use std::collections::BTreeMap;

use serde::Serialize;
use twindex::EngineKind;
use twindex::interop::{self, Format, ImportOptions, Imported};

use crate::Ending;
use crate::args::{ConvertArgs, Form};
use crate::failure::Failure;
use crate::index_file::{check_writable, lock};
use crate::ui::{Ui, count};

#[derive(Debug, Serialize)]
struct Converted {
    from: String,
    from_format: String,
    to: String,
    to_format: &'static str,
    count: usize,
    index: String,
    converted: BTreeMap<String, usize>,
    lost: Vec<String>,
}

pub(crate) fn convert(args: &ConvertArgs, ui: &Ui) -> Result<Ending, Failure> {
    let mut options = ImportOptions::new();
    options.metric = args.metric;
    options.normalize_l2 = args.normalize.then_some(true);
    options.index_name.clone_from(&args.index_name);
    let from_format = match args.from_form {
        Some(form) => format(form),
        None => Format::of_content(&args.from, args.index_name.as_deref())?,
    };
    let to_format = match (args.to_form, Format::of_name(&args.to)) {
        (Some(form), _) => format(form),
        (None, Some(format)) => format,
        (None, None) if from_format == Format::Twindex => Format::LangChain,
        (None, None) => Format::Twindex,
    };
    if args.vectors.is_some() && to_format != Format::Twindex {
        let to = to_format.name();
        return Err(Failure::option(format!("--vectors goes with a Twindex store, and TO is a {to}")));
    }
    let files = interop::files_of(&args.to, to_format, args.index_name.as_deref());
    for file in &files {
        if file.exists() && !args.force {
            return Err(Failure::new("file_exists", format!("{} is there already", file.display()))
                .hint("--force replaces it"));
        }
        check_writable(file)?;
    }
    let _lock = lock(&files[0], ui);

    // An index keeps its structure only as long as nothing has to be built: FAISS is not needed for that.
    let ids = || uuid::Uuid::new_v4().to_string();
    let Imported { mut store, report } =
        interop::read(&args.from, Some(from_format), &options, EngineKind::Flat, &ids)?;
    if let Some(vectors) = args.vectors {
        store.set_vector_encoding(vectors.into());
    }
    let written = interop::write(&store, &args.to, to_format, args.index_name.as_deref())?;

    let mut converted: BTreeMap<String, usize> = BTreeMap::new();
    for (what, count) in report.converted.into_iter().chain(written.converted) {
        *converted.entry(what).or_default() += count;
    }
    let answer = Converted {
        from: args.from.display().to_string(),
        from_format: report.source,
        to: args.to.display().to_string(),
        to_format: to_format.name(),
        count: store.len(),
        index: report.index,
        converted,
        lost: report.lost.into_iter().chain(written.lost).collect(),
    };
    ui.answer(|| &answer, |out| write_text(out, &answer))?;
    Ok(Ending::Done)
}

fn write_text(out: &mut dyn std::io::Write, answer: &Converted) -> std::io::Result<()> {
    writeln!(
        out,
        "found      {}: {}, {}, {}",
        answer.from,
        answer.from_format,
        count(answer.count, "document"),
        answer.index
    )?;
    for (what, count) in &answer.converted {
        writeln!(out, "converted  {what}: {count}")?;
    }
    for what in &answer.lost {
        writeln!(out, "not kept   {what}")?;
    }
    writeln!(out, "wrote      {}: {}", answer.to, answer.to_format)
}

fn format(form: Form) -> Format {
    match form {
        Form::Twindex => Format::Twindex,
        Form::Langchain => Format::LangChain,
        Form::LangchainPickle => Format::LangChainPickle,
        Form::LangchainJs => Format::LangChainJs,
        Form::Faiss => Format::Faiss,
        Form::Jsonl => Format::JsonLines,
        Form::Npy => Format::Npy,
        #[cfg(feature = "parquet")]
        Form::Parquet => Format::Parquet,
    }
}
