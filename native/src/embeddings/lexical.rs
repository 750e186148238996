//! An embedding that needs no model: hashed features of words and their parts.

use std::collections::BTreeMap;

use super::{Embeddings, EmbeddingsError};

/// Numbers in a vector unless asked otherwise: 384.
const DEFAULT_DIM: usize = 384;
/// Texts embedded between two chances for other tasks to run.
const TEXTS_BETWEEN_YIELDS: usize = 64;
/// What a word's parts weigh together, where the word itself weighs 1.
const PARTS: f64 = 1.4;
/// Weight of an English function word, where any other word has 1.
const FUNCTION_WORD: f64 = 0.15;
/// English words that say little about what a text is about.
const FUNCTION_WORDS: [&str; 64] = [
    "a", "about", "all", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "did", "do",
    "does", "for", "from", "had", "has", "have", "he", "her", "his", "how", "i", "if", "in", "into", "is",
    "it", "its", "me", "my", "no", "not", "of", "on", "or", "our", "she", "so", "that", "the", "their",
    "them", "there", "they", "this", "to", "was", "we", "were", "what", "when", "where", "which", "who",
    "why", "will", "with", "would", "you", "your",
];

/// A LEXICAL embedding: it matches shared words and parts of words, not meaning.
///
/// It is built in, needs no download and no network, and is fast: for tests, for trying things out, and for search by
/// words. "car" and "automobile" are as far apart for it as "car" and "cheese"; use a model where that matters.
///
/// How a vector is made, the same on every machine:
///
/// 1. The text is lower-cased and cut into words: runs of letters and digits (as Unicode has them).
/// 2. A word's features are itself, with weight 1 (0.15 for 64 English function words such as "the"), and its parts,
///    which together are a vector 1.4 times as long: the pieces of 3 and of 4 characters of the word between `<` and
///    `>`; in scripts without spaces (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) single characters and pairs.
/// 3. A feature that occurs n times counts √n times.
/// 4. Each feature is hashed (FNV-1a, 64 bits, then MurmurHash3's finalizer): the hash modulo the dimension is the
///    component, its top bit the sign.
/// 5. The sum is divided by its length.
///
/// A text without features (empty, or punctuation only) has the constant direction `[1, 0, 0, ...]`, so that a cosine
/// store can hold it. Texts are not normalised: "é" as one character and as two are different.
///
/// ```
/// use twindex::embeddings::{Embeddings, LexicalEmbeddings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), twindex::embeddings::EmbeddingsError> {
/// let embeddings = LexicalEmbeddings::default();
/// let query = embeddings.embed_query("cats sleeping").await?;
/// let documents = ["a sleeping cat".to_string(), "stock market news".to_string()];
/// let vectors = embeddings.embed_documents(&documents).await?;
/// let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
/// assert!(dot(&query, &vectors[0]) > dot(&query, &vectors[1]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LexicalEmbeddings {
    dim: usize,
}

impl Default for LexicalEmbeddings {
    /// Of dimension 384.
    fn default() -> Self {
        LexicalEmbeddings { dim: DEFAULT_DIM }
    }
}

impl LexicalEmbeddings {
    /// With another dimension than 384: more keeps more words apart, less takes less room.
    ///
    /// # Errors
    ///
    /// [`EmbeddingsError::InvalidOption`] for a dimension below 8 or above 65,536.
    ///
    /// ```
    /// use twindex::embeddings::LexicalEmbeddings;
    /// assert_eq!(LexicalEmbeddings::new(1024)?.embed("hello").len(), 1024);
    /// assert!(LexicalEmbeddings::new(0).is_err());
    /// # Ok::<(), twindex::embeddings::EmbeddingsError>(())
    /// ```
    pub fn new(dim: usize) -> Result<Self, EmbeddingsError> {
        if !(8..=65_536).contains(&dim) {
            let reason = format!("expected from 8 to 65536, got {dim}");
            return Err(EmbeddingsError::InvalidOption { option: "dim", reason });
        }
        Ok(LexicalEmbeddings { dim })
    }

