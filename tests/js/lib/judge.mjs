// @ts-check
/** Where the table of `QUIRKS.md` speaks, and where Twindex's store has parted from LangChain's. */

import { codeOf, toJson } from './answer.mjs';
import { agrees } from './compare.mjs';
import { get, isMap, write } from './json.mjs';
import { rulesOfFilter } from './model/filter.mjs';
import { Wrong } from './model/search.mjs';
import { documentsOf } from './request.mjs';

/** @typedef {import('./answer.mjs').Outcome} Outcome */
/** @typedef {import('./oracle.mjs').Expected} Expected */
/** @typedef {import('./oracle.mjs').Setup} Setup */
/** @typedef {import('./oracle.mjs').Wanted} Wanted */
/** @typedef {import('./request.mjs').Request} Request */
/** @typedef {Set<string>} Rules rows of the table; none means that LangChain's answer counts */

/**
 * By what an operation was judged: by what LangChain answered, by what `better` says, or by what the table
 * says and neither of these.
 *
 * @typedef {'expected' | 'better' | 'table'} Judged
 */

/**
 * The strategy that a setup's store really has, and whether its index is of another kind than the strategy's
 * own.
 *
 * What counts in LangChain is the index that is there; strategies that the table decides are as the table has
 * them.
 *
 * @param {Setup} setup
 * @returns {{ strategy: string, oddIndex: boolean }}
 */
export function strategyOf({ kind, index, distanceStrategy: strategy }) {
  const innerProduct = index === 'IndexFlatIP';
  if (kind === 'empty' && strategy === 'EUCLIDEAN_DISTANCE' && innerProduct) {
    return { strategy: 'MAX_INNER_PRODUCT', oddIndex: true };
  }
  if (kind === 'empty' && strategy === 'MAX_INNER_PRODUCT' && !innerProduct) {
    return { strategy: 'EUCLIDEAN_DISTANCE', oddIndex: true };
  }
  return { strategy, oddIndex: false };
}

/**
 * Whether LangChain gives a document of the call the id null.
 *
 * @param {{ id: string | null }[]} docs
 */
export function hasNullId(docs) {
  return docs.some((doc) => doc.id === null) && docs.some((doc) => doc.id !== null);
}

/**
 * @param {Outcome} outcome
 * @param {string[]} codes
 */
function failedWith(outcome, ...codes) {
  const code = codeOf(outcome);
  return code !== null && codes.includes(code);
}

/** The rows that speak about strategies. @type {Record<string, string>} */
const STRATEGY_RULES = { COSINE: 'cosine_is_l2', DOT_PRODUCT: 'dot_product_is_l2', JACCARD: 'jaccard_is_l2' };

/**
 * What LangChain's store of this name is by now, as far as it matters, and why Twindex's holds something
 * else.
 */
export class Lineage {
  /** The rows of the table that changed the state so far. @type {Rules} */
  causes = new Set();

  /** @param {Setup} setup */
  constructor(setup) {
    /** LangChain's strategy. */
    this.strategy = setup.distanceStrategy;
    /** Whether LangChain's store normalises. */
    this.normalize = setup.normalizeL2;
    /** Whether LangChain's index is of another kind than the strategy's own. */
    this.oddIndex = strategyOf(setup).oddIndex;
  }

  /** @returns {string[]} */
  strategyRules() {
    const rule = Object.hasOwn(STRATEGY_RULES, this.strategy) ? STRATEGY_RULES[this.strategy] : undefined;
    return rule === undefined ? [] : [rule];
  }

  /**
   * The rows that speak about an operation, given the store before it and what came of it.
   *
   * @param {Request} request
   * @param {import('./model/model.mjs').Model} model
   * @param {import('./model/values.mjs').Notes} notes
   * @param {Expected} expected
   * @param {Outcome} outcome
   * @returns {Rules}
   */
  rules(request, model, notes, expected, outcome) {
    // What follows from the one quirk that `better` names is just what `better` leaves out.
    const isBetters =
      expected.better !== null && this.causes.size === 1 && this.causes.has(expected.better.quirk);
    return new Set([
      ...(isBetters ? [] : this.causes),
      ...this.ownRules(request, model, notes, expected, outcome),
    ]);
  }

