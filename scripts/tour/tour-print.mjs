// How the tour prints requests, answers and chat frames.

const WIDTH = 112;
const isOmitted = (value) => value === undefined;

/** Only these members of an object, with "…" for the others; tokens are cut. */
function pick(value, names) {
  if (Array.isArray(value)) return value.map((each) => pick(each, names));
  if (typeof value !== 'object' || value === null) return value;
  const shown = names.filter((name) => !isOmitted(value[name]));
  const entries = shown.map((name) => [name, nested(value[name], names)]);
  const hasMore = Object.keys(value).length > shown.length;
  return { ...Object.fromEntries(entries), ...(hasMore ? { '…': 0 } : {}) };
}

/** Objects within an answer show the same members, if they have any of them; otherwise all. */
function nested(value, names) {
  if (Array.isArray(value)) return value.map((each) => nested(each, names));
  if (typeof value !== 'object' || value === null) return shorten(value);
  return names.some((name) => name in value) ? pick(value, names) : value;
}

const shorten = (value) => (typeof value === 'string' && value.startsWith('eyJ') ? 'eyJ…' : value);

const toText = (value) => JSON.stringify(value).replaceAll(/,?"…":0/g, (found) => (found[0] === ',' ? ', …' : '…'));

/** Breaks a long line between members, and indents the lines that follow. */
function wrap(prefix, text) {
  const lines = [prefix];
  for (const part of text.split(/(?<=,)(?=["{ ])/)) {
    if (lines.at(-1).length + part.length > WIDTH && lines.at(-1).trim() !== '') lines.push(' '.repeat(4));
    lines[lines.length - 1] += lines.at(-1).trim() === '' ? part.trimStart() : part;
  }
  return lines.map((line) => `    ${line}`.trimEnd());
}

/** Lines for README.md: code has four spaces. */
export const requestLines = (who, method, target, body) =>
  wrap(`${who} → ${method} ${target} `, body === undefined ? '' : typeof body === 'string' ? body : toText(body));

export const answerLines = (who, status, body, names) =>
  wrap(`${who} ← ${status} `, body === undefined ? '' : typeof body === 'string' ? body : toText(pick(body, names)));

export const frameLines = (who, direction, frame) => wrap(`${who} ${direction} `, toText(frame));
