//! Batches of rows as bytes.

use datafusion::arrow::{
    array::RecordBatch, csv, datatypes::SchemaRef, error::ArrowError, ipc::writer::StreamWriter,
    json,
};

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `{"columns":[{"name":…,"type":…}],"items":[{…}]}`; a value that is absent is left out of its object.
    Json,
    /// Comma-separated values with a line of names first (RFC 4180).
    Csv,
    /// The Arrow IPC streaming format.
    Arrow,
}

/// Writes the batches of one answer.
pub(crate) enum Encoder {
    Json { is_first: bool },
    Csv { is_first: bool },
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

impl Encoder {
    /// An encoder, and how the answer begins.
    pub(crate) fn begin(format: Format, schema: &SchemaRef) -> Result<(Self, Vec<u8>), ArrowError> {
        Ok(match format {
            Format::Json => (Self::Json { is_first: true }, opening(schema)),
            Format::Csv => (Self::Csv { is_first: true }, Vec::new()),
            Format::Arrow => {
                let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
                let opening = std::mem::take(writer.get_mut());
                (Self::Arrow(Box::new(writer)), opening)
            }
        })
    }

    /// A batch of rows.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        match self {
            Self::Json { is_first } => {
                let mut piece = Vec::new();
                let mut writer = json::ArrayWriter::new(&mut piece);
                writer.write(batch)?;
                writer.finish()?;
                // Its brackets are those of the whole answer's list.
                let rows = piece.strip_prefix(b"[").and_then(|rows| rows.strip_suffix(b"]"));
                let rows = rows.unwrap_or_default();
                if rows.is_empty() {
                    return Ok(Vec::new());
                }
                let comma: &[u8] = if std::mem::take(is_first) { b"" } else { b"," };
                Ok([comma, rows].concat())
            }
            Self::Csv { is_first } => {
                let mut piece = Vec::new();
                let header = std::mem::take(is_first);
                csv::WriterBuilder::new().with_header(header).build(&mut piece).write(batch)?;
                Ok(piece)
            }
            Self::Arrow(writer) => {
                writer.write(batch)?;
                Ok(std::mem::take(writer.get_mut()))
            }
        }
    }

    /// How the answer ends.
    pub(crate) fn end(self, schema: &SchemaRef) -> Result<Vec<u8>, ArrowError> {
        match self {
            Self::Json { .. } => Ok(b"]}\n".to_vec()),
            // Without rows the names are told all the same.
            Self::Csv { is_first: true } => {
                let mut encoder = Self::Csv { is_first: true };
                encoder.batch(&RecordBatch::new_empty(SchemaRef::clone(schema)))
            }
            Self::Csv { is_first: false } => Ok(Vec::new()),
            Self::Arrow(mut writer) => {
                writer.finish()?;
                Ok(std::mem::take(writer.get_mut()))
            }
        }
    }
}

fn opening(schema: &SchemaRef) -> Vec<u8> {
    let columns = schema.fields().iter().map(|field| {
        let kind = field.data_type().to_string();
        model::Value::Object(model::value::Object::from_iter([
            ("name".to_owned(), field.name().as_str().into()),
            ("type".to_owned(), kind.into()),
        ]))
    });
    let columns = model::Value::Array(columns.collect());
    format!("{{\"columns\":{columns},\"items\":[").into_bytes()
}
