//! Pictures of one's own: the PNG files of a folder as square grey images of one size.
//!
//! A picture is any PNG: grey, coloured or with a palette, 1 to 16 bits, with or without transparency, interlaced or not. It becomes grey
//! (`.299 R + .587 G + .114 B`) on black, its middle square is cut out, and that is brought to the size by the mean over the area of each
//! new pixel.
//!
//! Which split a picture belongs to is a function of its name alone, so it stays there when others come or go: of ten, one is for testing, one
//! for validation and eight for training. Within a split pictures are in the order of their names.
//!
//! The folder is taken whole: a file in it that is no picture is an error, not left out, but for hidden ones. Folders in it are not entered.

use super::source::Raw;
use super::stream::Stream;
use super::{DataError, Split};
use rayon::prelude::*;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Pixels of the largest picture that is read: what a file declares is no reason to reserve more.
const LARGEST: u64 = 1 << 25;
/// Rows and columns that make sense for images here.
const SIDES: std::ops::RangeInclusive<usize> = 4..=1024;

/// The pictures of `folder`, training, validation, test, at `side` x `side` pixels.
pub(super) fn read(folder: &Path, side: usize) -> Result<[Raw; 3], DataError> {
    let fault = |problem: String| DataError::Folder {
        path: folder.into(),
        problem,
    };
    if !SIDES.contains(&side) {
        return Err(fault(format!(
            "data.pixels is {side}, expected {} to {}",
            SIDES.start(),
            SIDES.end()
        )));
    }
    let files = list(folder)?;
    let images: Vec<Vec<u8>> = files
        .par_iter()
        .map(|file| square(file, side))
        .collect::<Result<_, _>>()?;
    let splits = [Split::Train, Split::Valid, Split::Test].map(|split| Raw {
        side,
        grey: files
            .iter()
            .zip(&images)
            .filter(|(file, _)| split_of(file) == split)
            .flat_map(|(_, image)| image.iter().copied())
            .collect(),
        labels: None,
    });
    let [train, valid, test] = splits.each_ref().map(|raw| raw.grey.len() / (side * side));
    if train == 0 || valid == 0 || test == 0 {
        return Err(fault(format!(
            "its {} pictures are {train} to learn from, {valid} to validate and {test} to test, by their names; each needs one at least: \
             add pictures (of fifty, each has some almost surely)",
            files.len()
        )));
    }
    Ok(splits)
}

