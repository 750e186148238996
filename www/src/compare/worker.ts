import { describe } from '../problems.ts';
import { measure, type Order } from './measure.ts';

addEventListener('message', ({ data }: MessageEvent<Order>) => {
  measure(data, (part) => postMessage({ part })).then(
    (measured) => postMessage({ measured }),
    (error: unknown) => postMessage({ problem: describe(error) }),
  );
});