    /// Numbers in a vector.
    ///
    /// ```
    /// assert_eq!(twindex::embeddings::LexicalEmbeddings::default().dim(), 384);
    /// ```
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The vector of a text, without a runtime.
    ///
    /// ```
    /// use twindex::embeddings::LexicalEmbeddings;
    /// let embeddings = LexicalEmbeddings::default();
    /// assert_eq!(embeddings.embed("Hello, world!"), embeddings.embed("hello WORLD"));
    /// ```
    #[must_use]
    pub fn embed(&self, text: &str) -> Vec<f32> {
        let mut features = BTreeMap::new();
        for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
            add_word(word, &mut features);
        }
        // Ordered features, square roots and divisions only: the same bits on every machine. (A logarithm is not.)
        let mut sum = vec![0f64; self.dim];
        for (hash, Feature { weight, count }) in features {
            let component = (hash % self.dim as u64) as usize;
            let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
            sum[component] += sign * weight * f64::from(count).sqrt();
        }
        let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length < 1e-9 {
            // No features, or features that cancelled out.
            sum[0] = 1.0;
            return sum.into_iter().map(|x| if x == 1.0 { 1.0 } else { 0.0 }).collect();
        }
        sum.into_iter().map(|x| (x / length) as f32).collect()
    }
}

struct Feature {
    weight: f64,
    count: u32,
}

fn add_word(word: &str, features: &mut BTreeMap<u64, Feature>) {
    let weight = if FUNCTION_WORDS.binary_search(&word).is_ok() { FUNCTION_WORD } else { 1.0 };
    let mut add = |kind: u8, text: &[char], weight: f64| {
        let feature = features.entry(hash(kind, text)).or_insert(Feature { weight, count: 0 });
        // One part occurs in words of different weight: the larger one counts.
        feature.weight = feature.weight.max(weight);
        feature.count = feature.count.saturating_add(1);
    };
    let characters: Vec<char> = word.chars().collect();
    let (marked, sizes) = if characters.iter().any(|&c| is_written_without_spaces(c)) {
        (characters.clone(), [1, 2])
    } else {
        let marked =
            std::iter::once('<').chain(characters.iter().copied()).chain(std::iter::once('>')).collect();
        (marked, [3, 4])
    };
    add(0, &characters, weight);
    let parts: usize = sizes.iter().map(|&n| (marked.len() + 1).saturating_sub(n)).sum();
    // Squares add up: the parts together are as long a vector as PARTS says.
    let weight = weight * PARTS / (parts.max(1) as f64).sqrt();
    for n in sizes {
        for part in marked.windows(n) {
            add(n as u8, part, weight);
        }
    }
}

/// Scripts in which a run of letters is not a word but a sentence.
fn is_written_without_spaces(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Burmese
        | '\u{1100}'..='\u{11ff}' // Hangul letters
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{2e80}'..='\u{9fff}' // Kana, ideographs
        | '\u{ac00}'..='\u{d7ff}' // Hangul syllables
        | '\u{f900}'..='\u{faff}' // ideographs, compatibility
        | '\u{20000}'..='\u{3ffff}') // ideographs, rare
}

