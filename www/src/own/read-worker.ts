import { perform, type Task } from './texts.ts';

/** Reads and splits off the page's own thread. The answer goes to the port that came with the question. */
addEventListener('message', ({ data: { task, port } }: MessageEvent<{ task: Task; port: MessagePort }>) => {
  perform(task).then(
    (read) => port.postMessage({ read }),
    (error: unknown) => port.postMessage({ refused: error instanceof Error ? error.message : String(error) }),
  );
});
