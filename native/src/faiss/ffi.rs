//! The only place that calls FAISS. Safe on the outside: lengths are checked before each call, since neither FAISS's C
//! interface nor the `faiss` crate checks them, and errors are fetched on the thread that made the call.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{io, ptr};

use faiss::index::{FromInnerPtr, IndexImpl};
use faiss::selector::IdSelector;
use faiss::{Index as _, MetricType, index_factory};
use faiss_sys as sys;
use twindex_core::{Error, Result, Rows};

/// An error with FAISS's own words.
pub(super) fn failed(message: impl std::fmt::Display) -> Error {
    Error::Index { engine: "faiss", message: message.to_string() }
}

/// Turns a return code into FAISS's message, which lies on this thread.
pub(super) fn check(code: c_int) -> Result<()> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: the pointer is null or a C string that lives until the next failing call on this thread.
    let message = unsafe {
        let text = sys::faiss_get_last_error();
        if text.is_null() { "no message".into() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    };
    Err(failed(format_args!("{message} (code {code})")))
}

fn checked<T>(result: faiss::error::Result<T>) -> Result<T> {
    result.map_err(failed)
}

/// A FAISS index on the CPU.
#[derive(Debug)]
pub(super) struct RawIndex(IndexImpl);

/// The answer of a search: `k` labels and distances a query, -1 where there is none.
pub(super) struct Found {
    pub(super) labels: Vec<i64>,
    pub(super) distances: Vec<f32>,
}

/// How one search differs from the index's own settings.
#[derive(Default)]
pub(super) struct Narrowing<'a> {
    /// Positions that may come back, one bit each.
    pub(super) bitmap: Option<&'a [u8]>,
    /// Lists to probe; IVF only.
    pub(super) nprobe: Option<usize>,
}

impl RawIndex {
    /// `faiss::index_factory`.
    pub(super) fn create(kind: &str, dim: usize, inner_product: bool) -> Result<Self> {
        let dim = u32::try_from(dim).ok().filter(|&dim| dim <= i32::MAX as u32);
        let dim = dim.ok_or_else(|| failed("the dimension does not fit FAISS's 32 bits"))?;
        let metric = if inner_product { MetricType::InnerProduct } else { MetricType::L2 };
        checked(index_factory(dim, kind, metric)).map(Self)
    }

    pub(super) fn ptr(&self) -> *mut sys::FaissIndex {
        self.0.inner_ptr()
    }

    /// Takes an index that FAISS made.
    ///
    /// # Safety
    /// It must be live, and nobody else may hold it.
    #[cfg(feature = "gpu")]
    pub(super) unsafe fn from_raw(raw: *mut sys::FaissIndex) -> Self {
        // SAFETY: as the caller says.
        Self(unsafe { IndexImpl::from_inner_ptr(raw) })
    }

    pub(super) fn dim(&self) -> usize {
        self.0.d() as usize
    }

    pub(super) fn len(&self) -> usize {
        self.0.ntotal() as usize
    }

    pub(super) fn is_trained(&self) -> bool {
        self.0.is_trained()
    }

    pub(super) fn is_inner_product(&self) -> bool {
        self.0.metric_type() == MetricType::InnerProduct
    }

    pub(super) fn train(&mut self, rows: Rows<'_>) -> Result<()> {
        assert_eq!(rows.dim(), self.dim());
        checked(self.0.train(rows.data()))
    }

    pub(super) fn add(&mut self, rows: Rows<'_>) -> Result<()> {
        assert_eq!(rows.dim(), self.dim());
        checked(self.0.add(rows.data()))
    }

    /// Takes out the positions whose bits are set; the kind must be one whose positions close up (flat, SQ, PQ).
    pub(super) fn remove(&mut self, bitmap: &[u8]) -> Result<()> {
        let selector = checked(IdSelector::bitmap(bitmap))?;
        checked(self.0.remove_ids(&selector)).map(|_| ())
    }

    pub(super) fn read(&self, position: usize, out: &mut [f32]) -> Result<()> {
        assert!(position < self.len(), "a position of the index");
        assert_eq!(out.len(), self.dim(), "room for one vector");
        // SAFETY: `out` has room for the `d` numbers written, and the index is not changed through a shared reference.
        check(unsafe { sys::faiss_Index_reconstruct(self.ptr(), position as i64, out.as_mut_ptr()) })
    }