  /**
   * @param {Request} request
   * @param {import('./model/model.mjs').Model} model
   * @param {import('./model/values.mjs').Notes} notes
   * @param {Expected} expected
   * @param {Outcome} outcome
   * @returns {string[]}
   */
  ownRules(request, model, notes, expected, outcome) {
    switch (request.type) {
      case 'search':
        return this.searchRules(request, model, notes, expected, outcome);
      case 'add':
        return addRules(request, outcome);
      case 'delete':
        if (request.ids?.length === 0) return ['empty_delete_fails'];
        return new Set(request.ids).size < (request.ids?.length ?? 0) ? ['delete_not_atomic'] : [];
      case 'merge':
        return failedWith(outcome, 'merge_incompatible') ? ['merge_ignores_settings'] : this.strategyRules();
      case 'load': {
        const refused = failedWith(outcome, 'setting_mismatch', 'unknown_distance_strategy');
        return !request.allow || refused ? ['load_forgets_settings'] : [];
      }
      default:
        return [];
    }
  }

  /**
   * @param {import('./request.mjs').SearchRequest} search
   * @param {import('./model/model.mjs').Model} model
   * @param {import('./model/values.mjs').Notes} notes
   * @param {Expected} expected
   * @param {Outcome} outcome
   * @returns {string[]}
   */
  searchRules({ kind, effective, integerThreshold }, model, notes, expected, outcome) {
    if (kind === null) return [];
    const { k, fetchK, scoreThreshold, filter } = effective;
    const isMmr = kind === 'mmr';
    const byRelevance = kind === 'relevance';
    const isProduct = this.strategy === 'MAX_INNER_PRODUCT' && !model.relevance;
    const scaled = byRelevance || scoreThreshold !== null;
    const unlike =
      isError(expected.answer, 'filter_type_error') || isError(expected.better?.answer, 'filter_type_error');
    const raised = failedWith(outcome, 'callable_filter_raised') && expected.better === null;
    /** @type {[boolean, string][]} */
    const rows = [
      [isError(expected.answer, 'score_threshold_required') && integerThreshold, 'int_threshold_refused'],
      [byRelevance && isProduct, 'mip_relevance_inverted'],
      [(k !== null && k <= 0) || (fetchK !== null && fetchK <= 0), 'negative_k_slices'],
      [isMmr && scoreThreshold !== null, 'mmr_ignores_kwargs'],
      [this.oddIndex && scaled, "relevance and thresholds are the metric's"],
      [notes.booleanMetNumber, 'bool_equals_int'],
      [unlike, 'filter_type_error'],
      [raised && 'ok' in expected.answer, 'filter_after_fetch_k'],
      [isMmr && notes.tiedProducts, 'ip_tie_order'],
    ];
    const rules = rows.filter(([holds]) => holds).map(([, rule]) => rule);
    return [...rules, ...this.strategyRules(), ...(filter === null ? [] : rulesOfFilter(filter))];
  }

