use std::cell::Cell;
use std::collections::HashSet;

use sepconv_core::{Error, Result};

use super::proto::{AttributeProto, TensorProto};

/// A node's attributes. Remembers which were read: an attribute that no import function reads could change the result
/// unnoticed.
pub(super) struct Attributes<'a> {
    list: &'a [AttributeProto],
    read: Vec<Cell<bool>>,
}

/// The values of `AttributeProto.type` that are read, with the names that the specification gives them.
#[derive(Clone, Copy)]
enum Kind {
    Float = 1,
    Int = 2,
    String = 3,
    Tensor = 4,
    Floats = 6,
    Ints = 7,
    Strings = 8,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(list: &'a [AttributeProto]) -> Result<Self> {
        let mut names = HashSet::new();
        if let Some(twice) = list.iter().find(|attribute| !names.insert(attribute.name.as_str())) {
            return Err(Error::malformed(format!("attribute {:?} is given twice", twice.name)));
        }
        Ok(Self { list, read: vec![Cell::new(false); list.len()] })
    }

    pub(super) fn int(&self, name: &str) -> Result<Option<i64>> {
        let Some(attribute) = self.find(name, Kind::Int)? else { return Ok(None) };
        Ok(Some(attribute.i.unwrap_or(0)))
    }

    pub(super) fn int_or(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.int(name)? {
            None => Ok(default),
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(other) => Err(unsupported_value(name, other, "0 or 1")),
        }
    }

    pub(super) fn float(&self, name: &str) -> Result<Option<f32>> {
        let Some(attribute) = self.find(name, Kind::Float)? else { return Ok(None) };
        Ok(Some(attribute.f.unwrap_or(0.0)))
    }

    pub(super) fn float_or(&self, name: &str, default: f32) -> Result<f32> {
        Ok(self.float(name)?.unwrap_or(default))
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<&'a [i64]>> {
        Ok(self.find(name, Kind::Ints)?.map(|attribute| &attribute.ints[..]))
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<&'a [f32]>> {
        Ok(self.find(name, Kind::Floats)?.map(|attribute| &attribute.floats[..]))
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Option<&'a TensorProto>> {
        Ok(self.find(name, Kind::Tensor)?.and_then(|attribute| attribute.t.as_ref()))
    }

    pub(super) fn string_or(&self, name: &str, default: &'a str) -> Result<&'a str> {
        let Some(attribute) = self.find(name, Kind::String)? else { return Ok(default) };
        text(name, attribute.s.as_deref().unwrap_or_default())
    }

    pub(super) fn strings(&self, name: &str) -> Result<Vec<&'a str>> {
        let strings = self.find(name, Kind::Strings)?.map_or(&[][..], |attribute| &attribute.strings);
        strings.iter().map(|string| text(name, string)).collect()
    }

    /// For attributes that a specification version defines and inference ignores.
    pub(super) fn ignore(&self, names: &[&str]) {
        for (attribute, read) in self.list.iter().zip(&self.read) {
            if names.contains(&attribute.name.as_str()) {
                read.set(true);
            }
        }
    }

    /// Fails where the node has attributes that its import did not ask for.
    pub(super) fn check_all_read(&self) -> Result<()> {
        match self.list.iter().zip(&self.read).find(|(_, read)| !read.get()) {
            Some((attribute, _)) => Err(Error::unsupported(format!("attribute {:?} is not supported", attribute.name))
                .help("the operator's other attributes are; export the network without this one")),
            None => Ok(()),
        }
    }

    fn find(&self, name: &str, kind: Kind) -> Result<Option<&'a AttributeProto>> {
        let Some(i) = self.list.iter().position(|attribute| attribute.name == name) else { return Ok(None) };
        self.read[i].set(true);
        let attribute = &self.list[i];
        // Files older than IR version 2 leave the type out.
        if attribute.r#type != 0 && attribute.r#type != kind as i32 {
            return Err(Error::malformed(format!("attribute {name:?} has the wrong type"))
                .expected(format_args!("AttributeType {}", kind as i32), attribute.r#type));
        }
        Ok(Some(attribute))
    }
}

fn text<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|_| Error::malformed(format!("attribute {name:?} is not text")))
}

/// The error for an attribute whose value is valid ONNX and not supported, or not valid at all.
pub(super) fn unsupported_value(name: &str, value: impl std::fmt::Debug, supported: &str) -> Error {
    Error::unsupported(format!("attribute {name:?} has a value that is not supported"))
        .expected(supported, format_args!("{value:?}"))
}
