import { h, uniqueId } from './dom.ts';

/** Asks whether to do what cannot be undone. No answer is `no`. */
export function ask(question: string, yes: string, no = 'Leave it'): Promise<boolean> {
  const id = uniqueId('asked');
  const dialog = h('dialog', { class: 'ask', 'aria-labelledby': id },
    h('form', { method: 'dialog' },
      h('p', { id }, question),
      h('div', { class: 'row' }, h('button', { class: 'main', value: 'yes' }, yes), h('button', { class: 'second', value: 'no', autofocus: true }, no)),
    ),
  );
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
