//! The numbers of a tensor in JSON: a list of them, perhaps of lists.

use std::fmt;

use sepconv::{DType, Data, ElementType, Error, Result, Shape, Tensor};
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};

/// The tensor whose numbers `text` lists, in row-major order, nested or flat.
///
/// # Errors
/// When they are not as many as `shape` has, or not of the type.
pub(crate) fn read(text: &[u8], element: ElementType, shape: Shape) -> Result<Tensor> {
    let most = shape.elements();
    let data = match element.dtype() {
        DType::F32 => Data::F32(numbers(text, most)?),
        DType::U8 => Data::U8(numbers(text, most)?),
        DType::I8 => Data::I8(numbers(text, most)?),
        DType::I64 => Data::I64(numbers(text, most)?),
    };
    Tensor::new(shape, data)
}

fn numbers<T: Number>(text: &[u8], most: usize) -> Result<Vec<T>> {
    let mut numbers = Vec::new();
    let mut parser = serde_json::Deserializer::from_slice(text);
    let read = Numbers { numbers: &mut numbers, most }.deserialize(&mut parser).and_then(|()| parser.end());
    read.map_err(|error| Error::malformed(format!("data are not the tensor's: {error}")))?;
    match numbers.len() == most {
        true => Ok(numbers),
        false => Err(Error::malformed("data do not fill the shape").expected(most, numbers.len())),
    }
}

/// What a number in JSON can be read as.
trait Number: Sized {
    fn of_float(number: f64) -> Option<Self>;
    fn of_integer(number: i64) -> Option<Self>;
}

impl Number for f32 {
    fn of_float(number: f64) -> Option<Self> {
        Some(number as f32)
    }

    fn of_integer(number: i64) -> Option<Self> {
        Some(number as f32)
    }
}

macro_rules! integer {
    ($($type:ty),*) => {$(
        impl Number for $type {
            fn of_float(_: f64) -> Option<Self> {
                None
            }

            fn of_integer(number: i64) -> Option<Self> {
                number.try_into().ok()
            }
        }
    )*};
}

integer!(u8, i8, i64);

/// Collects numbers, at most so many.
struct Numbers<'n, T> {
    numbers: &'n mut Vec<T>,
    most: usize,
}

impl<T: Number> Numbers<'_, T> {
    fn push<E: serde::de::Error>(self, number: Option<T>) -> Result<(), E> {
        let number = number.ok_or_else(|| E::custom("a number that the datatype cannot hold"))?;
        if self.numbers.len() == self.most {
            return Err(E::custom(format_args!("more than the {} elements of the shape", self.most)));
        }
        self.numbers.push(number);
        Ok(())
    }
}

impl<'de, T: Number> DeserializeSeed<'de> for Numbers<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Number> Visitor<'de> for Numbers<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers or lists of them")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.push(T::of_integer(value.into()))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.push(T::of_integer(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        let number = i64::try_from(value).map_or_else(|_| T::of_float(value as f64), T::of_integer);
        self.push(number)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.push(T::of_float(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { numbers, most } = self;
        while list.next_element_seed(Numbers { numbers: &mut *numbers, most })?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(text: &str, element: ElementType) -> Result<Tensor> {
        read(text.as_bytes(), element, Shape::new([2, 2]).unwrap())
    }

    #[test]
    fn lists_are_read_flat_and_nested() {
        for text in ["[1, 2.5, -3, 4e0]", "[[1, 2.5], [-3, 4]]", "[[[1], 2.5], -3, [4]]"] {
            assert_eq!(tensor(text, ElementType::F32).unwrap().as_f32(), Some(&[1.0, 2.5, -3.0, 4.0][..]), "{text}");
        }
        assert_eq!(tensor("[0, 255, true, 3]", ElementType::U8).unwrap().as_u8(), Some(&[0, 255, 1, 3][..]));
        let wide = tensor("[[true, false], [9007199254740993, -1]]", ElementType::I64).unwrap();
        assert_eq!(wide.as_i64(), Some(&[1, 0, 9_007_199_254_740_993, -1][..]));
    }

    #[test]
    fn what_is_no_such_tensor_is_refused() {
        let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
        for text in ["[1,2,3]", "[1,2,3,4,5]", "[1,2,3,\"4\"]", "[1,2,3,null]", "{}", "[1,2,3,4]]", "", &deep] {
            assert!(tensor(text, ElementType::F32).is_err(), "{text}");
        }
        for text in ["[1,2,3,256]", "[1,2,3,-1]", "[1,2,3,4.5]"] {
            assert!(tensor(text, ElementType::U8).is_err(), "{text}");
        }
    }
}
