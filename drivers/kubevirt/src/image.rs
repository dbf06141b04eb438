//! What a machine's first disk was made from.

use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Volume {
    #[serde(rename = "containerDisk")]
    container_disk: Option<ContainerDisk>,
    #[serde(rename = "dataVolume")]
    data_volume: Option<Named>,
}

#[derive(Deserialize)]
struct ContainerDisk {
    image: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Named {
    pub(crate) name: Option<String>,
}

/// A disk that is made with the machine.
#[derive(Deserialize)]
pub(crate) struct DataVolume {
    metadata: Option<Named>,
    spec: Option<DataVolumeSpec>,
}

#[derive(Deserialize)]
struct DataVolumeSpec {
    #[serde(rename = "sourceRef")]
    source_ref: Option<Named>,
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    registry: Option<Registry>,
    pvc: Option<Named>,
    snapshot: Option<Named>,
}

#[derive(Deserialize)]
struct Registry {
    url: Option<String>,
}

/// The most bytes of an image. Whoever may make a machine may write anything there, and the host refuses the whole list for a
/// text of more than 16 KiB.
const MOST: usize = 4096;

/// The image of the first volume that has one. An address that a disk was downloaded from is none: it may have a password in
/// it.
pub(crate) fn first(volumes: Vec<Volume>, made: Vec<DataVolume>) -> Option<String> {
    let of_made = |name: String| {
        let is_it = |disk: &&DataVolume| disk.metadata.as_ref().and_then(|it| it.name.as_ref()) == Some(&name);
        source(made.iter().find(is_it)?.spec.as_ref()?)
    };
    volumes.into_iter().find_map(|volume| match (volume.container_disk, volume.data_volume) {
        (Some(disk), _) => disk.image.filter(is_image),
        (None, Some(disk)) => disk.name.and_then(of_made),
        (None, None) => None,
    })
}

fn source(disk: &DataVolumeSpec) -> Option<String> {
    let name = |named: &Named| named.name.clone();
    let source = disk.source.as_ref();
    let registry = || source?.registry.as_ref()?.url.clone();
    let copied = || source?.pvc.as_ref().or(source?.snapshot.as_ref()).and_then(name);
    let found = disk.source_ref.as_ref().and_then(name).or_else(registry).or_else(copied);
    found.filter(is_image)
}

#[expect(clippy::ptr_arg, reason = "it is a filter of strings")]
fn is_image(image: &String) -> bool {
    (1..=MOST).contains(&image.len())
}
