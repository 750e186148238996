/** The most characters of a passage: what the model reads of a text is about a thousand. */
export const PASSAGE = 700;
/** A passage that would be shorter takes in what comes next. */
const SHORT = 250;

/** Cuts a text into passages: at paragraphs, else between sentences, else between words, else anywhere between characters. */
export function split(text: string): string[] {
  const passages: string[] = [];
  let passage = '';
  const close = (): void => {
    const trimmed = passage.trim();
    if (trimmed !== '') passages.push(trimmed);
    passage = '';
  };
  for (const paragraph of text.replaceAll('\r\n', '\n').split(/\n[ \t]*\n/)) {
    if (passage.length >= SHORT && passage.length + paragraph.length > PASSAGE / 2) close();
    for (const piece of paragraph.length + passage.length <= PASSAGE ? [paragraph] : pieces(paragraph)) {
      if (passage !== '' && passage.length + piece.length > PASSAGE) close();
      passage += piece;
    }
    passage += '\n\n';
  }
  close();
  return passages;
}

/** Sentences, and what is longer than a passage by words, and by characters. Together they are the text. */
function pieces(text: string): string[] {
  return segments(text, 'sentence').flatMap((sentence) =>
    sentence.length <= PASSAGE
      ? [sentence]
      : segments(sentence, 'word').flatMap((word) => (word.length <= PASSAGE ? [word] : characters(word))),
  );
}

const segmenters = new Map<string, Intl.Segmenter>();

function segments(text: string, granularity: 'sentence' | 'word'): string[] {
  // Firefox before 125 has none.
  if (typeof Intl.Segmenter !== 'function') return text.split(granularity === 'sentence' ? /(?<=[.!?。！？]\s*)/u : /(?<=\s)/u);
  let segmenter = segmenters.get(granularity);
  if (segmenter === undefined) {
    segmenter = new Intl.Segmenter(undefined, { granularity });
    segmenters.set(granularity, segmenter);
  }
  return [...segmenter.segment(text)].map(({ segment }) => segment);
}

/** Never through the middle of a character that takes two units. */
function characters(text: string): string[] {
  const cut: string[] = [];
  const all = [...text];
  for (let at = 0; at < all.length; at += PASSAGE / 2) cut.push(all.slice(at, at + PASSAGE / 2).join(''));
  return cut;
}
