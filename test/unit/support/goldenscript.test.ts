/** The golden script runner, tested by scripts. */
import { describe, expect, it } from 'vitest';
import type { Command, Interpreter } from '../../support/goldenscript.ts';
import { runScript, ScriptError } from '../../support/goldenscript.ts';

function echo(): Interpreter {
  let count = 0;
  return (command: Command): string => {
    if (command.text !== undefined) return `text ${command.text}`;
    switch (command.name) {
      case 'echo': {
        const loud = command.tag('loud');
        const text = [...command.rest(), ...command.pairs().map(([k, v]) => `${k}->${v}`)].join(
          ' ',
        );
        return loud ? text.toUpperCase() : text;
      }
      case 'count':
        return String((count += command.number('by', 1)));
      case 'lines':
        return command.rest().join('\n').replaceAll('_', '');
      case 'fail':
        throw new RangeError('as asked');
      case 'quiet':
        return '';
      default:
        throw command.unknown();
    }
  };
}

const SCRIPT = `# Shows all there is.
echo a "b c" k=v # a comment
c1: [loud] echo x
c1:> SELECT 1 -- # not a comment
---
a b c k->v
c1: X
c1: text SELECT 1 -- # not a comment

(count by=2)
count
!fail
---
3
RangeError: as asked

quiet
---
ok

lines a _ b
---
> a
>
> b
`;

describe('goldenscript', () => {
  it('gives back a script whose output is as expected', async () => {
    expect(await runScript(SCRIPT, echo())).toBe(SCRIPT);
  });

  it('replaces output that differs, and adds what is missing', async () => {
    const wrong = SCRIPT.replace('c1: X', 'c1: Y')
      .replace('\n---\nok', '\n---')
      .replace('> b\n', '');
    expect(wrong).not.toBe(SCRIPT);
    expect(await runScript(wrong, echo())).toBe(SCRIPT);
    expect(await runScript('count\n', echo())).toBe('count\n---\n1\n');
  });

  it.each([
    ['unheard', 'no such command'],
    ['count 1', 'unexpected 1'],
    ['count off=1', 'unexpected off'],
    ['[loud] count', 'unexpected [loud]'],
    ['count by=one', 'by is not a number'],
    ['echo a=1 a=2', 'given twice'],
    ['echo "a', 'quote is not closed'],
    ['(echo', ') is missing'],
    ['!echo a', 'expected to fail'],
    ['!unheard', 'no such command'],
    ['c1:', 'a command is missing'],
    ['echo \u00e4', 'ASCII'],
  ])('refuses %s', async (line, message) => {
    const run = runScript(`${line}\n---\n`, echo());
    await expect(run).rejects.toThrow(ScriptError);
    await expect(runScript(`${line}\n---\n`, echo())).rejects.toThrow(message);
  });

  it('lets an unexpected failure through', async () => {
    await expect(runScript('fail\n---\n', echo())).rejects.toThrow('as asked');
  });
});
