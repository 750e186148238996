import { dropped, type Found } from './files.ts';

const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;

/** Gives what is dropped anywhere on the page to `take`, whatever the page shows: a browser would leave the page for the file. */
export function acceptDrops(take: (found: Promise<Found[]>) => void): void {
  let depth = 0;
  const mark = (): void => void document.documentElement.classList.toggle('dropping', depth > 0);
  addEventListener('dragenter', (event) => {
    if (!hasFiles(event)) return;
    depth++;
    mark();
  });
  addEventListener('dragleave', () => {
    depth = Math.max(0, depth - 1);
    mark();
  });
  addEventListener('dragover', (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  addEventListener('drop', (event) => {
    depth = 0;
    mark();
    if (event.dataTransfer === null || !hasFiles(event)) return;
    event.preventDefault();
    take(dropped(event.dataTransfer));
  });
}
