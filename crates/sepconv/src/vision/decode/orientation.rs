use libjpeg_turbo_rs::common::exif::parse_orientation;

/// How a camera was held: what has to be done to its pixels, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Orientation {
    /// Rows and columns are exchanged.
    transpose: bool,
    /// Columns are in reverse order.
    mirror: bool,
    /// Rows are in reverse order.
    flip: bool,
}

impl Orientation {
    /// From the EXIF tag of this name (CIPA DC-008, 4.6.5.1.6); upright for all but 2 to 8.
    pub(super) fn numbered(tag: Option<u8>) -> Self {
        let (transpose, mirror, flip) = match tag {
            Some(2) => (false, true, false),
            Some(3) => (false, true, true),
            Some(4) => (false, false, true),
            Some(5) => (true, false, false),
            Some(6) => (true, true, false),
            Some(7) => (true, true, true),
            Some(8) => (true, false, true),
            _ => (false, false, false),
        };
        Self { transpose, mirror, flip }
    }

    /// From EXIF data, with or without its own heading.
    pub(super) fn of_exif(exif: Option<&[u8]>) -> Self {
        let tiff = exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif));
        Self::numbered(tiff.and_then(parse_orientation))
    }

    /// Width, height and RGB pixels as people should see them.
    pub(super) fn upright(self, width: usize, height: usize, rgb: Vec<u8>) -> (usize, usize, Vec<u8>) {
        if self == Self::default() {
            return (width, height, rgb);
        }
        let (across, down) = if self.transpose { (height, width) } else { (width, height) };
        let mut turned = Vec::with_capacity(rgb.len());
        for y in 0..down {
            let y = if self.flip { down - 1 - y } else { y };
            for x in 0..across {
                let x = if self.mirror { across - 1 - x } else { x };
                let (column, row) = if self.transpose { (y, x) } else { (x, y) };
                turned.extend(&rgb[(row * width + column) * 3..][..3]);
            }
        }
        (across, down, turned)
    }
}
