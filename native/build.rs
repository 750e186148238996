//! Compiles the C++ of this crate, where FAISS is built in.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "faiss")]
    {
        println!("cargo::rerun-if-changed=src/faiss/options.cc");
        cc::Build::new().cpp(true).std("c++17").file("src/faiss/options.cc").compile("twindex_faiss_options");
    }
    #[cfg(feature = "gpu")]
    compile_for_gpu();
}

/// What FAISS's C interface does not have for cards, by FAISS's own headers and CUDA's.
#[cfg(feature = "gpu")]
fn compile_for_gpu() {
    use std::env;
    use std::path::PathBuf;

    const SOURCE: &str = "src/faiss/gpu/gpu.cc";
    println!("cargo::rerun-if-changed={SOURCE}");
    for name in ["CUDA_PATH", "CUDAARCHS"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let faiss =
        env::var_os("DEP_FAISS_C_ROOT").map(PathBuf::from).expect("faiss-sys says where it was built");
    let cuda = env::var_os("CUDA_PATH").map(PathBuf::from);
    let cuda = cuda.expect("CUDA_PATH names the CUDA toolkit: scripts/cuda.sh sets it");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .include(faiss.join("include"))
        .include(cuda.join("include"))
        // Warnings in other people's headers are not ours.
        .warnings(false)
        .file(SOURCE)
        .compile("twindex_faiss_gpu");
    let architectures = env::var("CUDAARCHS").unwrap_or_default();
    println!("cargo::rustc-env=TWINDEX_CUDA_ARCHITECTURES={architectures}");
}
