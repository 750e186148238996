//! Compiles the one C++ function of this crate, when FAISS is built in.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "faiss")]
    {
        println!("cargo::rerun-if-changed=src/faiss/options.cc");
        cc::Build::new().cpp(true).std("c++17").file("src/faiss/options.cc").compile("twindex_faiss_options");
    }
}
