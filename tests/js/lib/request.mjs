// @ts-check
/** Operations of a case with their arguments read and checked. */

import { get, isMap, isWrittenAsInteger, write } from './json.mjs';
import { docSpec, idAt, vector } from './oracle.mjs';

/** @typedef {import('./json.mjs').Json} Json */
/** @typedef {import('./json.mjs').JsonMap} JsonMap */

/** @typedef {{ text: string } | { vector: Float32Array }} Query a text to look up, or a vector */
/** @typedef {'plain' | 'relevance' | 'mmr'} SearchKind which search it comes down to */

/**
 * How a search is asked for: by its own method, by `search`, or by a retriever with arguments of the call.
 *
 * @typedef {{ by: 'method' } | { by: 'search', searchType: string }
 *   | { by: 'retriever', searchType: string, call: JsonMap }} Route
 */

/**
 * Options of a search: what is absent or null takes its default.
 *
 * @typedef {object} Kwargs
 * @property {number | null} k
 * @property {number | null} fetchK
 * @property {number | null} lambdaMult
 * @property {number | null} scoreThreshold
 * @property {Json} filter
 */

/**
 * A search.
 *
 * @typedef {object} SearchRequest
 * @property {'search'} type
 * @property {Route} route
 * @property {SearchKind | null} kind null if the configuration is refused
 * @property {string | null} refusal the code it is refused with
 * @property {boolean} scored whether scores come back
 * @property {Query} query
 * @property {Kwargs} own the options of the method, of `search`, or those that a retriever is made with
 * @property {Kwargs} effective the options in effect: for a retriever with those of the call in their place
 * @property {boolean} integerThreshold whether the threshold was written as an integer, which LangChain's
 *   retriever refuses
 */

/**
 * A document to add; the vector is given, or looked up by text.
 *
 * @typedef {object} NewDoc
 * @property {string | null} id null for one that the store makes
 * @property {string} text
 * @property {JsonMap} metadata
 * @property {Float32Array | null} vector
 */

/**
 * An add.
 *
 * @typedef {object} AddRequest
 * @property {'add'} type
 * @property {'texts' | 'documents' | 'embeddings'} kind which call
 * @property {NewDoc[]} items texts, with ids and metadata for documents, with vectors for embeddings
 * @property {JsonMap[] | null} metadatas the argument
 * @property {(string | null)[] | null} ids the argument; an item that is null has to be made
 */

/**
 * A save and load, through a folder or through bytes.
 *
 * @typedef {object} LoadRequest
 * @property {'load'} type
 * @property {{ save: string, load: string } | null} names through a folder: the name to save under, and the
 *   name to load
 * @property {boolean} allow whether LangChain's opt-in flag is given
 * @property {string | null} distanceStrategy given to the loader
 * @property {boolean | null} normalizeL2 given to the loader
 */

/**
 * An operation, read.
 *
 * @typedef {{ type: 'create' } | { type: 'state' } | { type: 'vectors' } | SearchRequest | AddRequest
 *   | LoadRequest | { type: 'delete', ids: string[] | null } | { type: 'get_by_ids', ids: string[] }
 *   | { type: 'merge', from: string }} Request
 */

/**
 * The value of an argument; null is the same as none.
 *
 * @param {JsonMap} args
 * @param {string} name
 */
function given(args, name) {
  return get(args, name) ?? null;
}

/**
 * @param {JsonMap} args
 * @param {string} name
 */
function integer(args, name) {
  const value = given(args, name);
  if (value === null) return null;
  const fits = typeof value !== 'bigint' || value === BigInt.asIntN(64, value);
  if (!isWrittenAsInteger(args, name) || !fits) {
    throw new Error(`${name} must be an integer, got ${write(value)}`);
  }
  return Number(value);
}

/**
 * @param {JsonMap} args
 * @param {string} name
 */
function number(args, name) {
  const value = given(args, name);
  if (value === null) return null;
  if (!isNumber(value)) throw new Error(`${name} must be a number, got ${write(value)}`);
  return Number(value);
}

/** @param {Json} value */
function isNumber(value) {
  return typeof value === 'number' || typeof value === 'bigint';
}

/**
 * @param {JsonMap} args
 * @param {string} name
 */
function text(args, name) {
  const value = given(args, name);
  if (value !== null && typeof value !== 'string') {
    throw new Error(`${name} must be text, got ${write(value)}`);
  }
  return value;
}

/**
 * @param {JsonMap} args
 * @param {string} name
 */
