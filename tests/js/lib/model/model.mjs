// @ts-check
/**
 * A store as plain lists, judged by brute force in f64: what Twindex should answer by `QUIRKS.md`. It is the
 * native runner's model in JavaScript, so that a case is judged the same way on both targets.
 *
 * Nothing here calls Twindex. Documents are JSON, vectors are what the case gives, filters are read straight
 * off their JSON.
 */

/** @typedef {'l2' | 'inner_product' | 'cosine'} Metric what scores are; lower is better for l2 alone */
/** @typedef {import('../request.mjs').NewDoc} NewDoc */

/**
 * A document with its vector.
 *
 * @typedef {object} Entry
 * @property {string} id
 * @property {string} text
 * @property {import('../json.mjs').JsonMap} metadata
 * @property {Float32Array} raw the vector as given
 * @property {Float64Array} vector the vector as stored
 */

/** The metrics of LangChain's strategies by the table. @type {Record<string, Metric>} */
const METRICS = {
  EUCLIDEAN_DISTANCE: 'l2',
  MAX_INNER_PRODUCT: 'inner_product',
  DOT_PRODUCT: 'inner_product',
  COSINE: 'cosine',
};

/**
 * The metric of a strategy, null for one that is not offered.
 *
 * @param {string} name
 * @returns {Metric | null}
 */
export function metricOf(name) {
  return Object.hasOwn(METRICS, name) ? (METRICS[name] ?? null) : null;
}

/** The relevance functions that a case can name. @type {Record<string, (score: number) => number>} */
const RELEVANCES = {
  identity: (score) => score,
  one_over_one_plus: (score) => 1 / (1 + score),
};

/**
 * The relevance function of this name.
 *
 * @param {string} name
 */
export function relevanceOf(name) {
  const relevance = Object.hasOwn(RELEVANCES, name) ? RELEVANCES[name] : undefined;
  if (!relevance) throw new Error(`no relevance function is called ${JSON.stringify(name)}`);
  return relevance;
}

/**
 * Inner product.
 *
 * @param {Float64Array} a
 * @param {Float64Array} b
 */
export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < Math.min(a.length, b.length); i += 1)
    sum += /** @type {number} */ (a[i]) * /** @type {number} */ (b[i]);
  return sum;
}

/**
 * Euclidean length.
 *
 * @param {Float64Array} vector
 */
export function length(vector) {
  return Math.sqrt(dot(vector, vector));
}

/**
 * Whether two vectors are the same numbers.
 *
 * @param {Float32Array} a
 * @param {Float32Array} b
 */
export function isSameVector(a, b) {
  return a.length === b.length && a.every((number, i) => number === b[i]);
}

/** The store. */
export class Model {
  /** The relevance function, if one was given. @type {((score: number) => number) | null} */
  relevance = null;
  /** The documents by position. @type {Entry[]} */
  entries = [];
  /** The vectors of texts. @type {Map<string, Float32Array>} */
  table = new Map();

  /**
   * @param {Metric} metric
   * @param {boolean} normalize whether vectors and queries are scaled to unit length
   * @param {number | null} dim numbers per vector, once known
   */
  constructor(metric, normalize, dim) {
    this.metric = metric;
    this.normalize = normalize;
    this.dim = dim;
  }

  /** A copy that later changes leave alone. */
  clone() {
    const copy = new Model(this.metric, this.normalize, this.dim);
    copy.relevance = this.relevance;
    copy.entries = [...this.entries];
    copy.table = this.table;
    return copy;
  }

  /**
   * The document of an id.
   *
   * @param {string} id
   */
  find(id) {
    return this.entries.find((entry) => entry.id === id);
  }

  /**
   * The document at a position.
   *
   * @param {number} position
   */
  entry(position) {
    return /** @type {Entry} */ (this.entries[position]);
  }