    /// Searches for `k` neighbours of each query. FAISS's search does not change the index, and may run on
    /// many threads at once.
    pub(super) fn search(&self, queries: Rows<'_>, k: usize, narrowing: &Narrowing<'_>) -> Result<Found> {
        assert_eq!(queries.dim(), self.dim());
        let slots = queries.len().checked_mul(k).ok_or_else(|| failed("too many results"))?;
        let mut found = Found { labels: vec![-1; slots], distances: vec![0.0; slots] };
        let (n, x) = (queries.len() as i64, queries.data().as_ptr());
        let (distances, labels) = (found.distances.as_mut_ptr(), found.labels.as_mut_ptr());
        let parameters = Parameters::new(narrowing)?;
        // SAFETY: `x` holds n x d numbers and the result slots are n x k (both by construction above); the parameters, and
        // the bitmap that their selector points to, outlive the call.
        check(unsafe {
            if parameters.raw.is_null() {
                sys::faiss_Index_search(self.ptr(), n, x, k as i64, distances, labels)
            } else {
                sys::faiss_Index_search_with_params(
                    self.ptr(),
                    n,
                    x,
                    k as i64,
                    parameters.raw,
                    distances,
                    labels,
                )
            }
        })?;
        Ok(found)
    }

    /// The rows of a flat index, where FAISS keeps them.
    pub(super) fn flat_rows(&self) -> Option<&[f32]> {
        // SAFETY: the cast is a dynamic one, null for another class. The rows lie in the index's own vector, which
        // only calls through `&mut self` change, for as long as the borrow lasts.
        unsafe {
            let flat = sys::faiss_IndexFlat_cast(self.ptr());
            if flat.is_null() {
                return None;
            }
            let (mut data, mut len) = (ptr::null_mut(), 0);
            sys::faiss_IndexFlat_xb(flat, &mut data, &mut len);
            // FAISS counts the numbers; an empty vector may have no address.
            Some(if len == 0 { &[] } else { std::slice::from_raw_parts(data, len) })
        }
    }

    /// The index as an IVF index, if it is one.
    fn ivf(&self) -> Option<*mut sys::FaissIndexIVF> {
        // SAFETY: a dynamic cast, null for another class.
        let ivf = unsafe { sys::faiss_IndexIVF_cast(self.ptr()) };
        (!ivf.is_null()).then_some(ivf)
    }

    /// Number of lists and how many of them a search probes, for an IVF index.
    pub(super) fn ivf_lists(&self) -> Option<(usize, usize)> {
        // SAFETY: `ivf` points to a live IVF index.
        self.ivf().map(|ivf| unsafe { (sys::faiss_IndexIVF_nlist(ivf), sys::faiss_IndexIVF_nprobe(ivf)) })
    }

    /// Sizes of the lists of an IVF index.
    pub(super) fn ivf_list_sizes(&self) -> Vec<usize> {
        let (Some(ivf), Some((lists, _))) = (self.ivf(), self.ivf_lists()) else { return Vec::new() };
        // SAFETY: `ivf` points to a live IVF index, and the list numbers are below their count.
        (0..lists).map(|list| unsafe { sys::faiss_IndexIVF_get_list_size(ivf, list) }).collect()
    }

    pub(super) fn set_nprobe(&mut self, nprobe: usize) {
        if let Some(ivf) = self.ivf() {
            // SAFETY: `ivf` points to a live IVF index, held exclusively.
            unsafe { sys::faiss_IndexIVF_set_nprobe(ivf, nprobe) };
        }
    }

    /// Makes or drops the map from position to list of an IVF index, which `read` needs.
    pub(super) fn set_direct_map(&mut self, on: bool) -> Result<()> {
        match self.ivf() {
            // SAFETY: `ivf` points to a live IVF index, held exclusively.
            Some(ivf) => check(unsafe { sys::faiss_IndexIVF_make_direct_map(ivf, c_int::from(on)) }),
            None => Ok(()),
        }
    }

