/**
 * `quorate check FILE`: judges a history (src/check/history.ts says how it is written). Exit code 0: strictly
 * serializable; 1: it is not, and why is printed; 2: it is not a history.
 */
import fs from 'node:fs';
import process from 'node:process';
import readline from 'node:readline';
import { checkTransactions, explain } from '../check/check-history.ts';
import { HistoryError, TransactionCollector, parseEvent } from '../check/history.ts';

export async function runCheck(args: readonly string[]): Promise<number> {
  const [file, ...rest] = args;
  if (file === undefined || rest.length > 0) {
    process.stderr.write('usage: quorate check FILE\n');
    return 2;
  }
  try {
    const collector = new TransactionCollector();
    const lines = readline.createInterface({
      input: fs.createReadStream(file),
      crlfDelay: Infinity,
    });
    let lineNumber = 0;
    for await (const line of lines) {
      lineNumber++;
      if (line.trim() !== '') collector.add(parseEvent(line, lineNumber));
    }
    const verdict = checkTransactions(collector.transactions);
    process.stdout.write(explain(verdict));
    return verdict.isStrictlySerializable ? 0 : 1;
  } catch (error) {
    if (!(error instanceof HistoryError) && !isMissing(error)) throw error;
    process.stderr.write(`quorate: ${file}: ${error.message}\n`);
    return 2;
  }
}

function isMissing(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
