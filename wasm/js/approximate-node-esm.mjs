// Hands on what the CommonJS build exports, which looks for the binaries as soon as it runs.

import './approximate-places.mjs';
import approximate from './approximate-node.cjs';

export const { source } = approximate;
