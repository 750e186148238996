//! A graph of near neighbours in levels, searched as FAISS searches it.

use super::codec::{Codec, Scan};
use super::{Ask, Candidate, Coded, Collector};
use crate::error::{Error, Result};
use crate::rows::Positions;
use crate::topk::key;

/// FAISS's `HNSW` (Malkov and Yashunin, *Efficient and robust approximate nearest neighbor search using Hierarchical Navigable
/// Small World graphs*, 2016), as it stands in a file, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Graph {
    /// The chance of each level, for adding nodes; kept for writing.
    pub(crate) level_chances: Vec<f64>,
    /// Where the slots of each level start within those of a node.
    pub(crate) level_starts: Vec<i32>,
    /// On how many levels each node is.
    pub(crate) levels: Vec<i32>,
    /// Where each node's slots start; one more than nodes.
    pub(crate) offsets: Vec<u64>,
    /// Node numbers; -1 ends a list early.
    pub(crate) slots: Vec<i32>,
    pub(crate) entry: i32,
    pub(crate) top_level: i32,
    pub(crate) ef_construction: i32,
    pub(crate) ef_search: i32,
    pub(crate) upper_beam: i32,
}

impl Graph {
    /// Checks everything that a search relies on.
    ///
    /// # Errors
    /// `corrupt` naming the place.
    pub(crate) fn check(&self, count: usize) -> Result<()> {
        let corrupt = |reason: String| {
            Err(Error::Corrupt { section: "faiss", reason: format!("HNSW graph: {reason}") })
        };
        if self.levels.len() != count || self.offsets.len() != count + 1 {
            return corrupt(format!(
                "{count} nodes and {} offsets expected, got {} and {}",
                count + 1,
                self.levels.len(),
                self.offsets.len()
            ));
        }
        if !self.level_starts.is_sorted() || self.level_starts.first().is_some_and(|&start| start != 0) {
            return corrupt("the starts of levels expected to ascend from 0".into());
        }
        if self.ef_search < 1 {
            return corrupt(format!("efSearch of at least 1 expected, got {}", self.ef_search));
        }
        if self.offsets[0] != 0 || self.offsets[count] != self.slots.len() as u64 {
            return corrupt(format!(
                "offsets from 0 to {} expected, got {} to {}",
                self.slots.len(),
                self.offsets[0],
                self.offsets[count]
            ));
        }
        for (node, (&levels, ends)) in self.levels.iter().zip(self.offsets.windows(2)).enumerate() {
            let slots =
                usize::try_from(levels).ok().filter(|&l| l > 0).and_then(|l| self.level_starts.get(l));
            if slots.is_none_or(|&slots| ends[1].checked_sub(ends[0]) != Some(slots as u64)) {
                return corrupt(format!("node {node}: {levels} levels do not agree with its slots"));
            }
        }
        for node in 0..count {
            for level in 0..self.levels[node] as usize {
                for &neighbor in self.neighbors(node, level) {
                    let levels = usize::try_from(neighbor).ok().and_then(|n| self.levels.get(n));
                    if levels.is_none_or(|&levels| levels as usize <= level) {
                        return corrupt(format!("node {node}: neighbour {neighbor} is not on level {level}"));
                    }
                }
            }
        }
        let entry = usize::try_from(self.entry).ok().and_then(|entry| self.levels.get(entry));
        match entry {
            None if count == 0 && self.entry == -1 => Ok(()),
            Some(&levels) if self.top_level == levels - 1 => Ok(()),
            _ => corrupt(format!(
                "an entry point on level {} expected, got node {}",
                self.top_level, self.entry
            )),
        }
    }

    /// The neighbours of a node on a level.
    fn neighbors(&self, node: usize, level: usize) -> &[i32] {
        let at = |level: usize| self.offsets[node] as usize + self.level_starts[level] as usize;
        let slots = &self.slots[at(level)..at(level + 1)];
        let end = slots.iter().position(|&slot| slot == -1).unwrap_or(slots.len());
        &slots[..end]
    }
}