    /// Sets a parameter by name, as FAISS's `ParameterSpace` does.
    pub(super) fn set_parameter(&mut self, name: &str, value: usize) -> Result<()> {
        let name = CString::new(name).map_err(failed)?;
        let mut space = ptr::null_mut();
        // SAFETY: the space is made here, used with a live index held exclusively and a C string, and freed once.
        unsafe {
            check(sys::faiss_ParameterSpace_new(&mut space))?;
            let code =
                sys::faiss_ParameterSpace_set_index_parameter(space, self.ptr(), name.as_ptr(), value as f64);
            let result = check(code);
            sys::faiss_ParameterSpace_free(space);
            result
        }
    }

    /// Bytes of one code, where the kind has codes.
    pub(super) fn code_size(&self) -> Option<usize> {
        let mut size = 0;
        // SAFETY: a query on a live index; `size` is written on success.
        let code = unsafe { sys::faiss_Index_sa_code_size(self.ptr(), &mut size) };
        (code == 0).then_some(size)
    }

    /// The index as FAISS writes it to a file.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let written = with_writer(&mut |piece| bytes.extend_from_slice(piece), |writer| {
            // SAFETY: a live index that writing does not change, and a live writer.
            unsafe { sys::faiss_write_index_custom(self.ptr(), writer, 0) }
        });
        written.map(|()| bytes)
    }

    /// An index from what FAISS wrote; `fill` gives the bytes in order.
    pub(super) fn read_from(fill: &mut dyn FnMut(&mut [u8]) -> io::Result<()>) -> Result<Self> {
        let mut raw = ptr::null_mut();
        with_reader(fill, |reader| {
            // SAFETY: a live reader, and a place for the result.
            unsafe { sys::faiss_read_index_custom(reader, 0, &mut raw) }
        })?;
        if raw.is_null() {
            return Err(failed("reading gave no index"));
        }
        // SAFETY: a fresh index that nobody else holds.
        Ok(Self(unsafe { IndexImpl::from_inner_ptr(raw) }))
    }
}

/// Search parameters, with the selector they point to. (The `faiss` crate's own types leave the selector behind.)
struct Parameters {
    raw: *mut sys::FaissSearchParameters,
    _selector: Option<IdSelector>,
}

impl Parameters {
    fn new(narrowing: &Narrowing<'_>) -> Result<Self> {
        let selector = narrowing.bitmap.map(|bitmap| checked(IdSelector::bitmap(bitmap))).transpose()?;
        let pointer = selector.as_ref().map_or(ptr::null_mut(), IdSelector::inner_ptr);
        let mut raw: *mut sys::FaissSearchParameters = ptr::null_mut();
        if let Some(nprobe) = narrowing.nprobe {
            let mut ivf = ptr::null_mut();
            // SAFETY: the selector is null or live, and outlives the parameters since both are in one struct.
            check(unsafe { sys::faiss_SearchParametersIVF_new_with(&mut ivf, pointer, nprobe, 0) })?;
            raw = ivf;
        } else if selector.is_some() {
            // SAFETY: as above.
            check(unsafe { sys::faiss_SearchParameters_new(&mut raw, pointer) })?;
        }
        Ok(Self { raw, _selector: selector })
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: made by `new`, freed once. Freeing them does not touch the selector.
            unsafe { sys::faiss_SearchParameters_free(self.raw) };
        }
    }
}

// FAISS's custom readers and writers take a bare function, so what they work on is handed over by thread; FAISS
// calls them on the thread that reads or writes.
type Fill = *mut dyn FnMut(&mut [u8]) -> io::Result<()>;
type Take = *mut dyn FnMut(&[u8]);

thread_local! {
    static FILL: RefCell<Option<(Fill, Option<io::Error>)>> = const { RefCell::new(None) };
    static TAKE: RefCell<Option<Take>> = const { RefCell::new(None) };
}

