/** The connections that stand behind lent ones. */
const origins = new WeakMap<object, object>();

/**
 * A connection as one borrower sees it: some of its methods are the borrower's own, everything else is the connection's. The connection itself is not
 * changed, so it goes back to its pool as it came from there, whatever becomes of the borrower's work.
 * @param own methods that the borrower sees in place of the connection's
 */
export function lend<C extends object>(connection: C, own: Partial<C>): C {
  const lent = new Proxy(connection, {
    get(target, name) {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name);
      const value = Reflect.get(target, name);
      // Its own methods must not see the proxy: what they call would come back to the borrower.
      return typeof value === 'function' && name !== 'constructor' ? value.bind(target) : value;
    },
  });
  origins.set(lent, originOf(connection));
  return lent;
}

/** The connection behind a lent one; any other connection itself. What is remembered of connections is remembered by this. */
export function originOf<C extends object>(connection: C): C {
  return (origins.get(connection) as C | undefined) ?? connection;
}
