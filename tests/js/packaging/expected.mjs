// @ts-check
/** What `scenario.mjs` gives, everywhere. */
export const EXPECTED = {
  searches: {
    scored: [['soup', 2], ['fork', 3], ['day', 4]],
    filtered: [['fork', 3], ['spoon', 6]],
    predicate: [['soup', 2], ['day', 4]],
    mmr: ['spoon', 'day', 'fork'],
    batch: [
      [['fork', 0], ['day', 1]],
      [['day', 2], ['fork', 3]],
    ],
  },
  documents: {
    text: 'forks and spoons',
    big: '9007199254740993',
    day: { kind: 'time', note: { text: 'schön 😀' } },
  },
  bytes: { length: 592, sha256: '318f2039ba3cc0a05482612b043b3d954377f725ae635fec02c448e3ad4c52be' },
  left: { deleted: 1, count: 4, scored: [['soup', 2], ['fork', 3], ['day', 4]] },
  madeIds: { uuid: true, walked: ['fork', 'soup', 'both', 'day', 'made'] },
  cosine: {
    hits: [['d', 0.9869275689125061], ['b', 0.9669874906539917], ['c', 0.0657951608300209]],
    info: { count: 4, dim: 3, distanceStrategy: 'COSINE', kind: 'Flat' },
  },
  saved: {
    names: ['first', 'zweiter Löffel'],
    kept: ['soup', 'day'],
    removed: [true, false],
    left: ['zweiter Löffel'],
  },
  codes: {
    k: 'k_not_positive',
    fraction: 'invalid_option',
    dimension: 'dimension_mismatch',
    duplicate: 'id_already_exists',
    unknownId: 'unknown_id',
    operator: 'unsupported_filter_operator',
    metadata: 'invalid_metadata',
    garbage: 'not_a_store',
    missing: 'file_not_found',
    name: 'invalid_index_name',
    aborted: 'AbortError',
    unchanged: true,
  },
  freed: 'store_freed',
};

/** What `langchain/chain.mjs` gives. */
export const EXPECTED_IN_LANGCHAIN = {
  added: 'off',
  before: [['soup of the day', 2], ['a fork', 3], ['one fine day', 4]],
  filtered: ['a spoon for soup', 'forks and spoons'],
  retrieved: ['a fork', 'a spoon for soup'],
  mmr: ['a spoon for soup', 'a day off', 'soup of the day'],
  piped: 2,
  loaded: [['soup of the day', 2], ['a fork', 3], ['one fine day', 4]],
  gone: false,
};
