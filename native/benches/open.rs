//! Opening FAISS's index file against reading it: `cargo bench -p twindex --bench open`.
//!
//! A flat file of 100,000 x 384 numbers (`TWINDEX_BENCH_ROWS` for others) lies in the page cache. Rounds alternate; medians and their ratio are
//! printed, and what was opened is compared with what was written.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs};

use twindex::EngineKind;
use twindex::core::interop::faiss;
use twindex::core::testkit::Generator;
use twindex::core::{Engine, FlatEngine, Metric, Rows};
use twindex::interop::{self, Format, ImportOptions};

const DIM: usize = 384;
const ROUNDS: usize = 15;

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows: usize = env::var("TWINDEX_BENCH_ROWS").ok().map_or(Ok(100_000), |rows| rows.parse())?;
    let data = Generator::new(7).floats(rows * DIM);
    let mut index = FlatEngine::default().create("Flat", DIM, Metric::L2)?;
    index.append(Rows::new(&data, DIM)?)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("flat.faiss");
    fs::write(&path, faiss::write(&*index, None)?)?;
    drop(index);

    let (mut read, mut opened) = (Vec::new(), [Vec::new(), Vec::new()]);
    for round in 0..ROUNDS {
        let (time, bytes) = timed(|| fs::read(&path));
        read.push(time);
        drop(black_box(bytes?));
        for (engine, times) in ENGINES.into_iter().zip(&mut opened) {
            let (time, imported) = timed(|| open(&path, engine));
            times.push(time);
            let store = imported?.store;
            if round == 0 && store.vectors()? != data {
                return Err("what was opened is not what was written".into());
            }
        }
    }
    let read = median(read);
    println!("{rows} x {DIM}, flat, warm: reading into a new buffer {read:.1} ms");
    for (engine, times) in ENGINES.into_iter().zip(opened) {
        let time = median(times);
        println!("a store on {engine}: {time:.1} ms, ratio {:.2}", time / read);
    }
    Ok(())
}

const ENGINES: [EngineKind; 2] = [EngineKind::Flat, EngineKind::Faiss];

fn open(path: &Path, engine: EngineKind) -> twindex::Result<interop::Imported> {
    let ids = || -> String { unreachable!("every vector has a number") };
    interop::read(path, Some(Format::Faiss), &ImportOptions::new(), engine, &ids)
}
