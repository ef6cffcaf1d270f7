//! Random interleavings against a model. Must never compare with anything the store itself said.

use std::collections::HashMap;

use ledger::{Entry, TaskPlace};
use model::digest::Digest;
use model::ids::{Epoch, TaskId};
use ports::control::{Control, ControlChange};
use ports::record::{CommitFault, Expect, Record};
use proptest::prelude::*;

use crate::conformance::{Backend, all, control_entry, intent, item, outcome, wait};
use crate::support::TempDir;

#[derive(Clone, Debug)]
enum Step {
    Call { of: usize, stale: bool },
    Change,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0usize..4, any::<bool>()).prop_map(|(of, stale)| Step::Call { of, stale }),
        2 => Just(Step::Change),
        1 => Just(Step::Reopen),
    ]
}

/// What the log must hold, apart from lifecycle entries: the leaves in order.
#[derive(Default)]
struct Model {
    epoch: u64,
    tasks: HashMap<TaskId, u64>,
    leaves: Vec<String>,
}

impl Model {
    fn add(&mut self, entry: &Entry) {
        let place = entry.task().map(|task| {
            let seq = self.tasks.entry(task.clone()).or_default();
            *seq += 1;
            TaskPlace(*seq)
        });
        self.leaves.push(entry.leaf(place));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_interleaving_reopens_to_the_same_entries(steps in proptest::collection::vec(step(), 1..60)) {
        let (dir, mut model) = (TempDir::new(), Model::default());
        let mut store = dir.open();
        let mut waiting = Vec::new();
        for (number, step) in (0u128..).zip(&steps) {
            match step {
                Step::Call { of, stale } => {
                    let expected = if *stale { model.epoch + 1 } else { model.epoch };
                    for entry in [intent(number, *of), outcome(number, *of)] {
                        let pending = store.stage(item(entry.clone(), Expect::Epoch(Epoch(expected)))).unwrap();
                        waiting.push((*stale, pending));
                        if !stale {
                            model.add(&entry);
                        }
                    }
                }
                Step::Change => {
                    let change = ControlChange::PolicyLoaded(Digest::of(&number.to_be_bytes()));
                    let entry = control_entry("set");
                    model.add(&entry);
                    model.epoch += 1;
                    prop_assert_eq!(wait(store.apply(change, vec![entry])).unwrap(), Epoch(model.epoch));
                }
                Step::Reopen => {
                    // Dropping writes what waits.
                    drop(store);
                    store = dir.open();
                }
            }
        }
        for (stale, pending) in waiting {
            match wait(pending) {
                Ok(_) => prop_assert!(!stale),
                Err(CommitFault::EpochMoved) => prop_assert!(stale),
                Err(fault) => return Err(TestCaseError::fail(fault.to_string())),
            }
        }
        drop(store);
        let kept: Vec<_> = all(&*dir.open()).into_iter().map(|entry| entry.leaf).collect();
        let kept: Vec<_> = kept.into_iter().filter(|leaf| !leaf.contains("\"kind\":\"lifecycle\"")).collect();
        prop_assert_eq!(kept, model.leaves);
    }
}
