//! Public data sets by name, and tables from files of one's own.
//!
//! The manifest says which files a data set has, what their bytes are and where the product may fetch them; [`Loader`]
//! finds them in its cache, in a local folder or at their address, and checks them wherever they were. [`census`] and
//! [`wine`] turn the two sets of the demonstration into tables, [`csv_file`] any CSV file with a header, [`npz`] the
//! files of ADBench; [`Packing`] takes bytes out of what they are compressed with. What the tables are for, this crate does not know.
//!
//! Start at [`Loader`].

pub mod census;
pub mod csv_file;
mod loader;
mod manifest;
pub mod npz;
mod packed;
pub mod wine;

pub use loader::{Found, LoadError, Loader, Place};
pub use manifest::{DataFile, DataSet, Manifest, ManifestError};
pub use packed::{Packing, UnpackError, is_binary, refuse_foreign};
