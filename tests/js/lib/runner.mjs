// @ts-check
/** Runs cases on the package and judges every operation. */

import { codeOf, answerOf, toJson } from './answer.mjs';
import { Uuids } from './compare.mjs';
import { write } from './json.mjs';
import { hasNullId, judge, Lineage, partByMerge } from './judge.mjs';
import { CALLABLES } from './model/callable.mjs';
import { callableName } from './model/filter.mjs';
import { Wrong } from './model/search.mjs';
import { Notes } from './model/values.mjs';
import { builtModel, mustFail, planOf, verify, verifyMerge } from './model/verify.mjs';
import { readRequest } from './request.mjs';
import { Subject } from './subject.mjs';

/** @typedef {import('./answer.mjs').Outcome} Outcome */
/** @typedef {import('./judge.mjs').Judged} Judged */
/** @typedef {import('./oracle.mjs').Case} Case */
/** @typedef {import('./oracle.mjs').Expected} Expected */
/** @typedef {import('./oracle.mjs').Op} Op */
/** @typedef {import('./oracle.mjs').Setup} Setup */
/** @typedef {import('./package.mjs').Twindex} Twindex */
/** @typedef {Record<Judged, number>} Tally how many operations were judged by what */

/** @returns {Tally} */
function noTally() {
  return { expected: 0, better: 0, table: 0 };
}

/**
 * Runs cases, prints a line for each that fails, and what the operations were judged by.
 *
 * @param {Twindex} twindex
 * @param {Case[]} cases
 * @param {(line: string) => void} print
 */
export async function runAll(twindex, cases, print) {
  const summary = { passed: 0, failed: 0, tally: noTally() };
  for (const one of cases) {
    const { failure, tally } = await runCase(twindex, one);
    for (const judged of /** @type {Judged[]} */ (Object.keys(tally))) summary.tally[judged] += tally[judged];
    if (failure === null) {
      summary.passed += 1;
    } else {
      summary.failed += 1;
      print(`FAILED ${one.name}: ${failure}`);
    }
  }
  const operations = cases.reduce((sum, { ops }) => sum + ops.length, 0);
  const { expected, better, table } = summary.tally;
  print(`${operations} operations: ${expected} by expected, ${better} by better, ${table} by the table`);
  print('every answer was compared with the model as well');
  return summary;
}

/**
 * Runs a case. The failure is what was expected and what came, where they differ for the first time.
 *
 * @param {Twindex} twindex
 * @param {Case} one
 * @returns {Promise<{ failure: string | null, tally: Tally }>}
 */
export async function runCase(twindex, one) {
  const run = new Run(twindex, one);
  try {
    await run.run();
    return { failure: null, tally: run.tally };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { failure, tally: run.tally };
  } finally {
    run.free();
  }
}

/** A store of a case, once it is made. */
class Slot {
  /** @type {import('./model/model.mjs').Model | null} */
  model = null;

  /**
   * @param {Twindex} twindex
   * @param {Setup} setup
   * @param {string[]} caught
   */
  constructor(twindex, setup, caught) {
    this.setup = setup;
    this.caught = caught;
    this.subject = new Subject(twindex, setup, caught);
    this.lineage = new Lineage(setup);
  }

  /**
   * Makes the store, and checks that it is or is not made as the table has it.
   *
   * @returns {Promise<Outcome>}
   */
  async make() {
    const plan = planOf(this.setup);
    this.subject.free();
    const outcome = await this.subject.build();
    if (plan.faults.length > 0 || 'failure' in outcome) {
      mustFail(plan.faults, outcome);
      return outcome;
    }
    if (this.caught.length > 0) {
      throw new Wrong(`warnings ${write(this.caught)} were given when the store was made`);
    }
    const state = answerOf(await this.subject.run({ type: 'state' }), 'state');
    if (!state) throw new Wrong('the store does not tell its state');
    if (hasNullId(plan.docs)) this.lineage.causes.add('none_id');
    this.model = builtModel(plan, state.state.ids);
    return outcome;
  }

  /**
   * The rows of the table that speak about making this store.
   *
   * @param {Outcome} outcome
   */
  rules(outcome) {
    const rules = new Set(this.lineage.causes);
    if (this.setup.docs.length === 0) rules.add('empty_input_fails');
    if (isRefusedByTable(outcome)) rules.add('jaccard_is_l2, cosine_is_l2');
    return rules;
  }
}

/**
 * Whether a store was not made for a reason that LangChain does not have.
 *
 * @param {Outcome} outcome
 */
function isRefusedByTable(outcome) {
  return ['unknown_distance_strategy', 'zero_vector'].includes(codeOf(outcome) ?? '');
}

/** One run of a case. */
class Run {
  tally = noTally();
  uuids = new Uuids();
  /** The codes of warnings since they were last looked at. @type {string[]} */
  caught = [];

