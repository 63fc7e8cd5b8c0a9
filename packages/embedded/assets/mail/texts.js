/** The texts of the page in the language that the server chose. */
const texts = JSON.parse(document.body.dataset.texts);

/** The language as a tag, for dates. */
export const language = texts.tag;

/** A text with its values: `{n}` and so on. */
export function say(name, values = {}) {
  return texts[name].replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
}