  /**
   * A vector as it is stored or asked with.
   *
   * @param {Float32Array} vector
   */
  prepare(vector) {
    const numbers = Float64Array.from(vector);
    const size = length(numbers);
    return this.normalize && size > 0 ? numbers.map((x) => x / size) : numbers;
  }

  /**
   * The vector of a text. Throws if it is not in the table.
   *
   * @param {string} text
   */
  lookUp(text) {
    const vector = this.table.get(text);
    if (!vector) throw new Error(`no vector for the text ${JSON.stringify(text)}`);
    return vector;
  }

  /**
   * The vectors that documents come with, or those of their texts.
   *
   * @param {NewDoc[]} docs
   */
  vectorsOf(docs) {
    return docs.map((doc) => doc.vector ?? this.lookUp(doc.text));
  }

  /**
   * All codes that adding these may fail with; none if it goes through.
   *
   * @param {NewDoc[]} docs
   * @param {Float32Array[]} vectors
   */
  faultsOfAdd(docs, vectors) {
    const faults = [];
    const dim = this.dim ?? vectors[0]?.length;
    if (vectors.some((vector) => vector.length !== dim)) faults.push('dimension_mismatch');
    if (vectors.some((vector) => vector.length === 0)) faults.push('empty_vector');
    if (!vectors.every(isFinite)) faults.push('not_finite');
    if (this.metric === 'cosine' && vectors.some((vector) => vector.every((x) => x === 0))) {
      faults.push('zero_vector');
    }
    const ids = docs.flatMap((doc) => (doc.id === null ? [] : [doc.id]));
    if (new Set(ids).size < ids.length) faults.push('duplicate_ids_in_call');
    if (ids.some((id) => this.find(id))) faults.push('id_already_exists');
    return faults;
  }

  /**
   * Adds documents under these ids.
   *
   * @param {NewDoc[]} docs
   * @param {Float32Array[]} vectors
   * @param {string[]} ids
   */
  add(docs, vectors, ids) {
    docs.forEach(({ text, metadata }, i) => {
      const [id, raw] = [ids[i] ?? '', vectors[i] ?? new Float32Array()];
      this.dim = raw.length;
      this.entries.push({ id, text, metadata, raw, vector: this.prepare(raw) });
    });
  }

  /**
   * All codes that deleting these ids may fail with.
   *
   * @param {string[] | null} ids
   */
  faultsOfDelete(ids) {
    if (!ids) return ['no_ids'];
    return ids.every((id) => this.find(id)) ? [] : ['unknown_id'];
  }

  /**
   * Deletes these ids; an id given twice is deleted once.
   *
   * @param {string[]} ids
   */
  delete(ids) {
    this.entries = this.entries.filter((entry) => !ids.includes(entry.id));
  }

  /**
   * All codes that merging another store may fail with; null for this store itself.
   *
   * @param {Model | null} other
   */
  faultsOfMerge(other) {
    if (!other) return ['merge_incompatible'];
    const dimsDiffer = this.dim !== null && other.dim !== null && this.dim !== other.dim;
    if (this.metric !== other.metric || this.normalize !== other.normalize || dimsDiffer) {
      return ['merge_incompatible'];
    }
    return other.entries.some((entry) => this.find(entry.id)) ? ['id_already_exists'] : [];
  }

  /**
   * Takes in copies of another store's documents.
   *
   * @param {Model} other
   */
  merge(other) {
    this.entries.push(...other.entries);
    if (other.entries.length > 0) this.dim = other.dim;
  }

  /**
   * All codes that asking with this vector may fail with.
   *
   * @param {Float32Array} query
   */
  faultsOfQuery(query) {
    const faults = [];
    if (this.dim !== null && this.dim !== query.length) faults.push('dimension_mismatch');
    if (!isFinite(query)) faults.push('not_finite');
    if (this.metric === 'cosine' && length(Float64Array.from(query)) === 0) faults.push('zero_vector');
    return faults;
  }
}

/** @param {Float32Array} vector */
function isFinite(vector) {
  return vector.every(Number.isFinite);
}
