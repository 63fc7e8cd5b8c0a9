import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true, maxSockets: 512 });

/** Posts JSON over kept connections. @throws Error when the answer is not 200 */
export function post(url: string, content: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(content);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const call = request(url, { method: 'POST', agent, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`${url}: ${response.statusCode} ${Buffer.concat(parts).toString().slice(0, 200)}`));
      });
    });
    call.once('error', reject);
    call.end(text);
  });
}

/** DTM's barrier table, as its own SQL makes it. */
export const BARRIER_TABLE = `CREATE TABLE IF NOT EXISTS barrier (
  id BIGINT(22) PRIMARY KEY AUTO_INCREMENT, trans_type VARCHAR(45) DEFAULT '', gid VARCHAR(128) DEFAULT '', branch_id VARCHAR(128) DEFAULT '',
  op VARCHAR(45) DEFAULT '', barrier_id VARCHAR(45) DEFAULT '', reason VARCHAR(45) DEFAULT '', create_time DATETIME DEFAULT NOW(),
  update_time DATETIME DEFAULT NOW(), KEY (create_time), KEY (update_time), UNIQUE KEY (gid, branch_id, op, barrier_id)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;

export const INSERT_BARRIER = 'INSERT IGNORE INTO barrier (trans_type, gid, branch_id, op, barrier_id, reason) VALUES (?, ?, ?, ?, ?, ?)';
