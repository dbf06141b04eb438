//! The findings of a check.

use super::report::{Finding, UsageRow};

/// What a check found.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) tried: String,
    pub(super) findings: Vec<Finding>,
    /// Of each finding, how many more like it were not kept.
    more: Vec<usize>,
    pub(super) warnings: Vec<String>,
    pub(super) usage: Vec<UsageRow>,
}

impl Verdict {
    pub(super) fn tried(tried: impl Into<String>) -> Verdict {
        Verdict { tried: tried.into(), ..Verdict::default() }
    }

    /// There is nothing that the check could be made with, and nothing that is missing.
    pub(super) fn nothing(why: impl Into<String>) -> Verdict {
        Verdict::tried(format!("nothing to check: {}", why.into()))
    }

    pub(super) fn find(&mut self, finding: Finding) {
        // The same fault often shows at many places; some of them are enough to put it right.
        const MOST: usize = 12;
        const ALIKE: usize = 3;
        let alike = self.findings.iter().enumerate().filter(|(_, other)| other.what_to_do == finding.what_to_do);
        let alike: Vec<usize> = alike.map(|(at, _)| at).collect();
        if let Some(last) = alike.last().filter(|_| alike.len() >= ALIKE) {
            self.more[*last] += 1;
        } else if self.findings.len() < MOST {
            self.findings.push(finding);
            self.more.push(0);
        }
    }

    /// The findings, each with how many more there are like it.
    pub(super) fn counted(&self) -> Vec<Finding> {
        let counted = |(finding, more): (&Finding, &usize)| match more {
            0 => finding.clone(),
            more => Finding { why: format!("{} (and {more} more like this)", finding.why), ..finding.clone() },
        };
        self.findings.iter().zip(&self.more).map(counted).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_often_is_said_some_times_and_counted() {
        let finding = |why: &str, what_to_do: &str| Finding {
            cassette: None,
            why: why.to_owned(),
            what_to_do: what_to_do.to_owned(),
        };
        let mut verdict = Verdict::default();
        for number in 0..5 {
            verdict.find(finding(&format!("fault {number}"), "mend it"));
        }
        verdict.find(finding("another", "mend that"));
        let why: Vec<String> = verdict.counted().into_iter().map(|finding| finding.why).collect();
        assert_eq!(why, ["fault 0", "fault 1", "fault 2 (and 2 more like this)", "another"]);
    }
}
