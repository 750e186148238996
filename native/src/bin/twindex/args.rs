//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use twindex::core::bytes::VectorEncoding;
use twindex::core::{Metric, Value};
use twindex::{Device, VectorStoreBuilder};

const AFTER_HELP: &str = "\
Examples:
  twindex build docs/ notes.md -o docs.twindex
  twindex search docs.twindex \"how do I save an index?\" -k 3
  twindex add docs.twindex more/ && twindex info docs.twindex

Embeddings turn texts into vectors. `lexical` is built in and matches shared words, not meaning; `local` is a
sentence-transformers model from a folder (--model, or TWINDEX_MODEL_DIR); `openai` is any service that speaks OpenAI's
protocol. An index does not remember its embeddings: give `search` and `add` the same ones as `build`.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nothing found (search, get).
A failure is printed as `error[code]: message`; the codes are stable. With --json it is one line on standard error,
{\"error\": {\"code\", \"message\", \"causes\"?, \"hint\"?}}, and standard output is one JSON document or empty.";

/// A vector store in one file: build it from texts, search it, change it.
#[derive(Debug, Parser)]
#[command(name = "twindex", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print one JSON document, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// No notes and no progress on standard error; warnings and errors stay
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an index from text files, JSON Lines and folders
    Build(BuildArgs),
    /// Find the documents nearest to one or more queries
    Search(SearchArgs),
    /// Tell what an index is and what it takes
    Info(InfoArgs),
    /// Add documents to an index
    Add(AddArgs),
    /// Delete documents by id or by filter
    Delete(DeleteArgs),
    /// Add everything that other indexes have
    Merge(MergeArgs),
    /// Print the documents of some ids
    Get(GetArgs),
    /// Print all documents, or those that a filter accepts
    List(ListArgs),
    /// Turn an index into another form: from and to LangChain, FAISS, JSON Lines, Parquet
    Convert(ConvertArgs),
}

/// An index that is there.
#[derive(Debug, Args)]
pub(crate) struct IndexArgs {
    /// The index: a file, or a folder that holds index.twindex
    pub(crate) index: PathBuf,

    /// Name of the index within a folder, without `.twindex` [default: index]
    #[arg(long, value_name = "NAME")]
    pub(crate) index_name: Option<String>,

    /// What holds the vectors; FAISS where it is built in
    #[arg(long, value_enum)]
    pub(crate) engine: Option<Engine>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// Every kind of index
    Faiss,
    /// Twindex's own exact scan; `Flat` indexes only
    Flat,
}

/// What turns texts into vectors.
#[derive(Debug, Args)]
#[command(next_help_heading = "Embeddings")]
pub(crate) struct EmbeddingArgs {
    /// What turns texts into vectors [default: local if --model or TWINDEX_MODEL_DIR names a folder with config.json, else lexical]
    #[arg(long, value_enum)]
    pub(crate) embeddings: Option<EmbeddingKind>,

    /// Folder of the local model, or name of the service's model
    #[arg(long, value_name = "FOLDER_OR_NAME")]
    pub(crate) model: Option<String>,

    /// Where the service is, without /embeddings [default: OPENAI_BASE_URL, or OpenAI; the key is OPENAI_API_KEY]
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,

    /// Numbers per vector, of lexical embeddings (384 unless given) and of services that can shorten theirs
    #[arg(long, value_name = "N")]
    pub(crate) dim: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EmbeddingKind {
    /// Shared words and parts of words, not meaning; needs nothing
    Lexical,
    /// A sentence-transformers model on this machine
    Local,
    /// A service that speaks OpenAI's protocol
    Openai,
}

/// What to read and how to cut it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputArgs {
    /// Text files, JSON Lines files (.jsonl, .ndjson), folders, or `-` for standard input
    ///
    /// In folders, .txt, .text, .md, .markdown, .jsonl and .ndjson are read, sorted by name, hidden ones left out. A file
    /// named here is read whatever its name. A line of JSON Lines is {"text" or "page_content", "id"?, "metadata"?,
    /// "vector"?}; where there is a vector, nothing is embedded.
    #[arg(required = true, value_name = "INPUT", help_heading = None::<&str>)]
    pub(crate) inputs: Vec<PathBuf>,

