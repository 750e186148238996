//! Inverted lists: vectors sorted by the nearest of a few centroids, of which a search looks into some.

use super::codec::{Codec, Codes, Scan};
use super::{Ask, BLOCK, Body, Candidate, Collector};
use crate::error::{Error, Result};
use crate::rows::{Positions, Rows};
use crate::topk::key;

/// FAISS's `IndexIVFFlat`, `IndexIVFScalarQuantizer` and `IndexIVFPQ`.
#[derive(Debug, Clone)]
pub(crate) struct Ivf {
    /// The centroids, searchable: one for each list.
    pub(crate) coarse: Box<Body>,
    /// How many lists a search looks into.
    pub(crate) nprobe: usize,
    pub(crate) codec: Codec,
    /// Whether codes are of the difference from the list's centroid.
    pub(crate) by_residual: bool,
    lists: Vec<List>,
    /// List, and place in it, of each position.
    places: Vec<(u32, u32)>,
}

/// One inverted list.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) codes: Codes,
    pub(crate) positions: Vec<u32>,
}

impl Ivf {
    /// # Errors
    /// `corrupt` unless the lists hold each of the positions from 0 on once.
    pub(crate) fn new(
        coarse: Box<Body>,
        nprobe: usize,
        codec: Codec,
        by_residual: bool,
        lists: Vec<List>,
    ) -> Result<Self> {
        let count = lists.iter().map(|list| list.positions.len()).sum();
        const NOWHERE: (u32, u32) = (u32::MAX, u32::MAX);
        let mut places = vec![NOWHERE; count];
        for (number, list) in lists.iter().enumerate() {
            for (at, &position) in list.positions.iter().enumerate() {
                match places.get_mut(position as usize) {
                    Some(place) if *place == NOWHERE => *place = (number as u32, at as u32),
                    found => {
                        let why = if found.is_some() { "comes twice" } else { "is out of range" };
                        let reason = format!("inverted list {number}: position {position} {why}");
                        return Err(Error::Corrupt { section: "faiss", reason });
                    }
                }
            }
        }
        Ok(Self { coarse, nprobe: nprobe.clamp(1, lists.len().max(1)), codec, by_residual, lists, places })
    }

    pub(crate) fn lists(&self) -> &[List] {
        &self.lists
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn read(&self, position: usize, out: &mut [f32]) {
        let (list, at) = self.places[position];
        self.lists[list as usize].codes.decode(&self.codec, at as usize, out);
        if self.by_residual {
            let mut centroid = vec![0.0; out.len()];
            self.coarse.read(list as usize, &mut centroid);
            out.iter_mut().zip(&centroid).for_each(|(x, c)| *x += c);
        }
    }

    /// The nearest in `nprobe` lists.
    pub(crate) fn candidates(
        &self,
        ask: &Ask<'_>,
        k: usize,
        among: Option<&Positions>,
        nprobe: usize,
    ) -> Vec<Candidate> {
        let mut scan = Scan::new(&self.codec, ask.kernel, ask.metric, ask.query);
        let mut best = Collector::new(k);
        let mut centroid = vec![0.0; self.codec.dim()];
        let mut scores = [0.0f32; BLOCK];
        for (_, number) in self.coarse.nearest(ask, nprobe) {
            let list = &self.lists[number];
            if self.by_residual && !list.positions.is_empty() {
                self.coarse.read(number, &mut centroid);
                scan.set_centroid(ask.query, &centroid);
            }
            for (block, positions) in list.positions.chunks(BLOCK).enumerate() {
                let scores = &mut scores[..positions.len()];
                scan.scores(&list.codes, block * BLOCK, scores);
                for (&position, &score) in positions.iter().zip(&*scores) {
                    let position = position as usize;
                    if among.is_none_or(|among| among.contains(position)) {
                        best.offer(key(ask.metric, score), position);
                    }
                }
            }
        }
        best.into_candidates()
    }

    /// Puts each vector into the list of the nearest centroid, as FAISS does.
    pub(crate) fn append(&mut self, ask: impl Fn(&[f32]) -> Vec<Candidate>, rows: Rows<'_>) -> Result<()> {
        let mut staged = Vec::with_capacity(rows.len());
        let mut centroid = vec![0.0; rows.dim()];
        for row in rows.iter() {
            let Some(&(_, list)) = ask(row).first() else {
                let message = "an index without lists takes no vectors".into();
                return Err(Error::Index { engine: "portable", message });
            };
            let mut code = Codes::none(&self.codec);
            if self.by_residual {
                self.coarse.read(list, &mut centroid);
                centroid.iter_mut().zip(row).for_each(|(c, x)| *c = x - *c);
                code.append(&self.codec, Rows::new(&centroid, rows.dim())?)?;
            } else {
                code.append(&self.codec, Rows::new(row, rows.dim())?)?;
            }
            staged.push((list, code));
        }
        for (list, code) in staged {
            let target = &mut self.lists[list];
            self.places.push((list as u32, target.positions.len() as u32));
            target.positions.push((self.places.len() - 1) as u32);
            target.codes.extend(code);
        }
        Ok(())
    }

    pub(crate) fn remove(&mut self, gone: &Positions) {
        let mut next = 0;
        let numbers: Vec<u32> = (0..self.len())
            .map(|position| {
                next += u32::from(!gone.contains(position));
                next.wrapping_sub(1)
            })
            .collect();
        for list in &mut self.lists {
            let mut gone_here = Positions::none(list.positions.len());
            for (at, &position) in list.positions.iter().enumerate() {
                if gone.contains(position as usize) {
                    gone_here.insert(at);
                }
            }
            list.codes.remove(&self.codec, &gone_here);
            list.positions.retain(|&position| !gone.contains(position as usize));
            list.positions.iter_mut().for_each(|position| *position = numbers[*position as usize]);
        }
        self.places.truncate(next as usize);
        for (number, list) in self.lists.iter().enumerate() {
            for (at, &position) in list.positions.iter().enumerate() {
                self.places[position as usize] = (number as u32, at as u32);
            }
        }
    }
}
