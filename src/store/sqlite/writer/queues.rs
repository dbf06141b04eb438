//! The two queues of the writer: urgent jobs, and steps of long work. They take turns, and so do the accounts in each.

use std::time::Duration;

use tokio::sync::mpsc;

use super::super::fair_pool::Lent;
use super::job::Job;
use super::round_robin::RoundRobin;

pub(super) enum Message {
    Job(Placed),
    Close,
}

/// A job with its place in a queue, which it gives back once it was answered.
pub(super) struct Placed {
    pub(super) job: Box<dyn Job>,
    pub(super) place: Lent<()>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Urgent,
    Steps,
}

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Turn(Turn),
    /// Nothing came in the time that was given.
    Nothing,
    /// Both queues have ended.
    Ended,
}

/// What waits for the writer.
pub(super) struct Queues {
    urgent: mpsc::Receiver<Message>,
    steps: mpsc::Receiver<Placed>,
    /// Received, and not run yet.
    urgent_left: RoundRobin<Placed>,
    steps_left: RoundRobin<Placed>,
    /// Whose turn it is if both wait.
    next: Turn,
}

impl Queues {
    pub(super) fn new(urgent: mpsc::Receiver<Message>, steps: mpsc::Receiver<Placed>) -> Queues {
        Queues { urgent, steps, urgent_left: RoundRobin::new(), steps_left: RoundRobin::new(), next: Turn::Urgent }
    }

    /// Waits until there is something to do, for so long at most; says whose turn it is then.
    pub(super) fn wait(&mut self, waiter: &tokio::runtime::Runtime, patience: Duration) -> Next {
        loop {
            self.receive();
            let turn = match (self.urgent_left.is_empty(), self.steps_left.is_empty()) {
                (false, false) => self.next,
                (false, true) => Turn::Urgent,
                (true, false) => Turn::Steps,
                (true, true) => {
                    let received = async { tokio::time::timeout(patience, self.receive_one()).await };
                    match waiter.block_on(received) {
                        Ok(Some(())) => continue,
                        Ok(None) => return Next::Ended,
                        Err(_) => return Next::Nothing,
                    }
                }
            };
            self.next = if turn == Turn::Urgent { Turn::Steps } else { Turn::Urgent };
            return Next::Turn(turn);
        }
    }

    /// Takes in what waits. That is no more than there are places.
    fn receive(&mut self) {
        while let Ok(message) = self.urgent.try_recv() {
            self.take_in(message);
        }
        while let Ok(step) = self.steps.try_recv() {
            self.steps_left.push(step.place.flow().clone(), step);
        }
    }

    async fn receive_one(&mut self) -> Option<()> {
        tokio::select! {
            Some(message) = self.urgent.recv() => self.take_in(message),
            Some(step) = self.steps.recv() => self.steps_left.push(step.place.flow().clone(), step),
            else => return None,
        }
        Some(())
    }

    fn take_in(&mut self, message: Message) {
        match message {
            Message::Job(job) => self.urgent_left.push(job.place.flow().clone(), job),
            // No more get in. Urgent jobs that wait are still received; steps are given up, as the work that they
            // are of can be left off between any two of them.
            Message::Close => {
                self.urgent.close();
                self.steps.close();
                self.steps_left.clear();
                while self.steps.try_recv().is_ok() {}
            }
        }
    }

    pub(super) fn left(&mut self, turn: Turn) -> &mut RoundRobin<Placed> {
        match turn {
            Turn::Urgent => &mut self.urgent_left,
            Turn::Steps => &mut self.steps_left,
        }
    }
}
