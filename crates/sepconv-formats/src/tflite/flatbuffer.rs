//! A reader of FlatBuffers (<https://flatbuffers.dev/internals>) over untrusted bytes.
//!
//! A buffer is tables, vectors and strings that point forwards to each other, and vtables that say where a table keeps
//! each field. Every position is checked when it is followed, nothing is allocated, and nothing is followed unless a
//! caller asks, so a hostile buffer costs no more than the path its reader walks. Many offsets may lead to one large
//! vector, though: readers bound what they take from each.

use std::borrow::Cow;
use std::marker::PhantomData;

use sepconv_core::{Error, Result};

/// Bytes of a string that are read: a file may give one long name to many tensors.
const MAX_STRING: usize = 512;

/// A table: fields by number, each of which may be absent.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    start: usize,
    size: usize,
    vtable: &'a [u8],
}

impl<'a> Table<'a> {
    /// The table that a whole buffer stands for.
    pub(super) fn root(bytes: &'a [u8]) -> Result<Self> {
        Self::follow(bytes, 0)
    }

    /// The table that the offset at `place` leads to.
    fn follow(bytes: &'a [u8], place: usize) -> Result<Self> {
        let start = target(bytes, place)?;
        let back = i32::from_le_bytes(array(bytes, start)?);
        let vtable = usize::try_from(start as i64 - i64::from(back)).map_err(|_| outside("vtable"))?;
        let length = usize::from(u16::from_le_bytes(array(bytes, vtable)?));
        let size = usize::from(u16::from_le_bytes(array(bytes, vtable.saturating_add(2))?));
        if length < 4 || !length.is_multiple_of(2) || size < 4 || bytes.len() - start < size {
            return Err(Error::malformed("FlatBuffers table has an impossible size").at(format!("byte {start}")));
        }
        let vtable = bytes.get(vtable + 4..vtable + length).ok_or_else(|| outside("vtable"))?;
        Ok(Self { bytes, start, size, vtable })
    }

    /// Where a field of `width` bytes lies, if it is present.
    fn place(&self, field: usize, width: usize) -> Result<Option<usize>> {
        let Some(slot) = self.vtable.chunks_exact(2).nth(field) else { return Ok(None) };
        match usize::from(u16::from_le_bytes([slot[0], slot[1]])) {
            0 => Ok(None),
            offset if offset < 4 || offset + width > self.size => Err(outside("field of a table")),
            offset => Ok(Some(self.start + offset)),
        }
    }

    /// A number, or the schema's default where it is absent.
    pub(super) fn scalar<T: Scalar>(&self, field: usize, default: T) -> Result<T> {
        Ok(self.place(field, T::WIDTH)?.map_or(default, |place| T::read(&self.bytes[place..])))
    }

    /// A table within this one.
    pub(super) fn table(&self, field: usize) -> Result<Option<Table<'a>>> {
        self.place(field, 4)?.map(|place| Self::follow(self.bytes, place)).transpose()
    }

    /// A vector of numbers; empty where it is absent.
    pub(super) fn scalars<T: Scalar>(&self, field: usize) -> Result<Scalars<'a, T>> {
        let data = match self.place(field, 4)? {
            Some(place) => vector(self.bytes, place, T::WIDTH)?.1,
            None => &[],
        };
        Ok(Scalars { data, element: PhantomData })
    }

    /// A vector of tables; empty where it is absent.
    pub(super) fn tables(&self, field: usize) -> Result<Tables<'a>> {
        let (start, data) = match self.place(field, 4)? {
            Some(place) => vector(self.bytes, place, 4)?,
            None => (0, &[][..]),
        };
        Ok(Tables { bytes: self.bytes, start, len: data.len() / 4 })
    }

    /// A vector of bytes; empty where it is absent.
    pub(super) fn bytes(&self, field: usize) -> Result<&'a [u8]> {
        Ok(self.scalars::<u8>(field)?.data)
    }

    /// A string, up to a length at which people stop reading; empty where it is absent.
    pub(super) fn string(&self, field: usize) -> Result<Cow<'a, str>> {
        let bytes = self.bytes(field)?;
        Ok(String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_STRING)]))
    }
}

/// A vector of numbers.
#[derive(Clone, Copy)]
pub(super) struct Scalars<'a, T> {
    data: &'a [u8],
    element: PhantomData<T>,
}

impl<'a, T: Scalar> Scalars<'a, T> {
    /// How many.
    pub(super) fn len(&self) -> usize {
        self.data.len() / T::WIDTH
    }

    /// The number at `index`.
    pub(super) fn get(&self, index: usize) -> Option<T> {
        self.iter().nth(index)
    }

    /// Each in turn.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = T> + use<'a, T> {
        self.data.chunks_exact(T::WIDTH).map(T::read)
    }
}

/// A vector of tables.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    bytes: &'a [u8],
    start: usize,
    len: usize,
}

