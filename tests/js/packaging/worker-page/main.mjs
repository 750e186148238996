import * as worker from 'twindex/worker';

import { scenario } from './scenario.mjs';

globalThis.outcome = scenario(worker);
