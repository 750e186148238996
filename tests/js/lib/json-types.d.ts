/** JSON, with integers that a number cannot hold as bigints. */
export type Json = null | boolean | number | bigint | string | Json[] | JsonMap;

/** A map of JSON. */
export interface JsonMap {
  [key: string]: Json;
}
