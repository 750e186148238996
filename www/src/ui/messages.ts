import { h } from './dom.ts';

/** Of hundreds of files that cannot be read, the last ones will do. */
const MOST = 8;

/** What the page has to say, until somebody has read it. Problems interrupt a screen reader, notes do not. */
export class Messages {
  readonly element = h('div', { class: 'messages' }, h('div', { role: 'alert' }), h('div', { role: 'status' }));

  tell(kind: 'problem' | 'note', text: string, action?: { label: string; act: () => void }): void {
    const place = this.element.children[kind === 'problem' ? 0 : 1];
    if (place === undefined) return;
    for (const old of [...place.children]) if (old.firstChild?.textContent === text) old.remove();
    const message = h('div', { class: kind === 'problem' ? 'message problem' : 'message' },
      h('p', {}, text),
      action !== undefined && h('button', { type: 'button', class: 'quiet', onclick: () => { message.remove(); action.act(); } }, action.label),
      h('button', { type: 'button', class: 'close', 'aria-label': 'Dismiss', onclick: () => message.remove() }, '×'),
    );
    place.append(message);
    while (place.children.length > MOST) place.firstElementChild?.remove();
  }

  /** Notes are of the past; problems stay until they are read. */
  clearNotes(): void {
    this.element.children[1]?.replaceChildren();
  }
}
