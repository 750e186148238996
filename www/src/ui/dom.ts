/** Elements, without a framework. */

export type Child = Node | string | number | null | undefined | false | readonly Child[];

/** Attributes by name; `on...` are listeners; `false` and `undefined` leave an attribute away. */
export type Attributes = Record<string, string | number | boolean | undefined | ((event: never) => void)>;

/** Makes an element. Texts are texts: nothing is ever parsed as HTML. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
  }
  append(element, children);
  return element;
}

/** Puts children into an element, in place of those that it has. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren();
  append(element, children);
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child as readonly Child[]);
    else if (child !== null && child !== undefined && child !== false) element.append(child as Node | string);
  }
}

let numbered = 0;

/** An id that no other element has. */
export const uniqueId = (prefix: string): string => `${prefix}-${++numbered}`;
