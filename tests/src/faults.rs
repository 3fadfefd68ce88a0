//! What a fake provider does wrong on demand, and what it was asked.

use std::collections::HashMap;
use std::hash::Hash;

/// Of a provider with such calls and faults, whose requests are remembered as `Request`.
pub struct Faults<Call, Fault, Request> {
    /// In their order: which call (`None`: any), how often yet, what.
    planned: Vec<(Option<Call>, usize, Fault)>,
    pub requests: Vec<Request>,
    counts: HashMap<Call, usize>,
}

impl<Call, Fault, Request> Default for Faults<Call, Fault, Request> {
    fn default() -> Self {
        Self { planned: Vec::new(), requests: Vec::new(), counts: HashMap::new() }
    }
}

impl<Call: Copy + Eq + Hash, Fault: Clone, Request> Faults<Call, Fault, Request> {
    pub fn plan(&mut self, call: Option<Call>, times: usize, fault: Fault) {
        if times > 0 {
            self.planned.push((call, times, fault));
        }
    }

    /// All is well again.
    pub fn clear(&mut self) {
        self.planned.clear();
    }

    /// The first that is planned for this call.
    pub fn next(&mut self, call: Call) -> Option<Fault> {
        let at = self.planned.iter().position(|(of, ..)| of.is_none_or(|of| of == call))?;
        let (_, times, fault) = &mut self.planned[at];
        *times -= 1;
        let (fault, is_over) = (fault.clone(), *times == 0);
        if is_over {
            self.planned.remove(at);
        }
        Some(fault)
    }

    pub fn note(&mut self, call: Call, request: Request) {
        *self.counts.entry(call).or_default() += 1;
        self.requests.push(request);
    }

    pub fn forget_requests(&mut self) {
        self.requests.clear();
        self.counts.clear();
    }

    /// How often it was asked for that.
    pub fn count(&self, call: Call) -> usize {
        self.counts.get(&call).copied().unwrap_or_default()
    }

    /// How often it was asked for anything but that.
    pub fn count_others(&self, call: Call) -> usize {
        self.counts.iter().filter(|(of, _)| **of != call).map(|(_, count)| count).sum()
    }
}
