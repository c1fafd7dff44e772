//! How a command writes its result.

/// `--output` of the commands that read.
#[derive(Debug, clap::Args)]
pub struct Output {
    /// How the result is written to standard output
    #[arg(long = "output", value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
}

impl Output {
    /// Writes a result: as JSON, or as the text that `text` makes of it.
    pub fn write<T: serde::Serialize>(&self, result: &T, text: impl FnOnce(&T) -> String) {
        match self.format {
            Format::Json => crate::cli::output::json(result),
            Format::Text => crate::cli::output::line(text(result).trim_end()),
        }
    }
}
