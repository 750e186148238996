//! NumPy files of version 1.0, little endian, C order: all that the data packs use.

use std::path::Path;

/// A matrix of one type of number.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix<T> {
    /// How many rows.
    pub rows: usize,
    /// Numbers per row; 1 for a list.
    pub columns: usize,
    /// The numbers, row after row.
    pub data: Vec<T>,
}

impl<T> Matrix<T> {
    /// Row `i`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, i: usize) -> &[T] {
        &self.data[i * self.columns..(i + 1) * self.columns]
    }
}

/// A number that a file can hold.
pub trait Number: Copy {
    /// NumPy's name of it.
    const DESCR: &'static str;
    /// Bytes of one.
    const SIZE: usize;
    /// One from its bytes, of which there are `SIZE`.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! number {
    ($type:ty, $descr:literal) => {
        impl Number for $type {
            const DESCR: &'static str = $descr;
            const SIZE: usize = size_of::<$type>();
            fn read(bytes: &[u8]) -> Self {
                let mut buffer = [0; size_of::<$type>()];
                buffer.copy_from_slice(bytes);
                Self::from_le_bytes(buffer)
            }
        }
    };
}
number!(f32, "<f4");
number!(f64, "<f8");
number!(i32, "<i4");

/// Reads a file.
///
/// # Errors
/// A sentence that names the file.
pub fn read<T: Number>(path: &Path) -> Result<Matrix<T>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    parse(&bytes).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Reads the bytes of a file.
///
/// # Errors
/// What is wrong with them.
pub fn parse<T: Number>(bytes: &[u8]) -> Result<Matrix<T>, String> {
    let [b'\x93', b'N', b'U', b'M', b'P', b'Y', 1, 0, low, high, rest @ ..] = bytes else {
        return Err("not a NumPy file of version 1.0".into());
    };
    let length = usize::from(u16::from_le_bytes([*low, *high]));
    let header = rest.get(..length).ok_or("the header is cut short")?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is not text")?;
    if !header.contains(&format!("'descr': '{}'", T::DESCR)) || !header.contains("'fortran_order': False") {
        return Err(format!("numbers of type {} in C order expected, got {}", T::DESCR, header.trim()));
    }
    let shape =
        header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')')).map(|(shape, _)| shape);
    let shape: Vec<usize> = shape
        .ok_or("the header has no shape")?
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().map_err(|_| format!("{part:?} is no length")))
        .collect::<Result<_, _>>()?;
    let (rows, columns) = match shape[..] {
        [rows] => (rows, 1),
        [rows, columns] => (rows, columns),
        _ => return Err(format!("one or two dimensions expected, got {}", shape.len())),
    };
    let body = &rest[length..];
    let expected = rows.checked_mul(columns).and_then(|count| count.checked_mul(T::SIZE));
    if expected != Some(body.len()) {
        return Err(format!("{rows} x {columns} numbers expected, got {} bytes", body.len()));
    }
    Ok(Matrix { rows, columns, data: body.chunks_exact(T::SIZE).map(T::read).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, shape: &str, body: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), body].concat()
    }

    #[test]
    fn matrices_and_lists_are_read() {
        let body: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let matrix = parse::<f32>(&file("<f4", "(2, 2)", &body)).unwrap();
        assert_eq!((matrix.rows, matrix.columns, matrix.row(1)), (2, 2, &[3.0, 4.0][..]));
        assert_eq!(parse::<f32>(&file("<f4", "(4,)", &body)).unwrap().columns, 1);
    }

    #[test]
    fn other_types_and_lengths_are_refused() {
        assert!(parse::<f64>(&file("<f4", "(1,)", &[0; 4])).is_err());
        assert!(parse::<f32>(&file("<f4", "(3,)", &[0; 4])).is_err());
        assert!(parse::<f32>(b"not a file").is_err());
    }
}
