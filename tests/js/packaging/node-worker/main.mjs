import * as worker from 'twindex/worker';

import { scenario } from './scenario.mjs';

console.log(JSON.stringify(await scenario(worker, 'stores')));
