//! The lines of a file or of stdin, with a bound on their length.

use std::{
    path::{Path, PathBuf},
    pin::Pin,
};

use tokio::{
    fs::File,
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
};

use crate::exit::Failure;

/// Longer than base64 of the largest body that RabbitMQ 3 takes.
const LONGEST: u64 = 192 << 20;

/// A source of octets, and what it is called.
pub(crate) struct Lines {
    name: String,
    reader: Pin<Box<dyn AsyncBufRead + Send>>,
    number: u64,
}

async fn open(file: Option<&PathBuf>) -> Result<(String, Pin<Box<dyn AsyncRead + Send>>), Failure> {
    match file.filter(|file| **file != *Path::new("-")) {
        None => Ok(("stdin".into(), Box::pin(tokio::io::stdin()))),
        Some(file) => {
            let name = file.display().to_string();
            let opened = File::open(file).await.map_err(|error| Failure::io(&name, &error))?;
            Ok((name, Box::pin(opened)))
        }
    }
}

/// All octets of a file or of stdin.
pub(crate) async fn whole(file: Option<&PathBuf>) -> Result<Vec<u8>, Failure> {
    let (name, reader) = open(file).await?;
    let mut octets = Vec::new();
    let read = reader.take(LONGEST).read_to_end(&mut octets).await;
    match read {
        Ok(read) if read as u64 == LONGEST => {
            Err(Failure::usage(format!("{name} is too large for a message")))
        }
        Ok(_) => Ok(octets),
        Err(error) => Err(Failure::io(name, &error)),
    }
}

impl Lines {
    pub(crate) async fn open(file: Option<&PathBuf>) -> Result<Self, Failure> {
        let (name, reader) = open(file).await?;
        Ok(Self { name, reader: Box::pin(BufReader::with_capacity(64 << 10, reader)), number: 0 })
    }

    /// The next line without its end. `None` after the last one.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(LONGEST).read_until(b'\n', &mut line).await;
        let length = read.map_err(|error| Failure::io(&self.name, &error))?;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        if line.pop_if(|last| *last == b'\n').is_some() {
            line.pop_if(|last| *last == b'\r');
        } else if length as u64 == LONGEST {
            return Err(self.wrong("the line is too long for a message"));
        }
        Ok(Some(line))
    }

    /// The number of the line that was read last, from 1.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Says that the last line is wrong.
    pub(crate) fn wrong(&self, why: &str) -> Failure {
        Failure::usage(format!("{}, line {}: {why}", self.name, self.number))
    }
}
