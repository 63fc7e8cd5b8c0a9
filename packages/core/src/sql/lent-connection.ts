/** The connections that stand behind lent ones. */
const origins = new WeakMap<object, object>();

/** Methods bound to their object, by the object and the method: a connection is lent for each transaction, and a method is bound once. */
const methods = new WeakMap<object, WeakMap<Method, Method>>();
type Method = (...args: never[]) => unknown;

/**
 * A connection, or a transaction of knex's, as one borrower sees it: some of its methods are the borrower's own, everything else is the connection's. The
 * connection itself is not changed, so it goes back to its pool as it came from there, whatever becomes of the borrower's work.
 * @param own methods that the borrower sees in place of the connection's
 */
export function lend<C extends object>(connection: C, own: Partial<C>): C {
  const known = methods.get(connection) ?? new WeakMap<Method, Method>();
  methods.set(connection, known);
  const lent = new Proxy(connection, {
    get(target, name) {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name);
      const value = Reflect.get(target, name);
      return typeof value === 'function' && name !== 'constructor' ? boundOnce(known, target, value as Method) : value;
    },
  });
  origins.set(lent, originOf(connection));
  return lent;
}

/** A connection's own methods must not see the proxy: what they call would come back to the borrower. */
function boundOnce(known: WeakMap<Method, Method>, target: object, method: Method): Method {
  const found = known.get(method);
  if (found !== undefined) return found;
  const bound = method.bind(target);
  known.set(method, bound);
  return bound;
}

/** The connection behind a lent one; any other connection itself. What is remembered of connections is remembered by this. */
export function originOf<C extends object>(connection: C): C {
  return (origins.get(connection) as C | undefined) ?? connection;
}