  /**
   * Takes note of what an operation did to LangChain's store but not to Twindex's, or the other way round.
   *
   * @param {Request} request
   * @param {Expected} expected
   * @param {Outcome} outcome
   */
  part(request, { answer }, outcome) {
    const differ = 'ok' in answer !== 'answer' in outcome;
    switch (request.type) {
      case 'add': {
        const gaveNull = 'ok' in answer && Array.isArray(answer.ok) && answer.ok.includes(null);
        if (isError(answer, 'id_already_exists')) this.causes.add('add_not_atomic');
        else if (gaveNull || (differ && request.items.length > 0)) this.causes.add('none_id');
        break;
      }
      case 'delete':
        if (isError(answer, 'duplicate_ids_in_call') || (differ && request.ids?.length)) {
          this.causes.add('delete_not_atomic');
        }
        break;
      case 'create':
        if (differ) this.causes.add('empty_input_fails');
        break;
      case 'load': {
        const strategy = request.distanceStrategy ?? 'EUCLIDEAN_DISTANCE';
        const forgets = strategy !== this.strategy || (request.normalizeL2 ?? false) !== this.normalize;
        if (differ || ('ok' in answer && forgets)) this.causes.add('load_forgets_settings');
        break;
      }
      default:
    }
  }
}

/**
 * @param {Wanted | undefined} wanted
 * @param {string} kind
 */
function isError(wanted, kind) {
  return wanted !== undefined && 'error' in wanted && wanted.error === kind;
}

/**
 * Takes note of what a merge did to both stores; `source` is null for a store merged into itself.
 *
 * @param {Lineage} main
 * @param {Lineage | null} source
 * @param {Expected} expected
 * @param {Outcome} outcome
 */
export function partByMerge(main, source, { answer }, outcome) {
  if (!source) {
    main.causes.add('merge_self_destroys');
    return;
  }
  const inherited = [...source.causes];
  const succeeded = 'answer' in outcome;
  if ('ok' in answer && succeeded) {
    source.causes.add('merge_empties_source');
  } else if ('ok' in answer) {
    main.causes.add('merge_ignores_settings');
    source.causes.add('merge_ignores_settings');
  } else if (answer.error === 'id_already_exists') {
    main.causes.add('merge_not_atomic');
    source.causes.add('merge_not_atomic');
  } else if (succeeded) {
    main.causes.add('dot_product_is_l2');
  } else {
    return;
  }
  inherited.forEach((cause) => main.causes.add(cause));
}

/**
 * @param {import('./request.mjs').AddRequest} request
 * @param {Outcome} outcome
 */
function addRules(request, outcome) {
  const docs = documentsOf(request);
  const rules = request.items.length === 0 ? ['empty_input_fails'] : [];
  if (typeof docs !== 'string' && hasNullId(docs)) rules.push('none_id');
  if (failedWith(outcome, 'zero_vector')) rules.push('cosine_is_l2');
  return rules;
}

/**
 * Compares an outcome with the case, where the table leaves that to it. Throws what is {@link Wrong}.
 *
 * @param {Expected} expected
 * @param {Rules} rules
 * @param {Outcome} outcome
 * @param {string[]} warnings
 * @param {import('./compare.mjs').Uuids} uuids
 * @returns {Judged}
 */
export function judge(expected, rules, outcome, warnings, uuids) {
  const wanted = expected.better?.answer ?? expected.answer;
  const judged = expected.better ? 'better' : 'expected';
  if (agrees(wanted, expected.ties, outcome, uuids)) {
    const langChains = expected.warnings.filter((warning) => warning !== 'normalize_not_applicable');
    if (judged === 'expected' && rules.size === 0 && write(warnings) !== write(langChains)) {
      throw new Wrong(`expected warnings ${write(expected.warnings)}, actual ${write(warnings)}`);
    }
    return judged;
  }
  if (rules.size > 0) return 'table';
  throw new Wrong(`expected ${write(show(wanted))}, actual ${write(toJson(outcome))}`);
}

/**
 * An answer of a case file, documents by id and score only.
 *
 * @param {Wanted} wanted
 */
function show(wanted) {
  if ('error' in wanted) return { error: { kind: wanted.error } };
  const { ok } = wanted;
  if (!Array.isArray(ok)) return { ok };
  return {
    ok: ok.map((item) => {
      if (!isMap(item) || get(item, 'text') === undefined) return item;
      const [id, score] = [get(item, 'id') ?? null, get(item, 'score')];
      return score === undefined ? id : [id, score];
    }),
  };
}