  /**
   * @param {Twindex} twindex
   * @param {Case} one
   */
  constructor(twindex, one) {
    this.case = one;
    /** @type {Map<string, Slot>} */
    this.slots = new Map(
      [...one.setups].map(([name, setup]) => [name, new Slot(twindex, setup, this.caught)]),
    );
  }

  free() {
    for (const { subject } of this.slots.values()) subject.free();
  }

  /** @param {string} name */
  slot(name) {
    const slot = this.slots.get(name);
    if (!slot) throw new Wrong(`there is no store ${write(name)}`);
    return slot;
  }

  /** The warnings since the last call, sorted. */
  warnings() {
    return this.caught.splice(0).sort();
  }

  /** Runs all operations. Throws what was expected and what came, at the first difference. */
  async run() {
    const { ops, expected } = this.case;
    const madeLater = new Set(ops.filter(({ op }) => op === 'create').map(({ store }) => store));
    for (const [name, slot] of this.slots) {
      if (madeLater.has(name)) continue;
      const outcome = await within(`making ${name}`, () => slot.make());
      if ('failure' in outcome && !isRefusedByTable(outcome)) {
        throw new Wrong(`making ${name}: ${write(toJson(outcome))}`);
      }
    }
    for (const [number, op] of ops.entries()) {
      const judged = await within(`operation ${number} (${op.op})`, () =>
        this.step(op, /** @type {Expected} */ (expected[number])),
      );
      this.tally[judged] += 1;
    }
  }

  /**
   * @param {Op} op
   * @param {Expected} expected
   * @returns {Promise<Judged>}
   */
  async step(op, expected) {
    const request = readRequest(op);
    checkFunctions(request);
    const slot = this.slot(op.store);
    this.warnings();
    if (request.type === 'create') {
      const outcome = await slot.make();
      const judged = judge(expected, slot.rules(outcome), outcome, [], this.uuids);
      slot.lineage.part(request, expected, outcome);
      return judged;
    }
    if (!slot.model) return stillRefused(slot);
    if (request.type === 'merge') return this.merge(slot, request, expected);
    const { subject, model, lineage } = slot;
    const outcome = await subject.run(request);
    const warnings = this.warnings();
    const before = model.clone();
    const notes = verify(model, request, outcome, warnings);
    const judged = judge(
      expected,
      lineage.rules(request, before, notes, expected, outcome),
      outcome,
      warnings,
      this.uuids,
    );
    lineage.part(request, expected, outcome);
    return judged;
  }

  /**
   * @param {Slot} main
   * @param {{ type: 'merge', from: string }} request
   * @param {Expected} expected
   * @returns {Promise<Judged>}
   */
  async merge(main, request, expected) {
    const from = this.slot(request.from);
    if (!from.model) return stillRefused(from);
    const source = from === main ? null : from;
    const model = /** @type {import('./model/model.mjs').Model} */ (main.model);
    const outcome = await main.subject.merge(source?.subject ?? null);
    const before = model.clone();
    verifyMerge(model, source?.model ?? null, outcome);
    const lineages = source ? [main.lineage, source.lineage] : [main.lineage];
    const rules = lineages.flatMap((lineage) => [
      ...lineage.rules(request, before, new Notes(), expected, outcome),
    ]);
    const judged = judge(expected, new Set(rules), outcome, this.warnings(), this.uuids);
    partByMerge(main.lineage, source?.lineage ?? null, expected, outcome);
    return judged;
  }
}

/**
 * What can be checked of an operation on a store that the table does not allow: that it is not allowed.
 *
 * @param {Slot} slot
 * @returns {Promise<Judged>}
 */
async function stillRefused(slot) {
  if ('failure' in (await slot.make())) return 'table';
  throw new Wrong('the store could be made now, though not before');
}

/**
 * A function that nobody knows must not pass for one that fails.
 *
 * @param {import('./request.mjs').Request} request
 */
function checkFunctions(request) {
  if (request.type !== 'search') return;
  for (const { filter } of [request.own, request.effective]) {
    const name = callableName(filter);
    if (name !== null && !Object.hasOwn(CALLABLES, name)) {
      throw new Wrong(`no filter function is called ${write(name)}`);
    }
  }
}

/**
 * Says where an error came from, in a line that stays readable.
 *
 * @template T
 * @param {string} place
 * @param {() => Promise<T>} run
 * @returns {Promise<T>}
 */
async function within(place, run) {
  const most = 1500;
  try {
    return await run();
  } catch (error) {
    // What is not an answer found wrong or a case found bad is a defect here, and its place is worth knowing.
    const isDefect =
      error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
    const said = error instanceof Error ? (isDefect && error.stack) || error.message : String(error);
    const text = said.replaceAll('\n', ' ');
    throw new Wrong(`${place}: ${text.length > most ? `${text.slice(0, most)}...` : text}`, { cause: error });
  }
}
