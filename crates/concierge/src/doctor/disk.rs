//! How much room is left where the data lies.

use std::path::Path;

use super::{Finding, Mark};

/// Below this, in bytes, a store soon refuses writes.
const FREE_BYTES_MIN: u64 = 1 << 30;

/// Free space of the file system that holds `dir`.
pub(super) fn free_space(dir: &Path) -> Finding {
    match rustix::fs::statvfs(dir) {
        Ok(stat) => judge(stat.f_bavail.saturating_mul(stat.f_frsize)),
        Err(error) => Finding::new(Mark::Note, format!("free space could not be read: {error}")),
    }
}

fn judge(free_bytes: u64) -> Finding {
    let mebibytes = free_bytes >> 20;
    if free_bytes < FREE_BYTES_MIN {
        let text = format!(
            "{mebibytes} MiB free: make room, or writes are refused before the disk is full"
        );
        Finding::new(Mark::Wrong, text)
    } else {
        Finding::new(Mark::Fine, format!("{mebibytes} MiB free"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_wrong() {
        assert_eq!(judge(FREE_BYTES_MIN - 1).mark, Mark::Wrong);
        assert_eq!(judge(FREE_BYTES_MIN).mark, Mark::Fine);
        assert_eq!(free_space(Path::new("/no/such/place")).mark, Mark::Note);
    }
}
