//! `twindex-bindgen TARGET INPUT.wasm FOLDER NAME`: writes `NAME.js` and `NAME_bg.wasm`, for `web` or `nodejs`.
//!
//! A tool of the build. It stands in for the command of the same purpose that `cargo install` would fetch, so that one lock file
//! pins both sides of the boundary and nothing is installed outside this repository.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [target, input, folder, name] = arguments.as_slice() else {
        eprintln!("usage: twindex-bindgen web|nodejs INPUT.wasm FOLDER NAME");
        return ExitCode::from(2);
    };
    match generate(target, input, folder, name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(1)
        }
    }
}

fn generate(target: &str, input: &str, folder: &str, name: &str) -> Result<(), String> {
    let mut bindgen = Bindgen::new();
    match target {
        "web" => bindgen.web(true).map_err(|error| error.to_string())?,
        "nodejs" => bindgen.nodejs(true).map_err(|error| error.to_string())?,
        other => return Err(format!("expected web or nodejs, got {other}")),
    };
    bindgen
        .input_path(input)
        .out_name(name)
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(folder)
        .map_err(|error| format!("{error:#}"))
}