function list(args, name) {
  const value = given(args, name);
  if (value !== null && !Array.isArray(value)) throw new Error(`${name} must be a list, got ${write(value)}`);
  return value;
}

/**
 * @param {JsonMap} args
 * @param {string} name
 */
function map(args, name) {
  const value = given(args, name) ?? {};
  if (!isMap(value)) throw new Error(`${name} must be a map, got ${write(value)}`);
  return value;
}

/**
 * @param {JsonMap} args
 * @param {string} name
 */
function flag(args, name) {
  const value = given(args, name);
  if (value !== null && typeof value !== 'boolean') throw new Error(`${name} must be true or false`);
  return value;
}

/**
 * @param {JsonMap} args
 * @param {string} name
 */
function ids(args, name) {
  const items = list(args, name);
  return items && items.map((_, i) => idAt(items, i));
}

/**
 * @param {JsonMap} args
 * @param {string} name
 */
function strings(args, name) {
  return ids(args, name)?.map((id) => id ?? '') ?? null;
}

/**
 * Reads the options among arguments, of which later ones take the place of earlier ones key by key. Other
 * keys are passed over, as LangChain does.
 *
 * @param {JsonMap[]} args
 * @returns {Kwargs}
 */
export function readKwargs(...args) {
  /** @param {string} name */
  const holder = (name) => args.findLast((map) => Object.hasOwn(map, name)) ?? {};
  return {
    k: integer(holder('k'), 'k'),
    fetchK: integer(holder('fetch_k'), 'fetch_k'),
    lambdaMult: number(holder('lambda_mult'), 'lambda_mult'),
    scoreThreshold: number(holder('score_threshold'), 'score_threshold'),
    filter: given(holder('filter'), 'filter'),
  };
}

/**
 * Reads an operation.
 *
 * @param {import('./oracle.mjs').Op} op
 * @returns {Request}
 */
export function readRequest(op) {
  const { args } = op;
  switch (op.op) {
    case 'create':
    case 'state':
    case 'vectors':
      return { type: op.op };
    case 'get_by_ids':
      return { type: 'get_by_ids', ids: strings(args, 'ids') ?? [] };
    case 'delete':
      return { type: 'delete', ids: strings(args, 'ids') };
    case 'merge_from': {
      const from = text(args, 'from');
      if (from === null) throw new Error('merge_from needs from');
      return { type: 'merge', from };
    }
    case 'add_texts':
    case 'add_documents':
    case 'add_embeddings':
      return add(op.op, args);
    case 'save_load':
    case 'serialize_roundtrip':
      return load(op.op, args);
    default:
      return search(op.op, args);
  }
}

/**
 * @param {'add_texts' | 'add_documents' | 'add_embeddings'} name
 * @param {JsonMap} args
 * @returns {AddRequest}
 */
function add(name, args) {
  /** @type {Record<typeof name, () => Pick<AddRequest, 'kind' | 'items'>>} */
  const readers = {
    add_texts: () => ({
      kind: 'texts',
      items: (strings(args, 'texts') ?? []).map((item) => ({
        id: null,
        text: item,
        metadata: {},
        vector: null,
      })),
    }),
    add_documents: () => ({
      kind: 'documents',
      items: (list(args, 'documents') ?? [])
        .map(docSpec)
        .map(({ id, text: item, metadata }) => ({ id, text: item, metadata: metadata ?? {}, vector: null })),
    }),
    add_embeddings: () => ({
      kind: 'embeddings',
      items: (list(args, 'text_embeddings') ?? []).map((pair) => {
        const [item, numbers, ...more] = Array.isArray(pair) ? pair : [];
        if (typeof item !== 'string' || more.length > 0) {
          throw new Error(`a pair of text and vector expected, got ${write(pair)}`);
        }
        return { id: null, text: item, metadata: {}, vector: vector(numbers) };
      }),
    }),
  };
  const metadatas = list(args, 'metadatas')?.map((value) => {
    if (value !== null && !isMap(value)) throw new Error(`metadata must be a map, got ${write(value)}`);
    return value ?? {};
  });
  return { type: 'add', ...readers[name](), metadatas: metadatas ?? null, ids: ids(args, 'ids') };
}

/**
 * What an add is to store, or the code that it is refused with.
 *
 * @param {AddRequest} request
 * @returns {NewDoc[] | 'length_mismatch'}
 */
