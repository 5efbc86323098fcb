//! A file of lines that is written batch by batch: what was written is on the disk, and a batch is there as a whole or not at all.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

/// A file that is appended to.
pub(crate) struct Spool {
    file: File,
    length: u64,
}

impl Spool {
    /// Makes a new file. One that is there is only taken if it may be appended to; a line that was cut off at its end goes.
    pub(crate) fn open(path: &Path, append: bool) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let options = if append { options.create(true).truncate(false) } else { options.create_new(true) };
        let mut file = options.open(path)?;
        let length = whole_lines(&mut file)?;
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        sync_folder(path);
        Ok(Self { file, length })
    }

    /// Appends the lines and waits for the disk. On an error nothing of them is left in the file.
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.length += lines.len() as u64,
            Err(_) => {
                _ = self.file.set_len(self.length);
                _ = self.file.seek(SeekFrom::Start(self.length));
            }
        }
        written
    }
}

/// The length of the file up to the end of its last whole line.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut chunk = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(chunk.len() as u64);
        let length = usize::try_from(end - start).unwrap_or_default();
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut chunk[..length])?;
        if let Some(at) = chunk[..length].iter().rposition(|octet| *octet == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// A new file is found again after a crash once its folder is on the disk, where a folder can be opened at all.
fn sync_folder(path: &Path) {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    _ = File::open(folder).and_then(|folder| folder.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_goes() {
        let path = std::env::temp_dir().join(format!("stomp-spool-{}", std::process::id()));
        let rows = [("", ""), ("cut", ""), ("a\nb\ncut", "a\nb\n"), ("a\n", "a\n")];
        let long = format!("a\n{}", "x".repeat(10_000));
        for (content, kept) in rows.into_iter().chain([(&*long, "a\n")]) {
            std::fs::write(&path, content).unwrap();
            Spool::open(&path, true).unwrap().append(b"new\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{kept}new\n"));
        }
        assert!(Spool::open(&path, false).is_err(), "a file that is there stays as it is");
        std::fs::remove_file(&path).unwrap();
    }
}
