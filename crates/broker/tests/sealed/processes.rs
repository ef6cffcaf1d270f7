//! Several processes and one sealed store; some are killed while they write.
//!
//! The writers are this test binary itself, run again for one test that does nothing unless it is told to.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use broker::sealed::Sealed;
use ports::secret::Secret;

const DIRECTORY: &str = "CALLGATE_TEST_SEALED_DIRECTORY";
const WRITER: &str = "CALLGATE_TEST_SEALED_WRITER";
const EACH: usize = 40;

/// Names that writer `writer` puts: `w/0`, `w/1`, …; each is told on standard output once it is durable.
#[test]
fn a_writer() {
    let (Ok(directory), Ok(writer)) = (std::env::var(DIRECTORY), std::env::var(WRITER)) else {
        return;
    };
    for number in 0..EACH {
        let name = format!("{writer}/{number}");
        let mut sealed = Sealed::open(Path::new(&directory)).unwrap();
        let passing = format!("{writer}/passing");
        sealed.put(&passing, &Secret::new("soon gone".to_owned())).unwrap();
        sealed.put(&name, &Secret::new(format!("value of {name}"))).unwrap();
        assert!(sealed.remove(&passing).unwrap());
        println!("\nput {number}");
    }
}

fn writer(directory: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["processes::a_writer", "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(WRITER, name)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// How many puts a writer told of, up to `most`.
fn told(child: &mut Child, most: usize) -> usize {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter(|line| line.starts_with("put ")).take(most).count()
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("callgate-sealed-{name}-{}", std::process::id()))
}

/// The first `count` values of a writer are all there.
fn has(sealed: &Sealed, writer: &str, count: usize) {
    for number in 0..count {
        let name = format!("{writer}/{number}");
        let value = sealed.get(&name).unwrap().unwrap_or_else(|| panic!("`{name}` is lost"));
        assert_eq!(value.reveal(), format!("value of {name}"));
    }
}

#[test]
fn writers_side_by_side_lose_nothing() {
    let directory = scratch("side-by-side");
    let writers = ["a", "b", "c"];
    let mut children: Vec<_> = writers.iter().map(|name| writer(&directory, name)).collect();
    for child in &mut children {
        assert_eq!(told(child, usize::MAX), EACH);
        assert!(child.wait().unwrap().success());
    }
    let sealed = Sealed::open(&directory).unwrap();
    for name in writers {
        has(&sealed, name, EACH);
    }
    drop(std::fs::remove_dir_all(directory));
}

#[test]
fn a_writer_killed_anywhere_leaves_a_whole_store_with_all_it_told_of() {
    let directory = scratch("killed");
    for round in 0..20 {
        let name = format!("r{round}");
        let mut child = writer(&directory, &name);
        // The writer goes on while this is read, so the end meets it somewhere in the next write.
        let count = told(&mut child, round);
        child.kill().unwrap();
        child.wait().unwrap();
        if round > 0 {
            has(&Sealed::open(&directory).unwrap(), &name, count);
        }
    }
    drop(std::fs::remove_dir_all(directory));
}