/// FNV-1a over the kind of feature and its UTF-8 bytes, then MurmurHash3's finalizer, whose low and top bits are good.
fn hash(kind: u8, text: &[char]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let step = |h: u64, byte: u8| (h ^ u64::from(byte)).wrapping_mul(PRIME);
    let mut h = step(OFFSET, kind);
    let mut buffer = [0; 4];
    for c in text {
        h = c.encode_utf8(&mut buffer).bytes().fold(h, step);
    }
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

#[async_trait::async_trait]
impl Embeddings for LexicalEmbeddings {
    async fn embed_documents(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbeddingsError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for some in texts.chunks(TEXTS_BETWEEN_YIELDS) {
            vectors.extend(some.iter().map(|text| self.embed(text)));
            tokio::task::yield_now().await;
        }
        Ok(vectors)
    }

    async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbeddingsError> {
        Ok(self.embed(text))
    }

    fn name(&self) -> &str {
        "lexical"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similarity(a: &str, b: &str) -> f32 {
        let embeddings = LexicalEmbeddings::default();
        embeddings.embed(a).iter().zip(embeddings.embed(b)).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn the_function_words_are_in_order_to_be_searched() {
        assert!(FUNCTION_WORDS.is_sorted());
    }

    #[test]
    fn texts_that_share_words_are_nearer_than_texts_that_do_not() {
        for (query, near, far) in [
            ("how do cats sleep", "The cat sleeps on the sofa.", "How do interest rates rise?"),
            (
                "vector search in Rust",
                "A Rust library for searching vectors",
                "A recipe for a cake in the oven",
            ),
            (
                "the weather in Paris",
                "Paris: weather and climate",
                "the history of the Roman empire in brief",
            ),
            ("Wetter in München", "Das Münchner Wetter von heute", "Rezepte für Kuchen in der Küche"),
            ("東京の天気", "今日の東京は天気がいい", "株式市場のニュース"),
            ("погода в Москве", "Московская погода сегодня", "рецепт пирога в духовке"),
        ] {
            let (near_score, far_score) = (similarity(query, near), similarity(query, far));
            assert!(
                near_score > far_score + 0.1,
                "{query:?}: {near_score} to {near:?}, {far_score} to {far:?}"
            );
        }
    }

    #[test]
    fn each_of_many_documents_is_found_by_some_of_its_words() {
        let documents = [
            "The quick brown fox jumps over the lazy dog.",
            "Rust has ownership and borrowing, checked by its compiler.",
            "A vector store holds documents and their embeddings.",
            "Coffee is brewed from roasted beans.",
            "The train to the mountains leaves at nine in the morning.",
            "Glaciers move slowly and carve valleys out of rock.",
            "An orchestra tunes its instruments before the concert.",
            "The bakery sells bread, rolls and cakes from six.",
        ];
        for (number, query) in [
            "foxes jumping over dogs",
            "what does the compiler check about ownership",
            "where are embeddings of documents stored",
            "roasting coffee",
            "when does the train leave in the morning",
            "how do glaciers carve a valley",
            "tuning instruments for concerts",
            "does the baker sell cake",
        ]
        .iter()
        .enumerate()
        {
            let scores: Vec<f32> = documents.iter().map(|d| similarity(query, d)).collect();
            let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
            assert_eq!(best, number, "{query:?}: {scores:?}");
        }
    }

    #[test]
    fn it_matches_words_and_not_meaning() {
        assert!(similarity("automobile", "car").abs() < 0.2);
    }

    #[test]
    fn vectors_have_length_one_for_any_text() {
        let long = "x".repeat(100_000);
        for dim in [8, 384, 65_536] {
            let embeddings = LexicalEmbeddings::new(dim).unwrap();
            for text in
                ["", " ", "?!", "a", "\0", "é", "e\u{301}", "👩‍👩‍👧", "İ", "ß", "\u{10ffff}", &long, "안녕 세계"]
            {
                let v = embeddings.embed(text);
                assert_eq!(v.len(), dim);
                let length: f64 = v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                assert!((length - 1.0).abs() < 1e-6, "{text:.20?} has length {length}");
            }
        }
    }

    #[test]
    fn texts_without_features_have_the_documented_direction() {
        let embeddings = LexicalEmbeddings::default();
        let mut expected = vec![0.0; 384];
        expected[0] = 1.0;
        for text in ["", "  \n", "... --- !!!", "👍"] {
            assert_eq!(embeddings.embed(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_hash_and_the_vectors_never_change() {
        // Both were computed by another program, in another language.
        assert_eq!(hash(1, &['a']), HASH_OF_A);
        let v = LexicalEmbeddings::new(8).unwrap().embed("The naïve cat sat, the cat slept. 東京");
        let bits: Vec<u32> = v.iter().map(|x| x.to_bits()).collect();
        assert_eq!(bits, BITS, "{v:?}");
    }

    const HASH_OF_A: u64 = 0x30cc_dd7f_603d_5594;
    const BITS: [u32; 8] =
        [0xbc68e4e6, 0xbcbd694f, 0xbefb3e98, 0x3e857b7b, 0xbd73993d, 0xbe48eec0, 0xbe29a408, 0x3f49bd2a];

    #[test]
    fn case_and_punctuation_do_not_matter_and_order_does_not_either() {
        let embeddings = LexicalEmbeddings::default();
        assert_eq!(embeddings.embed("Cat, DOG!"), embeddings.embed("dog cat"));
        assert_ne!(embeddings.embed("cat"), embeddings.embed("cot"));
    }

    #[test]
    fn a_word_repeated_counts_more_but_less_than_each_time() {
        let once = similarity("cat dog", "cat");
        let four = similarity("cat cat cat cat dog", "cat");
        assert!(once > 0.6 && four > once + 0.1 && four < 0.95, "{once} {four}");
    }

    #[test]
    fn dimensions_out_of_range_are_refused() {
        for dim in [0, 7, 65_537, usize::MAX] {
            assert_eq!(LexicalEmbeddings::new(dim).unwrap_err().code(), "embeddings_invalid_option");
        }
    }
}
