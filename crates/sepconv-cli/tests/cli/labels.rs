//! Labeled images, whatever their files are called.

use std::fs;
use std::path::Path;

use crate::program::{folder, paint, sepconv};

/// What `evaluate` counts of the images in a folder: those with labels, and those without.
fn counts(folder: &Path, labels: Option<&str>) -> [u64; 2] {
    let images = folder.join("im");
    let mut args = vec!["evaluate".into(), "--json".into(), "--images".into(), images.clone().into_os_string()];
    if let Some(lines) = labels {
        let file = folder.join("labels.txt");
        fs::write(&file, lines).unwrap();
        args.extend(["--labels".into(), file.into_os_string()]);
    }
    let json = sepconv(args).json();
    ["images", "unlabelled"].map(|key| json[key].as_u64().unwrap())
}

#[test]
fn an_image_counts_once_however_it_is_listed() {
    let folder = folder("labels_once");
    fs::create_dir(folder.join("im")).unwrap();
    ["a.png", "b.png", "c.png"].iter().for_each(|name| paint(&folder.join("im").join(name), [220, 30, 20]));
    assert_eq!(counts(&folder, Some("a.png 3\nc.png 3\na.png 3\n")), [2, 1]);
    assert_eq!(counts(&folder, Some("a.png 3\n../im/c.png 3\n./c.png 3\n")), [2, 1]);
    fs::write(folder.join("labels.txt"), "c.png 3\n../im/c.png 4\n").unwrap();
    let [images, labels] = ["im", "labels.txt"].map(|name| folder.join(name).display().to_string());
    let outcome = sepconv(["evaluate", "--images", &images, "--labels", &labels]);
    assert!(outcome.err.starts_with("error: file has two classes\n  --> "), "{}", outcome.err);
}

/// Names are bytes where the system has no other idea of them.
#[cfg(target_os = "linux")]
#[test]
fn names_need_not_be_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = folder("labels_bytes");
    fs::create_dir_all(folder.join("im/3_cat")).unwrap();
    paint(&folder.join("im/3_cat").join(OsStr::from_bytes(b"\xff\xfe.png")), [220, 30, 20]);
    assert_eq!(counts(&folder, None), [1, 0]);
}

/// Folders of images also hold what versions are kept in, and pipes.
#[cfg(unix)]
#[test]
fn hidden_folders_and_pipes_are_no_images() {
    let folder = folder("labels_hidden");
    let images = folder.join("im");
    fs::create_dir_all(images.join("3_cat")).unwrap();
    fs::create_dir(images.join(".git")).unwrap();
    paint(&images.join("3_cat/a.png"), [220, 30, 20]);
    for pipe in ["pipe.png", "3_cat/pipe.png"] {
        assert!(std::process::Command::new("mkfifo").arg(images.join(pipe)).status().unwrap().success());
    }
    assert_eq!(counts(&folder, None), [1, 0]);
}
