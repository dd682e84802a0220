/** The decoder against pg-protocol's serializer, in pieces of every size; malformed messages end in 08P01. */
import fc from 'fast-check';
import { serialize } from 'pg-protocol';
import { describe, expect, it } from 'vitest';
import type { FrontendMessage } from '../../../src/pgwire/frontend-decoder.ts';
import {
  FrontendDecoder,
  InvalidTextError,
  ProtocolError,
} from '../../../src/pgwire/frontend-decoder.ts';

function decodeAll(bytes: Buffer, pieceBytes: number): FrontendMessage[] {
  const decoder = new FrontendDecoder();
  const messages: FrontendMessage[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    decoder.push(Buffer.from(bytes.subarray(at, at + pieceBytes)));
    for (let next = decoder.next(); next !== undefined; next = decoder.next()) messages.push(next);
  }
  return messages;
}

const STREAM = Buffer.concat([
  serialize.query('select 1'),
  serialize.parse({ name: 's', text: 'select $1', types: [23] }),
  serialize.bind({ portal: 'p', statement: 's', values: ['x', null, Buffer.from([1, 2])] }),
  serialize.describe({ type: 'P', name: 'p' }),
  serialize.execute({ portal: 'p', rows: 7 }),
  serialize.close({ type: 'S', name: 's' }),
  serialize.copyData(Buffer.from('a\tb\n')),
  serialize.copyDone(),
  serialize.copyFail('no'),
  serialize.flush(),
  serialize.sync(),
  serialize.end(),
]);

describe('frontend decoder', () => {
  it('reads what an independent client writes, whatever the pieces', () => {
    const whole = decodeAll(STREAM, STREAM.length);
    expect(whole.map((message) => message.kind)).toEqual([
      ...['query', 'parse', 'bind', 'describe', 'execute', 'close'],
      ...['copyData', 'copyDone', 'copyFail', 'flush', 'sync', 'terminate'],
    ]);
    expect(whole[1]).toEqual({ kind: 'parse', name: 's', text: 'select $1', typeOids: [23] });
    expect(whole[2]).toMatchObject({
      portal: 'p',
      statement: 's',
      values: [Buffer.from('x'), null, Buffer.from([1, 2])],
    });
    expect(whole[4]).toEqual({ kind: 'execute', portal: 'p', maxRows: 7 });
    for (const size of [1, 2, 3, 7, 64]) expect(decodeAll(STREAM, size)).toEqual(whole);
  });

  it('joins a long message once', () => {
    const text = 'x'.repeat(1_000_000);
    const [message] = decodeAll(serialize.query(text), 65536);
    expect(message).toEqual({ kind: 'query', text });
  });

  it('reads startup packets', () => {
    const decoder = new FrontendDecoder();
    decoder.push(serialize.requestSsl());
    expect(decoder.nextStartup()).toEqual({ kind: 'ssl' });
    decoder.push(serialize.startup({ user: 'u', database: 'd' }));
    const startup = decoder.nextStartup();
    expect(startup?.kind === 'startup' && startup.parameters.get('user')).toBe('u');
    const cancel = new FrontendDecoder();
    cancel.push(serialize.cancel(7, 9));
    expect(cancel.nextStartup()).toMatchObject({ kind: 'cancel', processId: 7 });
  });

  it.each([
    ['an unknown type', Buffer.from([0x7a, 0, 0, 0, 4])],
    ['a length below four', Buffer.from([0x51, 0, 0, 0, 3])],
    ['a huge length', Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff])],
    ['a string without end', Buffer.from([0x51, 0, 0, 0, 5, 0x41])],
    ['bytes left over', Buffer.from([0x53, 0, 0, 0, 5, 0])],
    ['a bad format code', Buffer.from([0x42, 0, 0, 0, 12, 0, 0, 0, 1, 0, 9, 0, 0])],
  ])('refuses %s', (_what, bytes) => {
    const decoder = new FrontendDecoder();
    decoder.push(bytes);
    expect(() => decoder.next()).toThrow(ProtocolError);
  });

  it('reports text that is not UTF-8 and goes on with the next message', () => {
    const decoder = new FrontendDecoder();
    decoder.push(Buffer.concat([Buffer.from([0x51, 0, 0, 0, 6, 0xff, 0]), serialize.sync()]));
    expect(() => decoder.next()).toThrow(InvalidTextError);
    expect(decoder.next()).toEqual({ kind: 'sync' });
  });

  it('refuses a startup packet by its length alone, and knows the type of a message that it cannot read', () => {
    const decoder = new FrontendDecoder();
    decoder.push(Buffer.from([0, 0, 0, 4]));
    expect(() => decoder.nextStartup()).toThrow(ProtocolError);
    const other = new FrontendDecoder();
    other.push(Buffer.from([0x51, 0, 0, 0, 6, 0xff, 0]));
    expect(() => other.next()).toThrow(InvalidTextError);
    expect(other.lastType).toBe(0x51);
  });

  it('hostile bytes end in an error of its own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const decoder = new FrontendDecoder();
        decoder.push(Buffer.from(bytes));
        try {
          while (decoder.next() !== undefined);
        } catch (error) {
          if (!(error instanceof ProtocolError) && !(error instanceof InvalidTextError))
            throw error;
        }
      }),
    );
  });
});