export function documentsOf({ items, metadatas, ids: argument }) {
  if (metadatas && metadatas.length !== items.length) return 'length_mismatch';
  const docs = items.map((item, i) => ({ ...item, metadata: metadatas?.[i] ?? item.metadata }));
  if (!argument) return dropBlankIds(docs);
  if (argument.length === 0) return docs.map((doc) => ({ ...doc, id: null }));
  if (argument.length !== items.length) return 'length_mismatch';
  return docs.map((doc, i) => ({ ...doc, id: argument[i] ?? null }));
}

/**
 * Documents' own ids count if at least one is not empty.
 *
 * @template {{ id: string | null }} T
 * @param {T[]} docs
 * @returns {T[]}
 */
export function dropBlankIds(docs) {
  return docs.some((doc) => doc.id) ? docs : docs.map((doc) => ({ ...doc, id: null }));
}

/**
 * @param {'save_load' | 'serialize_roundtrip'} name
 * @param {JsonMap} args
 * @returns {LoadRequest}
 */
function load(name, args) {
  const save = text(args, 'index_name') ?? 'index';
  return {
    type: 'load',
    names: name === 'save_load' ? { save, load: text(args, 'load_index_name') ?? save } : null,
    allow: flag(args, 'allow') ?? true,
    distanceStrategy: text(args, 'distance_strategy'),
    normalizeL2: flag(args, 'normalize_L2'),
  };
}

/** @type {Record<string, SearchKind>} */
const SEARCH_TYPES = { similarity: 'plain', similarity_score_threshold: 'relevance', mmr: 'mmr' };

/**
 * The search methods: what they come down to, and whether they give scores.
 *
 * @type {Record<string, [SearchKind, boolean]>}
 */
const METHODS = {
  similarity_search: ['plain', false],
  similarity_search_by_vector: ['plain', false],
  similarity_search_with_score: ['plain', true],
  similarity_search_with_score_by_vector: ['plain', true],
  similarity_search_with_relevance_scores: ['relevance', true],
  max_marginal_relevance_search: ['mmr', false],
  max_marginal_relevance_search_by_vector: ['mmr', false],
  max_marginal_relevance_search_with_score_by_vector: ['mmr', true],
};

/**
 * @param {string} name
 * @param {JsonMap} args
 * @returns {SearchRequest}
 */
function search(name, args) {
  const embedding = given(args, 'embedding');
  const asked = text(args, 'query');
  if (embedding === null && asked === null) throw new Error(`${name} needs a query`);
  const query = embedding === null ? { text: asked ?? '' } : { vector: vector(embedding) };
  if (Object.hasOwn(METHODS, name)) {
    const [kind, scored] = /** @type {[SearchKind, boolean]} */ (METHODS[name]);
    return { ...plainSearch(args, kind), scored, query, route: { by: 'method' } };
  }
  const searchType = text(args, 'search_type') ?? 'similarity';
  const kind = Object.hasOwn(SEARCH_TYPES, searchType) ? (SEARCH_TYPES[searchType] ?? null) : null;
  if (name === 'search') {
    return { ...plainSearch(args, kind), scored: false, query, route: { by: 'search', searchType } };
  }
  if (name !== 'retriever') throw new Error(`no operation is called ${JSON.stringify(name)}`);
  return {
    ...retriever(args, kind),
    scored: false,
    query,
    route: { by: 'retriever', searchType, call: map(args, 'invoke_kwargs') },
  };
}

/** @typedef {Omit<SearchRequest, 'route' | 'scored' | 'query'>} Search */

/**
 * @param {JsonMap} args
 * @param {SearchKind | null} kind
 * @returns {Search}
 */
function plainSearch(args, kind) {
  const own = readKwargs(args);
  const integerThreshold = isWrittenAsInteger(args, 'score_threshold');
  return {
    type: 'search',
    kind,
    refusal: kind ? null : 'invalid_search_type',
    own,
    effective: own,
    integerThreshold,
  };
}

/**
 * @param {JsonMap} args
 * @param {SearchKind | null} kind
 * @returns {Search}
 */
function retriever(args, kind) {
  const made = map(args, 'search_kwargs');
  const call = map(args, 'invoke_kwargs');
  // It takes any number as its threshold, and nothing else.
  if (kind === 'relevance' && !isNumber(given(made, 'score_threshold'))) {
    const own = readKwargs(made, { score_threshold: null });
    const refusal = 'score_threshold_required';
    return { type: 'search', kind: null, refusal, own, effective: own, integerThreshold: false };
  }
  const search = plainSearch(made, kind);
  return kind ? { ...search, effective: readKwargs(made, call) } : search;
}
