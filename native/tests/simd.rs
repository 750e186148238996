//! The variables that turn AVX2 off, seen from outside, since they are read when a program starts.

use std::path::Path;
use std::process::Command;

type Failure = Box<dyn std::error::Error>;

fn run(arguments: &[&str], variable: Option<(&str, &str)>) -> Result<String, Failure> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twindex"));
    command
        .args(arguments)
        .env_remove("FAISS_NO_AVX2")
        .env_remove("TWINDEX_NO_AVX2")
        .env_remove("TWINDEX_MODEL_DIR");
    command.envs(variable);
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn avx2_is_turned_off_by_the_environment_and_answers_stay_the_same() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/sotu/sotu.txt");
    let (text, index) = (text.to_string_lossy(), folder.path().join("index"));
    let index = index.to_string_lossy();
    run(&["build", &text, "-o", &index, "--embeddings", "lexical"], None)?;
    let simd = |variable| -> Result<String, Failure> {
        let info: serde_json::Value = serde_json::from_str(&run(&["info", &index, "--json"], variable)?)?;
        Ok(info["simd"].as_str().ok_or("info says which SIMD level")?.to_owned())
    };
    let search =
        |variable| run(&["search", &index, "the economy", "--embeddings", "lexical", "--json"], variable);
    let best = simd(None)?;
    assert_eq!(best, twindex::kernel::best().name());
    for variable in twindex::kernel::NO_AVX2_VARIABLES {
        assert_eq!(simd(Some((variable, "1")))?, "portable", "{variable}");
        assert_eq!(simd(Some((variable, "0")))?, best, "{variable}=0 turns nothing off");
        assert_eq!(search(Some((variable, "1")))?, search(None)?);
    }
    Ok(())
}
