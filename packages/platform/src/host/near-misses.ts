/** Settings that somebody meant to set: names in the environment that are almost those of settings. */
import leven from 'leven';

/** The services' prefixes: TPC_GRPC_PORT is no misspelt UAC_GRPC_PORT. */
const SERVICES = ['TPC', 'UAC', 'OPC'];
/** In names at least this long two letters may differ; in shorter ones that would be another word. */
const LONG_NAME = 12;

/**
 * Lines for names in the environment that no setting has, and that are a slip away from one that there is: `UAC_HTPP_PORT is not a setting; did you
 * mean UAC_HTTP_PORT?`
 * @param known names of all settings that may be set here
 */
export function nearMisses(known: readonly string[], env: Readonly<Record<string, string | undefined>>): string[] {
  const names = new Set(known);
  return Object.keys(env)
    .filter((given) => !names.has(given) && !given.endsWith('_FILE'))
    .flatMap((given) => {
      const meant = known.find((name) => isSlipOf(name, given));
      return meant === undefined ? [] : [`${given} is not a setting; did you mean ${meant}?`];
    });
}

function isSlipOf(name: string, given: string): boolean {
  const [service = ''] = name.split('_');
  const [prefix = ''] = given.split('_');
  if (service !== prefix && SERVICES.includes(service) && SERVICES.includes(prefix)) return false;
  const distance = leven(name, given, { maxDistance: 3 });
  if (distance <= 1) return true;
  return distance === 2 && (letters(name) === letters(given) || (name.length >= LONG_NAME && service === prefix));
}

/** Two letters in each other's place are one slip, though two changes. */
function letters(word: string): string {
  return [...word].sort().join('');
}

/** The name that was meant by a word that is almost one of these; undefined when none is near. */
export function didYouMean(word: string, names: readonly string[]): string | undefined {
  return names.find((name) => leven(name, word) <= 2);
}
