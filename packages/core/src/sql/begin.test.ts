import { text } from 'node:stream/consumers';
import knexFactory, { type Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../../../../test/support/mariadb.ts';
import { inTransaction } from './in-transaction.ts';
import { run } from './run.ts';

describe('BEGIN with the first statement', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let db: Knex;
  /** What reaches the driver. */
  let packets: string[];

  beforeEach(async () => {
    database = await createTestDatabase();
    packets = [];
    db = knexFactory({
      client: 'mysql2',
      connection: { uri: database.url, multipleStatements: true } as unknown as Knex.MySql2ConnectionConfig,
      pool: { min: 0, max: 1, afterCreate: listen },
    });
    await run(db, 'CREATE TABLE seen (id INTEGER PRIMARY KEY AUTO_INCREMENT, word VARCHAR(10) UNIQUE)');
    await run(db, 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    await inTransaction(db, (tx) => run(tx, 'SELECT 1')); // asks the session for its level
    packets.length = 0;
  });
  afterEach(async () => {
    await db.destroy();
    await database.drop();
  });

  type Session = { query: (...args: unknown[]) => unknown };
  /** A property of the connection itself, as what watches sessions sets it: it must survive. */
  function listen(session: Session, done: (error: unknown, session: unknown) => void): void {
    const query = session.query.bind(session);
    session.query = (...args) => {
      packets.push(typeof args[0] === 'string' ? args[0] : (args[0] as { sql: string }).sql);
      return query(...args);
    };
    done(null, session);
  }
  const words = async () => (await run<{ word: string }>(db, 'SELECT word FROM seen ORDER BY id')).rows.map(({ word }) => word);
  const failed = new Error('the work failed');
  /** Does work that fails at its end, and looks that nothing of it stays. */
  const expectRolledBack = async (statements: (tx: Knex.Transaction) => Promise<unknown>) => {
    const work = inTransaction(db, async (tx) => {
      await statements(tx);
      throw failed;
    });
    await expect(work).rejects.toBe(failed);
    expect(await words()).toEqual([]);
  };

  it('is one packet with it, and what the first statement answers is what it answers alone', async () => {
    const [id] = await inTransaction(db, (tx) => tx('seen').insert({ word: 'one' }));
    expect(id).toBe(1);
    expect(packets).toEqual(['BEGIN;\ninsert into `seen` (`word`) values (?)', 'COMMIT;']);
    expect(await inTransaction(db, (tx) => tx('seen').select('word'))).toEqual([{ word: 'one' }]);
    expect(await inTransaction(db, (tx) => tx('seen').update({ word: 'two' }))).toBe(1);
    const [rows, fields] = await inTransaction(db, (tx) => tx.raw('SELECT word FROM seen'));
    expect([rows, fields.map(({ name }: { name: string }) => name)]).toEqual([[{ word: 'two' }], ['word']]);
  });

  it('takes along what opens the transaction', async () => {
    const statements = [{ sql: 'DELETE FROM seen WHERE word = ?', params: ['none'] }];
    expect(await inTransaction(db, (tx) => tx('seen').insert({ word: 'one' }), { statements, check: () => undefined })).toEqual([1]);
    expect(packets).toEqual(['BEGIN;\nDELETE FROM seen WHERE word = ?;\ninsert into `seen` (`word`) values (?)', 'COMMIT;']);
  });

  it('tells the first statement why what opens the transaction ends it', async () => {
    const refused = new Error('not ours');
    const check = () => {
      throw refused;
    };
    const heard: unknown[] = [];
    const work = (tx: Knex.Transaction) =>
      tx('seen')
        .insert({ word: 'one' })
        .catch((error) => heard.push(error));
    await expect(inTransaction(db, work, { statements: [], check })).rejects.toBe(refused);
    expect(heard).toEqual([refused]);
  });

  it('is there for the first statement: it goes when the transaction is rolled back', async () => {
    await expectRolledBack((tx) => tx('seen').insert({ word: 'one' }));
  });

  it('is there when the first statement fails, for those after it', async () => {
    await expectRolledBack(async (tx) => {
      await tx.raw('SELECT nonsense').catch(() => undefined);
      await tx('seen').insert({ word: 'one' });
    });
  });

  it('is there for statements that are sent side by side', async () => {
    await expectRolledBack((tx) => Promise.all(['one', 'two', 'three'].map((word) => tx('seen').insert({ word }))));
    expect(packets.filter((packet) => packet.startsWith('BEGIN'))).toHaveLength(1);
  });

  describe('and with statements beside it', () => {
    const insert = (word: string) => (tx: Knex.Transaction) => tx('seen').insert({ word });
    /** What becomes of statements that are sent side by side. */
    const answersOf = (...statements: ((tx: Knex.Transaction) => PromiseLike<unknown>)[]) =>
      inTransaction(db, (tx) => Promise.allSettled(statements.map((statement) => statement(tx))));
    const INSERT = 'insert into `seen` (`word`) values (?)';
    const done = (value: unknown) => ({ status: 'fulfilled', value });
    const refused = (error: object) => ({ status: 'rejected', reason: expect.objectContaining(error) });

    it('is one packet with them, and each has the answer that it has alone', async () => {
      expect(await answersOf(insert('one'), insert('two'), (tx) => tx('seen').select('word'))).toEqual([
        done([1]),
        done([2]),
        done([{ word: 'one' }, { word: 'two' }]),
      ]);
      expect(packets).toEqual([`BEGIN;\n${INSERT};\n${INSERT};\nselect \`word\` from \`seen\``, 'COMMIT;']);
    });

    it('tells apart which one failed, and runs those behind it', async () => {
      await run(db, "INSERT INTO seen (word) VALUES ('known')");
      const answers = await answersOf(
        insert('one'),
        insert('known'),
        (tx) => tx('seen').update({ word: 'two' }).where({ word: 'one' }),
        insert('three'),
      );
      expect(answers).toEqual([done([2]), refused({ errno: 1062 }), done(1), done([4])]);
      expect(await words()).toEqual(['known', 'two', 'three']);
    });

    it('runs none behind one at which the server has ended the transaction', async () => {
      await run(
        db,
        "CREATE TRIGGER victim BEFORE INSERT ON seen FOR EACH ROW IF NEW.word = 'victim' THEN SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213; END IF",
      );
      packets.length = 0;
      const answers = await answersOf(insert('one'), insert('victim'), insert('three'));
      expect(answers).toEqual([done([1]), refused({ errno: 1213 }), refused({ errno: 1213 })]);
      expect(packets).toHaveLength(2); // the second is COMMIT
    });

    it.each<[string, string, readonly string[]]>([
      ['is a query', 'SELECT COUNT(*) FROM seen WHERE word = ?', ['raw']],
      ['has a question mark of its own', "INSERT INTO seen (word) VALUES ('raw\\?')", []],
      ['ends in a comment', "INSERT INTO seen (word) VALUES ('raw') -- why", []],
      ['ends in a semicolon', 'INSERT INTO seen (word) VALUES (?);', ['raw']],
      ['is large', 'INSERT INTO seen (word) VALUES (LEFT(?, 3))', ['raw'.repeat(30_000)]],
    ])('sends alone what comes beside one that %s', (_what, sql, values) => expectAlone(sql, values));

    it('sends alone what comes beside one that answers rows', async ({ skip }) => {
      const { rows } = await run<{ version: string }>(db, 'SELECT VERSION() AS version');
      skip(!rows[0]?.version.includes('MariaDB'), 'MySQL has no RETURNING');
      packets.length = 0;
      await expectAlone("INSERT INTO seen (word) VALUES ('raw') RETURNING word", []);
    });

    async function expectAlone(sql: string, values: readonly string[]): Promise<void> {
      const answers = await answersOf((tx) => tx.raw(sql, values as string[]), insert('other'));
      expect(answers).toEqual([expect.objectContaining({ status: 'fulfilled' }), expect.objectContaining({ status: 'fulfilled' })]);
      expect(packets.slice(1)).toEqual([INSERT, 'COMMIT;']);
      expect(await words()).toContain('other');
    }

    it('sends alone what comes beside one that has options of its own', async () => {
      await answersOf((tx) => tx.raw("INSERT INTO seen (word) VALUES ('raw')").options({ timeout: 60_000 }), insert('other'));
      expect(packets.slice(1)).toEqual([INSERT, 'COMMIT;']);
    });

    it('fails one whose text holds several where any of them fails', async () => {
      const answers = await answersOf(insert('one'), (tx) =>
        tx.raw("INSERT INTO seen (word) VALUES ('two'); INSERT INTO seen (word) VALUES ('one')"),
      );
      expect(answers).toEqual([done([1]), refused({ errno: 1062 })]);
    });

    it('leaves the end of the transaction to a packet of its own', async () => {
      await inTransaction(db, async (tx) => void insert('one')(tx).then());
      expect(packets).toEqual([`BEGIN;\n${INSERT}`, 'COMMIT;']);
      expect(await words()).toEqual(['one']);
    });
  });

  it.each([
    ['a stream', (tx: Knex.Transaction) => text(tx.raw('SELECT 1 AS one').stream().map(String))],
    [
      'a prepared statement',
      async (tx: Knex.Transaction) => {
        const connection = await tx.client.acquireConnection();
        await new Promise((resolve, reject) => connection.execute('SELECT 1', (error: unknown) => (error ? reject(error) : resolve(undefined))));
      },
    ],
    [
      'a text given to the driver itself',
      async (tx: Knex.Transaction) => {
        const connection = await tx.client.acquireConnection();
        await new Promise((resolve) => connection.query('SELECT 1', resolve));
      },
    ],
  ])('goes before %s', async (_what, first) => {
    await expectRolledBack(async (tx) => {
      await first(tx);
      await tx('seen').insert({ word: 'one' });
    });
    expect(packets[0]).toBe('BEGIN');
  });

  it('leaves the answers of several statements as they are', async () => {
    await run(db, 'CREATE PROCEDURE twice() BEGIN SELECT 1 AS n; SELECT 2 AS n; END');
    const [called] = await inTransaction(db, (tx) => tx.raw('CALL twice()'));
    expect(called.slice(0, 2)).toEqual([[{ n: 1 }], [{ n: 2 }]]);
    const [both] = await inTransaction(db, (tx) => tx.raw('SELECT 1 AS n; SELECT 2 AS n'));
    expect(both).toEqual([[{ n: 1 }], [{ n: 2 }]]);
  });

  it('is forgotten where no statement came, and the connection is as it was', async () => {
    await inTransaction(db, async () => undefined);
    await run(db, "INSERT INTO seen (word) VALUES ('alone')");
    expect(packets.at(-1)).toBe("INSERT INTO seen (word) VALUES ('alone')");
    await expect(inTransaction(db, (tx) => tx('seen').insert({ word: 'alone' }))).rejects.toMatchObject({ errno: 1062 });
    expect(await words()).toEqual(['alone']);
  });
});

describe.each([true, false])('a transaction whose isolation level cannot be set, with several statements in a packet: %s', (multipleStatements) => {
  it('leaves nothing of itself on its connection', async () => {
    type Session = { query(statement: { sql: string }, ...rest: unknown[]): unknown };
    let killed = true;
    /** The server answers as where somebody kills the statement. */
    const kill = (session: Session, done: (error: unknown, session: unknown) => void) => {
      const query = session.query.bind(session);
      session.query = (statement, ...rest) => {
        const isLevel = killed && statement.sql.startsWith('SET TRANSACTION');
        return query(isLevel ? { sql: "SIGNAL SQLSTATE '70100' SET MYSQL_ERRNO = 1317" } : statement, ...rest);
      };
      done(null, session);
    };
    const database = await createTestDatabase();
    const connection = { uri: database.url, multipleStatements } as unknown as Knex.MySql2ConnectionConfig;
    const db = knexFactory({ client: 'mysql2', connection, pool: { min: 0, max: 1, afterCreate: kill } });
    try {
      await run(db, 'CREATE TABLE seen (word VARCHAR(10) PRIMARY KEY)');
      const opening = { statements: [{ sql: "INSERT INTO seen VALUES ('opening')", params: [] }], check: () => undefined };
      await expect(inTransaction(db, async () => undefined, opening)).rejects.toMatchObject({ errno: 1317 });
      killed = false;
      await db.transaction((tx) => tx('seen').insert({ word: 'mine' }));
      expect(await db('seen').pluck('word')).toEqual(['mine']);
    } finally {
      await db.destroy();
      await database.drop();
    }
  });
});
