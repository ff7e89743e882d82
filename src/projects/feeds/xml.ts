/** An element: its name, its attributes, and its children. Undefined attributes and children are left out. */
export interface Element {
  name: string;
  attributes: Record<string, string | undefined>;
  children: (Element | string | undefined)[];
}

/** Makes an element. */
export const element = (
  name: string,
  attributes: Record<string, string | undefined> = {},
  ...children: (Element | string | undefined)[]
): Element => ({ name, attributes, children });

/** Characters that XML 1.0 does not allow, also not as references. https://www.w3.org/TR/xml/#charsets */
const NOT_IN_XML = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

const REFERENCES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** A text as the content of an element or an attribute of XML or HTML. */
export const escapeXml = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll(NOT_IN_XML, '')
    .replaceAll(/[&<>"']/g, (character) => REFERENCES[character]!);

/** An XML document in UTF-8. */
export const toXml = (root: Element): string => `<?xml version="1.0" encoding="utf-8"?>\n${serialize(root)}\n`;

function serialize({ name, attributes, children }: Element): string {
  const pairs = Object.entries(attributes).filter(([, value]) => value !== undefined);
  const start = [name, ...pairs.map(([key, value]) => `${key}="${escapeXml(value!)}"`)].join(' ');
  const content = children.filter((child) => child !== undefined);
  if (content.length === 0) return `<${start}/>`;
  return `<${start}>${content.map((child) => (typeof child === 'string' ? escapeXml(child) : serialize(child))).join('')}</${name}>`;
}