    /// How to read files named on the command line and standard input
    #[arg(long, value_enum, default_value = "auto", value_name = "FORMAT")]
    pub(crate) input_format: InputFormat,

    /// How to cut texts into documents: LangChain's RecursiveCharacterTextSplitter or CharacterTextSplitter, or not
    #[arg(long, value_enum, default_value = "recursive")]
    pub(crate) splitter: SplitterKind,

    /// Most characters in a document
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) chunk_size: usize,

    /// Characters that a document may repeat of the one before (LangChain's default is 200)
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) chunk_overlap: usize,

    /// Keep in the metadata where in its text each document starts
    #[arg(long)]
    pub(crate) start_index: bool,

    /// Cut the texts of JSON Lines too; those that have a vector stay whole
    #[arg(long)]
    pub(crate) split_jsonl: bool,

    /// Ids of documents that have none: random, or `<file>#<number>`, which stay the same from run to run
    #[arg(long, value_enum, default_value = "uuid")]
    pub(crate) ids: Ids,

    /// Pass over files that cannot be read or are not UTF-8, where they would be an error
    #[arg(long)]
    pub(crate) skip_unreadable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputFormat {
    /// By the file's name; standard input is text
    Auto,
    /// Text
    Text,
    /// JSON Lines
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitterKind {
    /// At paragraphs, else lines, else words, else anywhere
    Recursive,
    /// At paragraphs only
    Character,
    /// One document a file
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ids {
    /// Random
    Uuid,
    /// `<file>#<number>`
    Source,
}

/// Parameters of approximate indexes.
#[derive(Debug, Args)]
pub(crate) struct TuningArgs {
    /// Lists that a search in an IVF index looks into
    #[arg(long, value_name = "N")]
    pub(crate) nprobe: Option<usize>,

    /// Candidates that a search in an HNSW index keeps
    #[arg(long, value_name = "N")]
    pub(crate) ef_search: Option<usize>,
}

impl TuningArgs {
    /// FAISS's names and the values given.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, usize)> {
        [("nprobe", self.nprobe), ("efSearch", self.ef_search)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// Where vectors are searched and indexes trained.
#[derive(Debug, Args)]
#[command(next_help_heading = "Device")]
pub(crate) struct DeviceArgs {
    /// Where to train and search: cpu, gpu (the first NVIDIA card), gpu:N (counted from 0), all (every card)
    #[arg(long, default_value_t = Device::Cpu)]
    pub(crate) device: Device,

    /// Let the CPU stand in, with a warning, for cards that cannot be used or have too little memory
    #[arg(long)]
    pub(crate) device_fallback: bool,

    /// Memory of each card, in MiB, that FAISS keeps to work with [default: FAISS's choice, 1536 on most]
    #[arg(long, value_name = "MIB")]
    pub(crate) gpu_temp_memory: Option<u32>,

    /// Give each of several cards a part of the vectors, where it would hold them all
    #[arg(long)]
    pub(crate) gpu_shards: bool,
}

impl DeviceArgs {
    /// Tells a builder.
    pub(crate) fn apply(&self, builder: VectorStoreBuilder) -> VectorStoreBuilder {
        let builder =
            builder.device(self.device).device_fallback(self.device_fallback).gpu_shards(self.gpu_shards);
        match self.gpu_temp_memory {
            Some(mib) => builder.gpu_temp_memory(u64::from(mib) << 20),
            None => builder,
        }
    }
}

/// How vectors stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Vectors {
    /// As they are
    F32,
    /// Half precision: half of the bytes
    F16,
    /// 8-bit codes: about a quarter of the bytes
    I8,
}

impl From<Vectors> for VectorEncoding {
    fn from(vectors: Vectors) -> Self {
        match vectors {
            Vectors::F32 => VectorEncoding::F32,
            Vectors::F16 => VectorEncoding::F16,
            Vectors::I8 => VectorEncoding::I8,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twindex build docs/ -o docs.twindex
  twindex build docs/ -o site --model models/all-MiniLM-L6-v2 --metric cosine
  twindex build articles.jsonl -o a.twindex --embeddings openai --model text-embedding-3-small
  twindex build vectors.jsonl -o v.twindex --index-factory IVF100,Flat --nprobe 8
  twindex build docs/ -o docs.twindex --vectors i8       a quarter to download
  twindex build vectors.jsonl -o v.twindex --index-factory IVF4096,Flat --device gpu
  some-command | twindex build - -o out.twindex

With --json: {\"index\", \"added\", \"count\", \"dim\", \"metric\", \"normalize_l2\", \"kind\", \"vectors\", \"vector_loss\": {\"largest\", \"mean\"},
\"file_bytes\", \"device\": {\"device\", \"gpu_bytes\", \"notice\"}, \"embeddings\", \"files\": [{\"path\", \"documents\"}], \"skipped\": [{\"path\", \"reason\"}], \"warnings\"}.")]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// The file to write if it ends in .twindex, else a folder to write index.twindex into; replaced if it is there
    #[arg(long, short, value_name = "FILE_OR_FOLDER", help_heading = "Index")]
    pub(crate) output: PathBuf,

    /// Name of the index within a folder, without `.twindex` [default: index]
    #[arg(long, value_name = "NAME", help_heading = "Index")]
    pub(crate) index_name: Option<String>,

    /// How vectors are compared: l2 (squared, LangChain's default), ip or cosine
    #[arg(long, default_value = "l2", value_parser = metric, help_heading = "Index")]
    pub(crate) metric: Metric,

    /// Scale vectors and queries to unit length
    #[arg(long, help_heading = "Index")]
    pub(crate) normalize: bool,

    /// Kind of index by FAISS's name: Flat (exact), IVF100,Flat, HNSW32, SQ8, PQ48 and their like
    #[arg(long, default_value = "Flat", value_name = "KIND", help_heading = "Index")]
    pub(crate) index_factory: String,

    /// What makes the index; FAISS where it is built in
    #[arg(long, value_enum, help_heading = "Index")]
    pub(crate) engine: Option<Engine>,

    /// How vectors stand in the file: f16 and i8 make it smaller and lose a little, which is printed. Changes of the index keep it
    #[arg(long, value_enum, default_value = "f32", value_name = "ENCODING", help_heading = "Index")]
    pub(crate) vectors: Vectors,

    #[command(flatten, next_help_heading = "Index")]
    pub(crate) tuning: TuningArgs,

    #[command(flatten)]
    pub(crate) device: DeviceArgs,

    #[command(flatten)]
    pub(crate) embedding: EmbeddingArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twindex add docs.twindex new-chapter.md
  twindex add docs.twindex docs/ --ids source --upsert
  twindex list other.twindex --jsonl --vectors | twindex add docs.twindex - --input-format jsonl

With --json: as `build`. Ids that the index has already are an error unless --upsert is given; then nothing is added.")]
pub(crate) struct AddArgs {
    #[command(flatten)]
    pub(crate) index: IndexArgs,

    /// Let documents take the place of those with the same ids
    #[arg(long)]
    pub(crate) upsert: bool,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) embedding: EmbeddingArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twindex search docs.twindex \"save an index\"
  twindex search docs.twindex \"first question\" \"second question\" -k 2 --json
  twindex search docs.twindex cats --filter '{\"lang\": \"en\", \"year\": {\"$gte\": 2020}}'
  twindex search docs.twindex cats --mmr --fetch-k 50 --lambda 0.3

With --json: {\"index\", \"count\", \"dim\", \"metric\", \"lower_is_better\", \"device\": {\"device\", \"gpu_bytes\", \"notice\"},
\"embeddings\": {\"kind\", \"name\", \"matches\"}, \"search_type\", \"score\": \"raw\" or \"relevance\",
\"results\": [{\"query\", \"hits\": [{\"rank\", \"score\", \"id\", \"page_content\", \"metadata\"}]}], \"warnings\"}.
Exit code 3 if no query finds anything; the document is printed all the same.")]
pub(crate) struct SearchArgs {
    #[command(flatten)]
    pub(crate) index: IndexArgs,

    /// Texts to search for; all are answered in one batch. `-` takes one from each line of standard input
    #[arg(required = true, value_name = "QUERY")]
    pub(crate) queries: Vec<String>,

    /// Documents per query, at most
    #[arg(short, default_value_t = 4)]
    pub(crate) k: usize,

    /// Which documents may come back, as JSON: {"key": value}, {"key": {"$gte": 3}}, {"$or": [...]}
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub(crate) filter: Option<Value>,

    /// Maximal marginal relevance: documents near to the query and unlike each other
    #[arg(long)]
    pub(crate) mmr: bool,

    /// Candidates that --mmr chooses from [default: 20]
    #[arg(long, value_name = "N", requires = "mmr")]
    pub(crate) fetch_k: Option<usize>,

    /// Balance of --mmr: 1 is nearness alone, 0 unlikeness alone [default: 0.5]
    #[arg(long, value_name = "X", requires = "mmr")]
    pub(crate) lambda: Option<f32>,

    /// Only documents at least this good: at most this distance for l2, at least this score otherwise
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) score_threshold: Option<f32>,

    /// Search approximately, which is faster: each of the best is found with this probability, such as 0.99. For Flat indexes
    #[arg(long, value_name = "X", conflicts_with = "mmr")]
    pub(crate) recall: Option<f32>,

    /// Scores from 0 to 1, higher is better, by LangChain's formulas; --score-threshold is one too then
    #[arg(long, conflicts_with = "mmr")]
    pub(crate) relevance: bool,

    /// Leave the vectors in the file: opens sooner. Only for files that nobody writes into
    #[arg(long)]
    pub(crate) map: bool,

    /// Print texts whole, with their line ends
    #[arg(long)]
    pub(crate) full: bool,

    #[command(flatten)]
    pub(crate) tuning: TuningArgs,

    #[command(flatten)]
    pub(crate) device: DeviceArgs,

    #[command(flatten)]
    pub(crate) embedding: EmbeddingArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
With --json: {\"index\", \"file_bytes\", \"format_version\", \"count\", \"dim\", \"metric\", \"normalize_l2\", \"kind\", \"vectors\", \"engine\",
\"simd\", \"faiss_version\", \"trained\", \"vector_bytes\", \"index_extra_bytes\", \"encoded_bytes\", \"document_bytes\",
\"document_bytes_each\", \"parameters\": {name: value}, \"device\": {\"device\", \"gpu_bytes\", \"notice\"},
\"gpus\": {\"cards\": [{\"number\", \"name\", \"compute_capability\", \"total_bytes\", \"free_bytes\"}], \"unavailable\"}}.
Bytes are of memory, but for file_bytes.")]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    pub(crate) index: IndexArgs,

    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twindex delete docs.twindex --id a --id b
  twindex delete docs.twindex --filter '{\"source\": \"docs/old.md\"}' --dry-run

With --json: {\"index\", \"deleted\", \"ids\", \"count\", \"dry_run\"}. Nothing to delete is no failure.")]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) index: IndexArgs,

    /// Id of a document to delete; may be given many times
    #[arg(long = "id", value_name = "ID", required_unless_present = "filter")]
    pub(crate) ids: Vec<String>,

    /// Which documents to delete, as JSON; {} is all of them
    #[arg(long, value_name = "JSON", value_parser = json, conflicts_with = "ids")]
    pub(crate) filter: Option<Value>,

    /// Pass over ids that the index does not have, where they would be an error
    #[arg(long, conflicts_with = "filter")]
    pub(crate) ignore_unknown: bool,

    /// Only tell what would be deleted
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  twindex merge all.twindex january.twindex february.twindex

All of it or nothing: an id that two of them have is an error. With --json: {\"index\", \"added\", \"count\"}.")]
pub(crate) struct MergeArgs {
    #[command(flatten)]
    pub(crate) index: IndexArgs,

    /// Indexes to add, as files or folders; they are left as they are
    #[arg(required = true, value_name = "FROM")]
    pub(crate) from: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twindex convert faiss_index docs.twindex          a folder that LangChain saved, in Python or JavaScript
  twindex convert docs.twindex faiss_index          a folder that LangChain for Python opens
  twindex convert docs.twindex js_index --to langchain-js
  twindex convert index.faiss vectors.twindex       FAISS's file alone: no texts
  twindex convert docs.twindex docs.parquet         for other engines; back with the names changed over
  twindex convert docs.twindex small.twindex --vectors i8    a quarter to download

FROM is told by its content, TO by its name: .twindex, .faiss, .pkl, .jsonl, .npy, .parquet, else a folder, which is LangChain's if FROM is
Twindex's and Twindex's if not. Nothing in FROM is ever executed. What was converted and what cannot be kept is printed.
With --json: {\"from\", \"from_format\", \"to\", \"to_format\", \"count\", \"index\", \"converted\": {what: count}, \"lost\": [what]}.")]
pub(crate) struct ConvertArgs {
    /// What to read: a file or a folder
    pub(crate) from: PathBuf,

    /// What to write: a file or a folder
    pub(crate) to: PathBuf,

    /// Form of FROM, if it is not what it looks like
    #[arg(long, value_enum, value_name = "FORM", id = "from_form")]
    pub(crate) from_form: Option<Form>,

    /// Form of TO, if its name does not tell
    #[arg(long = "to", value_enum, value_name = "FORM", id = "to_form")]
    pub(crate) to_form: Option<Form>,

    /// Name of the index within a folder, on both sides [default: index]
    #[arg(long, value_name = "NAME")]
    pub(crate) index_name: Option<String>,

    /// How vectors are compared, where FROM does not say or you want another: l2, ip or cosine
    #[arg(long, value_parser = metric)]
    pub(crate) metric: Option<Metric>,

    /// Vectors and queries are scaled to unit length: LangChain's normalize_L2, which its files do not keep
    #[arg(long)]
    pub(crate) normalize: bool,

    /// How vectors stand in TO, which is then a Twindex index: f16 and i8 lose a little, which is printed [default: as in FROM]
    #[arg(long, value_enum, value_name = "ENCODING")]
    pub(crate) vectors: Option<Vectors>,

    /// Replace what is there
    #[arg(long, short)]
    pub(crate) force: bool,
}

/// A form that a store can have on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Twindex's own file
    Twindex,
    /// A folder of LangChain for Python
    Langchain,
    /// What LangChain's serialize_to_bytes gives
    LangchainPickle,
    /// A folder of LangChain.js
    LangchainJs,
    /// FAISS's index file
    Faiss,
    /// A document with its vector a line
    Jsonl,
    /// NumPy's array of vectors, the documents in a .jsonl file beside it
    Npy,
    /// A document with its vector a row
    #[cfg(feature = "parquet")]
    Parquet,
}

/// How documents are printed.
#[derive(Debug, Args)]
pub(crate) struct PrintArgs {
    /// Print JSON Lines, which `build` and `add` read
    #[arg(long, conflicts_with = "json")]
    pub(crate) jsonl: bool,

    /// With --json and --jsonl, print each document's vector as stored
    #[arg(long)]
    pub(crate) vectors: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
With --json: {\"documents\": [{\"id\", \"page_content\", \"metadata\", \"vector\"?}], \"unknown\": [ID]}.
Exit code 3 if any of the ids is unknown; the others are printed all the same.")]
pub(crate) struct GetArgs {
    #[command(flatten)]
    pub(crate) index: IndexArgs,

    /// Ids, printed in this order
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,

    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twindex list docs.twindex --filter '{\"source\": {\"$in\": [\"a.md\", \"b.md\"]}}'
  twindex list docs.twindex --jsonl --vectors > backup.jsonl

With --json: {\"documents\": [{\"id\", \"page_content\", \"metadata\", \"vector\"?}], \"matching\": N}; matching counts those beyond
--limit too.")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) index: IndexArgs,

    /// Which documents, as JSON
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub(crate) filter: Option<Value>,

    /// Print so many at most
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,

    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

fn metric(name: &str) -> Result<Metric, twindex::core::Error> {
    name.parse()
}

fn json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
