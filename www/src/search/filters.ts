import type { FilterObject, Metadata, MetadataValue } from 'twindex/worker';

/** One thing that hits have to be, on one field of their metadata. */
export type Condition =
  | { field: string; test: 'one of'; values: readonly string[] }
  | { field: string; test: 'is'; value: MetadataValue }
  | { field: string; test: 'contains'; value: string }
  | { field: string; test: 'at least' | 'at most'; value: number };

/** The conditions as Twindex takes them; `undefined` where there are none. */
export function toFilter(conditions: readonly Condition[]): FilterObject | undefined {
  if (conditions.length === 0) return undefined;
  return { $and: conditions.map((condition) => ({ [condition.field]: operator(condition) })) };
}

function operator(condition: Condition): FilterObject[string] {
  switch (condition.test) {
    case 'one of':
      return { $in: condition.values };
    case 'is':
      return { $eq: condition.value };
    case 'contains':
      return { $contains: condition.value };
    case 'at least':
      return { $gte: condition.value };
    case 'at most':
      return { $lte: condition.value };
  }
}

/** Why a document passed the filter: the field, what it holds, and what was asked of it. */
export interface Reason {
  field: string;
  holds: string;
  asked: string;
}

/** For each condition, what in the metadata met it. */
export function reasons(conditions: readonly Condition[], metadata: Metadata): Reason[] {
  return conditions.map((condition) => ({
    field: condition.field,
    holds: shown(valueAt(metadata, condition.field)),
    asked: asked(condition),
  }));
}

function asked(condition: Condition): string {
  if (condition.test !== 'one of') return `${condition.test} ${shown(condition.value)}`;
  const [only] = condition.values;
  return condition.values.length === 1 ? `is ${only}` : `one of ${condition.values.join(', ')}`;
}

/** A field, or where no field has that name, the path that it spells. */
function valueAt(metadata: Metadata, field: string): MetadataValue | undefined {
  if (Object.hasOwn(metadata, field)) return metadata[field];
  let value: MetadataValue | undefined = metadata;
  for (const key of field.split('.')) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
    value = (value as Metadata)[key];
  }
  return value;
}

/** A value of metadata as text. */
export function shown(value: MetadataValue | undefined): string {
  if (value === undefined) return 'absent';
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(shown).join(', ');
  return typeof value === 'object' && value !== null
    ? JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner))
    : String(value);
}
