/** The part of bcrypt 6 that is used; the package has no types of its own. */
declare module 'bcrypt' {
  const bcrypt: {
    hash(data: string, rounds: number): Promise<string>;
    compare(data: string, encrypted: string): Promise<boolean>;
  };
  export default bcrypt;
}