unsafe extern "C" fn fill_from_rust(data: *mut c_void, size: usize, count: usize) -> usize {
    let Some(len) = size.checked_mul(count) else { return 0 };
    if len == 0 {
        return count;
    }
    // SAFETY: FAISS asks for `count` items of `size` bytes at `data`, in memory it owns and has initialised (a field or a
    // vector after `resize`).
    let out = unsafe { std::slice::from_raw_parts_mut(data.cast::<u8>(), len) };
    FILL.with_borrow_mut(|slot| {
        let Some((fill, error)) = slot else { return 0 };
        // SAFETY: `with_reader` put the pointer there and takes it away before the borrow behind it ends.
        match catch_unwind(AssertUnwindSafe(|| unsafe { (**fill)(out) })) {
            Ok(Ok(())) => count,
            Ok(Err(cause)) => {
                *error = Some(cause);
                0
            }
            Err(_) => {
                *error = Some(io::Error::other("the reader panicked"));
                0
            }
        }
    })
}

unsafe extern "C" fn take_to_rust(data: *const c_void, size: usize, count: usize) -> usize {
    let Some(len) = size.checked_mul(count) else { return 0 };
    if len == 0 {
        return count;
    }
    // SAFETY: FAISS hands over `count` items of `size` bytes at `data`.
    let piece = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) };
    TAKE.with_borrow_mut(|slot| {
        let Some(take) = slot else { return 0 };
        // SAFETY: `with_writer` put the pointer there and takes it away before the borrow behind it ends.
        match catch_unwind(AssertUnwindSafe(|| unsafe { (**take)(piece) })) {
            Ok(()) => count,
            Err(_) => 0,
        }
    })
}

fn with_reader(
    fill: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    read: impl FnOnce(*mut sys::FaissIOReader) -> c_int,
) -> Result<()> {
    // SAFETY: only the lifetime is forgotten; the pointer leaves the slot below, before the borrow ends.
    let fill: Fill =
        unsafe { std::mem::transmute::<&mut (dyn FnMut(&mut [u8]) -> io::Result<()> + '_), Fill>(fill) };
    let mut reader = ptr::null_mut();
    // SAFETY: makes a reader over a function that lives as long as the program.
    check(unsafe { sys::faiss_CustomIOReader_new(&mut reader, Some(fill_from_rust)) })?;
    FILL.set(Some((fill, None)));
    let result = check(read(reader.cast()));
    let cause = FILL.take().and_then(|(_, error)| error);
    // SAFETY: made above, freed once.
    unsafe { sys::faiss_CustomIOReader_free(reader) };
    match cause {
        Some(cause) => Err(failed(cause)),
        None => result,
    }
}

fn with_writer(
    take: &mut dyn FnMut(&[u8]),
    write: impl FnOnce(*mut sys::FaissIOWriter) -> c_int,
) -> Result<()> {
    // SAFETY: only the lifetime is forgotten; the pointer leaves the slot below, before the borrow ends.
    let take: Take = unsafe { std::mem::transmute::<&mut (dyn FnMut(&[u8]) + '_), Take>(take) };
    let mut writer = ptr::null_mut();
    // SAFETY: makes a writer over a function that lives as long as the program.
    check(unsafe { sys::faiss_CustomIOWriter_new(&mut writer, Some(take_to_rust)) })?;
    TAKE.set(Some(take));
    let result = check(write(writer.cast()));
    TAKE.take();
    // SAFETY: made above, freed once.
    unsafe { sys::faiss_CustomIOWriter_free(writer) };
    result
}

unsafe extern "C" {
    fn twindex_faiss_compile_options(out: *mut std::ffi::c_char, capacity: usize) -> usize;
}

/// The options FAISS was compiled with, such as `OPTIMIZE GENERIC`.
pub(super) fn compile_options() -> String {
    let mut text = [0u8; 128];
    // SAFETY: the function (native/src/faiss/options.cc) writes at most `capacity` bytes and returns how many.
    let len = unsafe { twindex_faiss_compile_options(text.as_mut_ptr().cast(), text.len()) };
    String::from_utf8_lossy(&text[..len.min(text.len())]).trim().to_owned()
}

/// FAISS's version.
pub(super) fn version() -> String {
    // SAFETY: a C string that lives as long as the program.
    unsafe { CStr::from_ptr(sys::faiss_get_version()) }.to_string_lossy().into_owned()
}
