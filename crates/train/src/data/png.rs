//! Pictures: a grid of grey or coloured images as one PNG.

use super::DataError;
use std::fs;
use std::io;
use std::path::Path;

/// Grey of the lines between images: neither background nor ink.
const GAP: u8 = 96;

/// Writes images as a grid, row by row, `columns` side by side with lines of one pixel between
/// them. The picture appears under `path` when it is complete, never in part.
///
/// # Shapes
/// `pixels`: `[images, height, width]`, row-major, black 0 to white 1; values outside are cut
/// off, NaN is black.
///
/// # Errors
/// [`DataError::Write`] if the file cannot be written.
///
/// # Panics
/// If there is no image, or `pixels` is not a whole number of images.
pub fn write_grid(
    path: &Path,
    pixels: &[f32],
    height: usize,
    width: usize,
    columns: usize,
) -> Result<(), DataError> {
    write(path, pixels, [height, width, 1], columns)
}

/// The same in colour.
///
/// # Shapes
/// `pixels`: `[images, height, width, 3]`, red, green and blue from 0 to 1.
///
/// # Errors
/// [`DataError::Write`] if the file cannot be written.
///
/// # Panics
/// If there is no image, or `pixels` is not a whole number of images.
pub fn write_colour_grid(
    path: &Path,
    pixels: &[f32],
    height: usize,
    width: usize,
    columns: usize,
) -> Result<(), DataError> {
    write(path, pixels, [height, width, 3], columns)
}

fn write(
    path: &Path,
    pixels: &[f32],
    [height, width, channels]: [usize; 3],
    columns: usize,
) -> Result<(), DataError> {
    let size = height * width * channels;
    assert!(
        size > 0 && columns > 0 && !pixels.is_empty() && pixels.len().is_multiple_of(size),
        "{} values in {columns} columns of {height} x {width} images of {channels} channels",
        pixels.len()
    );
    let images = pixels.len() / size;
    let columns = columns.min(images);
    let rows = images.div_ceil(columns);
    let picture_width = columns * (width + 1) - 1;
    let picture_height = rows * (height + 1) - 1;
    let mut picture = vec![GAP; picture_width * picture_height * channels];
    for (i, image) in pixels.chunks_exact(size).enumerate() {
        let (top, left) = (i / columns * (height + 1), i % columns * (width + 1));
        for (y, line) in image.chunks_exact(width * channels).enumerate() {
            let start = ((top + y) * picture_width + left) * channels;
            for (to, &from) in picture[start..start + line.len()].iter_mut().zip(line) {
                // The cast takes NaN to 0 and saturates.
                *to = (255.0 * from + 0.5) as u8;
            }
        }
    }
    let colour = if channels == 3 {
        png::ColorType::Rgb
    } else {
        png::ColorType::Grayscale
    };
    let write = || -> io::Result<()> {
        let mut file = Vec::new();
        let mut encoder =
            png::Encoder::new(&mut file, u32_of(picture_width)?, u32_of(picture_height)?);
        encoder.set_color(colour);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&picture)?;
        writer.finish()?;
        replace(path, &file)
    };
    write().map_err(|source| DataError::Write {
        path: path.into(),
        source,
    })
}

fn u32_of(length: usize) -> io::Result<u32> {
    u32::try_from(length).map_err(|_| io::Error::other(format!("a picture {length} pixels long")))
}

/// Puts `content` under `path` in one step: written beside it, then renamed.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let written = fs::write(&partial, content).and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // Best effort: the error to report is the first one.
        let _ = fs::remove_file(&partial);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_every_image_in_its_place() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("grid.png");
        // Three images of 1 x 2 in two columns: a picture of 3 x 5.
        write_grid(&path, &[0.0, 1.0, -3.0, 7.0, 0.5, f32::NAN], 1, 2, 2).expect("written");
        let decoder = png::Decoder::new(io::BufReader::new(fs::File::open(&path).expect("a file")));
        let mut reader = decoder.read_info().expect("a picture");
        let mut picture = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut picture).expect("pixels");
        assert_eq!(
            (info.width, info.height, info.color_type),
            (5, 3, png::ColorType::Grayscale)
        );
        let g = GAP;
        assert_eq!(picture, [0, 255, g, 0, 255, g, g, g, g, g, 128, 0, g, g, g]);
        assert_eq!(
            fs::read_dir(dir.path()).expect("the folder").count(),
            1,
            "something was left behind"
        );
    }

    #[test]
    fn colours_lie_side_by_side() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("grid.png");
        // A red and a white pixel.
        write_colour_grid(&path, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 1, 1, 2).expect("written");
        let decoder = png::Decoder::new(io::BufReader::new(fs::File::open(&path).expect("a file")));
        let mut reader = decoder.read_info().expect("a picture");
        let mut picture = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut picture).expect("pixels");
        assert_eq!(
            (info.width, info.height, info.color_type),
            (3, 1, png::ColorType::Rgb)
        );
        let g = GAP;
        assert_eq!(picture, [255, 0, 0, g, g, g, 255, 255, 255]);
    }

    #[test]
    fn a_failure_names_the_file_and_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        // A folder stands where the picture should go.
        let path = dir.path().join("taken");
        fs::create_dir(&path).expect("a folder");
        let error = write_grid(&path, &[1.0], 1, 1, 1).expect_err("a folder is in the way");
        assert!(error.to_string().contains("taken") && !error.is_usage());
        assert_eq!(fs::read_dir(dir.path()).expect("the folder").count(), 1);
        let nowhere = dir.path().join("absent").join("x.png");
        assert!(write_grid(&nowhere, &[1.0], 1, 1, 1).is_err());
    }
}