/// FAISS's `IndexHNSWFlat`, `IndexHNSWSQ` and `IndexHNSWPQ`.
#[derive(Debug, Clone)]
pub(crate) struct Hnsw {
    pub(crate) graph: Graph,
    pub(crate) storage: Coded,
}

impl Hnsw {
    /// Half of the neighbours a node may have on the lowest level: the number in the factory string.
    pub(crate) fn m(&self) -> i32 {
        self.graph.level_starts.get(1).map_or(0, |slots| slots / 2)
    }

    /// The factory string.
    pub(crate) fn kind(&self) -> String {
        match &self.storage.codec {
            Codec::Float(_) => format!("HNSW{}", self.m()),
            codec => format!("HNSW{},{}", self.m(), codec.name()),
        }
    }

    /// FAISS's `HNSW::search`: greedy from the entry point down, then best first on the lowest level, until `ef_search` nodes are known that
    /// are nearer than the nearest one not yet visited.
    pub(crate) fn candidates(
        &self,
        ask: &Ask<'_>,
        k: usize,
        among: Option<&Positions>,
        ef_search: usize,
    ) -> Vec<Candidate> {
        let Ok(mut nearest) = usize::try_from(self.graph.entry) else { return Vec::new() };
        let mut scan = Scan::new(&self.storage.codec, ask.kernel, ask.metric, ask.query);
        let mut key_of = |node: usize| key(ask.metric, scan.score_at(&self.storage.codes, node));
        let mut distance = key_of(nearest);
        for level in (1..=self.graph.top_level as usize).rev() {
            loop {
                let from = nearest;
                for &neighbor in self.graph.neighbors(from, level) {
                    let there = key_of(neighbor as usize);
                    if there < distance {
                        (nearest, distance) = (neighbor as usize, there);
                    }
                }
                if nearest == from {
                    break;
                }
            }
        }
        let mut best = Collector::new(k);
        let mut visited = Positions::none(self.storage.len());
        let mut queue = Queue::new(ef_search.max(k));
        let mut meet = |node: usize, key: f32, queue: &mut Queue| {
            if among.is_none_or(|among| among.contains(node)) {
                best.offer(key, node);
            }
            queue.push(key, node);
        };
        visited.insert(nearest);
        meet(nearest, distance, &mut queue);
        while let Some((distance, node)) = queue.pop() {
            if queue.nearer_than(distance) >= ef_search {
                break;
            }
            for &neighbor in self.graph.neighbors(node, 0) {
                let neighbor = neighbor as usize;
                if !visited.contains(neighbor) {
                    visited.insert(neighbor);
                    meet(neighbor, key_of(neighbor), &mut queue);
                }
            }
        }
        best.into_candidates()
    }
}

/// The nearest nodes met, at most so many, each handed out once: FAISS's `MinimaxHeap`.
struct Queue {
    room: usize,
    /// Nearest first; whether it is yet to be handed out.
    nodes: Vec<(f32, usize, bool)>,
    /// None before this one is to be handed out.
    next: usize,
}

impl Queue {
    fn new(room: usize) -> Self {
        Self { room, nodes: Vec::new(), next: 0 }
    }

    fn push(&mut self, key: f32, node: usize) {
        if self.nodes.len() == self.room {
            if self.nodes.last().is_some_and(|last| last.0 <= key) {
                return;
            }
            self.nodes.pop();
        }
        let at = self.nodes.partition_point(|other| other.0 <= key);
        self.nodes.insert(at, (key, node, true));
        self.next = self.next.min(at);
    }

    fn pop(&mut self) -> Option<(f32, usize)> {
        let at = self.next + self.nodes.get(self.next..)?.iter().position(|node| node.2)?;
        self.next = at + 1;
        let node = &mut self.nodes[at];
        node.2 = false;
        Some((node.0, node.1))
    }

    fn nearer_than(&self, key: f32) -> usize {
        self.nodes.partition_point(|node| node.0 < key)
    }
}
