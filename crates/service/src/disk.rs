//! The room on the disks that a service writes to.

use std::fmt;
use std::path::{Path, PathBuf};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::metrics::Metrics;

/// The room of a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What this process may still write.
    pub free_bytes: u64,
    /// All there is.
    pub size_bytes: u64,
}

/// Returns the room where a folder is, or is to be.
pub fn room(dir: &Path) -> Option<Room> {
    // Of one that is not there yet, where it will be.
    let there = dir.ancestors().find(|it| it.is_dir())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(Room {
        free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        size_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
    })
}

/// Less than this is no room: the next record or file may not fit.
const LEAST_FREE_BYTES: u64 = 1024 * 1024;

/// Says that the disk where a folder is has no room left, if it has none.
pub fn full(dir: &Path) -> Option<String> {
    room(dir).and_then(|it| it.full(dir))
}

impl Room {
    fn full(self, dir: &Path) -> Option<String> {
        let Self { free_bytes, size_bytes } = self;
        (free_bytes < LEAST_FREE_BYTES).then(|| {
            format!(
                "No space left on the disk of {}: {free_bytes} of {size_bytes} bytes are free",
                dir.display()
            )
        })
    }
}

/// Shows the room where these folders are, as `shadowline_disk_free_bytes` and `shadowline_disk_size_bytes`.
pub fn register(metrics: &Metrics, dirs: impl IntoIterator<Item = PathBuf>) {
    metrics.register_collector(DiskCollector { dirs: dirs.into_iter().collect() });
}

/// One figure of a room.
type Read = fn(&Room) -> u64;

/// Looks at each scrape.
#[derive(Debug)]
struct DiskCollector {
    dirs: Vec<PathBuf>,
}

impl Collector for DiskCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let rooms: Vec<_> =
            self.dirs.iter().filter_map(|it| Some((it.display().to_string(), room(it)?))).collect();
        if rooms.is_empty() {
            return Ok(());
        }
        let read: [(&str, &str, Read); 2] = [
            (
                "shadowline_disk_free_bytes",
                "What the service may still write to the disk where the folder is",
                |it| it.free_bytes,
            ),
            ("shadowline_disk_size_bytes", "The size of the disk where the folder is", |it| {
                it.size_bytes
            }),
        ];
        for (name, help, read) in read {
            let kind = ConstGauge::new(0_i64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (path, room) in &rooms {
                let gauge = ConstGauge::new(i64::try_from(read(room)).unwrap_or(i64::MAX));
                gauge.encode(family.encode_family(&[("path", path.as_str())])?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_with_its_folder() {
        let of =
            |free_bytes| Room { free_bytes, size_bytes: 25_000_000 }.full(Path::new("/data/spool"));
        assert_eq!(of(LEAST_FREE_BYTES), None);
        assert_eq!(
            of(4096).unwrap(),
            "No space left on the disk of /data/spool: 4096 of 25000000 bytes are free"
        );
    }

    #[test]
    fn the_room_of_a_folder_is_shown_also_before_it_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let later = dir.path().join("a/b");
        let there = room(&later).unwrap();
        assert!(0 < there.size_bytes && there.free_bytes <= there.size_bytes, "{there:?}");
        let metrics = Metrics::new("test", "0.0.0");
        register(&metrics, [later.clone()]);
        let text = metrics.text();
        for name in ["free", "size"] {
            let series = format!("shadowline_disk_{name}_bytes{{path=\"{}\"}} ", later.display());
            let line = text.lines().find_map(|it| it.strip_prefix(&series));
            let value: u64 =
                line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap();
            assert!(0 < value, "{name}");
        }
    }
}