/// The files of the folder that are not hidden, in the order of their names.
fn list(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let fault = |problem: &str| DataError::Folder {
        path: folder.into(),
        problem: problem.into(),
    };
    let unreadable = |source| DataError::Read {
        path: folder.into(),
        source,
    };
    if !folder.exists() {
        return Err(fault(
            "there is no such folder; data.folder is looked for from where the program is started",
        ));
    }
    if !folder.is_dir() {
        return Err(fault(
            "is a file; data.folder must be the folder that holds the pictures",
        ));
    }
    let mut files = Vec::new();
    let mut folders = false;
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if name(&path).starts_with('.') {
            continue;
        }
        if path.is_dir() {
            folders = true;
        } else {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(fault(if folders {
            "holds folders and no pictures; give one of them: folders in it are not entered"
        } else {
            "is empty; put PNG pictures into it"
        }));
    }
    files.sort();
    Ok(files)
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A function of the name of the file: one in ten for testing, one for validation.
fn split_of(path: &Path) -> Split {
    let stream = Stream::new(&format!("folder/split/1/{}", name(path)), 0);
    match stream.draws(0, 0).below(10) {
        0 => Split::Test,
        1 => Split::Valid,
        _ => Split::Train,
    }
}

/// The picture's middle square at `side` x `side` pixels, grey.
fn square(path: &Path, side: usize) -> Result<Vec<u8>, DataError> {
    let fault = |problem: String| DataError::Folder {
        path: path.into(),
        problem,
    };
    let file = File::open(path).map_err(|source| DataError::Read {
        path: path.into(),
        source,
    })?;
    let picture = decode(BufReader::new(file)).map_err(fault)?;
    let (height, width) = (picture.grey.len() / picture.width, picture.width);
    let square = height.min(width);
    if square < side {
        return Err(fault(format!(
            "is {width} x {height} pixels, too small for {side} x {side}: take it out of the folder, or --set data.pixels={square}"
        )));
    }
    let corner = [(height - square) / 2, (width - square) / 2];
    Ok(picture.shrink(corner, square, side))
}

/// A grey picture, row by row.
struct Grey {
    grey: Vec<u8>,
    width: usize,
}

/// A whole PNG, or what is wrong with it and the way out.
fn decode(from: BufReader<File>) -> Result<Grey, String> {
    let damaged = |error: png::DecodingError| match error {
        png::DecodingError::Format(problem) if problem.to_string().contains("signature") => {
            "is no PNG picture: convert it, or take it out of the folder".to_owned()
        }
        png::DecodingError::IoError(problem)
            if problem.kind() == std::io::ErrorKind::UnexpectedEof =>
        {
            "ends too early, a part of a PNG picture or none: take it out of the folder".to_owned()
        }
        other => format!("cannot be read as a PNG picture ({other}): take it out of the folder"),
    };
    let mut decoder = png::Decoder::new(from);
    // 8 bits for every channel, a palette as its colours.
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(damaged)?;
    let (width, height) = (header.width as usize, header.height as usize);
    if u64::from(header.width) * u64::from(header.height) > LARGEST {
        return Err(format!(
            "declares {width} x {height} pixels, more than {LARGEST} in all: make it smaller, or take it out of the folder"
        ));
    }
    let mut reader = decoder.read_info().map_err(damaged)?;
    let bytes = reader
        .output_buffer_size()
        .ok_or("declares a size that no memory holds: take it out of the folder")?;
    let mut pixels = vec![0; bytes];
    let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
    let colour = frame.color_type;
    let grey = pixels[..frame.buffer_size()]
        .chunks_exact(colour.samples())
        .map(|pixel| match *pixel {
            [grey] => grey,
            [grey, alpha] => on_black(grey, alpha),
            [r, g, b] => luma(r, g, b),
            [r, g, b, alpha] => on_black(luma(r, g, b), alpha),
            _ => unreachable!("a PNG pixel has one to four channels, got {colour:?}"),
        })
        .collect();
    Ok(Grey { grey, width })
}

/// The weights of ITU-R BT.601.
fn luma(r: u8, g: u8, b: u8) -> u8 {
    let [r, g, b] = [r, g, b].map(u32::from);
    ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
}

fn on_black(grey: u8, alpha: u8) -> u8 {
    ((u32::from(grey) * u32::from(alpha) + 127) / 255) as u8
}

impl Grey {
    /// The square of `from` pixels a side at `corner` (row, column), at `to` pixels a side: each new pixel is the mean over its area.
    fn shrink(&self, corner: [usize; 2], from: usize, to: usize) -> Vec<u8> {
        // In units of 1/to of an old pixel, new pixel i covers [i from, (i + 1) from): old pixels and their lengths in it, in whole numbers.
        let cover = |i: usize| {
            let (start, end) = (i * from, (i + 1) * from);
            (start / to..end.div_ceil(to)).map(move |old| {
                let length = end.min((old + 1) * to) - start.max(old * to);
                (old, length as u64)
            })
        };
        let area = (from * from) as u64;
        let mut image = Vec::with_capacity(to * to);
        for i in 0..to {
            for j in 0..to {
                let mut sum = 0;
                for (row, high) in cover(i) {
                    let line = &self.grey[(corner[0] + row) * self.width + corner[1]..];
                    for (column, wide) in cover(j) {
                        sum += high * wide * u64::from(line[column]);
                    }
                }
                image.push(((sum + area / 2) / area) as u8);
            }
        }
        image
    }
}

#[cfg(test)]
mod tests;