impl<'a> Tables<'a> {
    /// How many.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The table at `index`; `what` names it in the error for an index beyond the vector.
    pub(super) fn get(&self, index: usize, what: &str) -> Result<Table<'a>> {
        if index >= self.len {
            return Err(Error::malformed(format!("{what} does not exist"))
                .expected(format_args!("an index below {}", self.len), index));
        }
        Table::follow(self.bytes, self.start + 4 * index)
    }

    /// Each in turn.
    pub(super) fn iter(self) -> impl Iterator<Item = Result<Table<'a>>> {
        (0..self.len).map(move |index| Table::follow(self.bytes, self.start + 4 * index))
    }
}

/// A number as FlatBuffers store it.
pub(super) trait Scalar: Copy {
    /// Bytes.
    const WIDTH: usize;
    /// From the first [`WIDTH`](Self::WIDTH) bytes, little-endian.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! scalars {
    ($($t:ty),*) => {$(
        impl Scalar for $t {
            const WIDTH: usize = size_of::<$t>();
            fn read(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<$t>()];
                array.copy_from_slice(&bytes[..Self::WIDTH]);
                Self::from_le_bytes(array)
            }
        }
    )*};
}
scalars!(i8, u8, u16, i32, u32, i64, u64, f32, f64);

impl Scalar for bool {
    const WIDTH: usize = 1;
    fn read(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }
}

/// The vector that the offset at `place` leads to: where its elements begin, and their bytes.
fn vector(bytes: &[u8], place: usize, width: usize) -> Result<(usize, &[u8])> {
    let start = target(bytes, place)?;
    let len = u32::from_le_bytes(array(bytes, start)?) as usize;
    let data = &bytes[start + 4..];
    let data = len.checked_mul(width).and_then(|size| data.get(..size)).ok_or_else(|| {
        Error::malformed("vector is longer than the file")
            .at(format!("byte {start}"))
            .expected(format_args!("at most {} elements of {width} bytes", data.len() / width), len)
    })?;
    Ok((start + 4, data))
}

/// Where the offset at `place` leads.
fn target(bytes: &[u8], place: usize) -> Result<usize> {
    let offset = u32::from_le_bytes(array(bytes, place)?) as usize;
    place.checked_add(offset).filter(|&target| target < bytes.len()).ok_or_else(|| outside("offset"))
}

fn array<const N: usize>(bytes: &[u8], place: usize) -> Result<[u8; N]> {
    bytes.get(place..).and_then(|tail| tail.first_chunk()).copied().ok_or_else(|| outside("offset"))
}

fn outside(what: &str) -> Error {
    Error::malformed(format!("{what} leads outside the file")).help("the file may be truncated")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table with fields 0 (u8 = 7), 1 (absent) and 2 (vector of two u16).
    const BYTES: [u8; 34] = [
        14, 0, 0, 0, // root
        10, 0, 12, 0, 4, 0, 0, 0, 8, 0, // vtable
        10, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0, // table
        2, 0, 0, 0, 1, 0, 2, 1, // vector
    ];

    #[test]
    fn fields_are_found_or_take_their_default() {
        let table = Table::root(&BYTES).unwrap();
        assert_eq!(table.scalar(0, 1u8).unwrap(), 7);
        assert_eq!(table.scalar(1, 5i32).unwrap(), 5);
        assert_eq!(table.scalar(9, -1.5f32).unwrap(), -1.5);
        let vector = table.scalars::<u16>(2).unwrap();
        assert_eq!((vector.len(), vector.iter().collect::<Vec<_>>()), (2, vec![1, 258]));
        assert!(table.table(1).unwrap().is_none());
        assert_eq!(table.tables(1).unwrap().len(), 0);
    }

    #[test]
    fn forged_buffers_are_refused() {
        let forge = |index: usize, value: u8| {
            let mut bytes = BYTES;
            bytes[index] = value;
            Table::root(&bytes).and_then(|table| {
                table.scalar(0, 0u8)?;
                table.scalars::<u16>(2).map(|vector| vector.len())
            })
        };
        assert_eq!(forge(4, 10).unwrap(), 2);
        for (index, value) in [(0, 34), (0, 255), (4, 3), (4, 9), (4, 255), (6, 3), (6, 40), (8, 3), (8, 12), (17, 1)] {
            assert!(forge(index, value).is_err(), "byte {index} = {value}");
        }
        for (index, value) in [(12, 9), (22, 9), (26, 3), (29, 0x80)] {
            assert!(forge(index, value).is_err(), "byte {index} = {value}");
        }
        // A width that would read beyond the table, though not beyond the file.
        assert!(Table::root(&BYTES).unwrap().scalar(2, 0u64).is_err());
        for len in 0..BYTES.len() {
            let cut = Table::root(&BYTES[..len]).and_then(|table| table.scalars::<u16>(2).map(|vector| vector.len()));
            assert!(cut.is_err(), "{len} bytes");
        }
    }
}
