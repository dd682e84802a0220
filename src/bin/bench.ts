/**
 * `quorate bench`: the commands of bench/. They are loaded only when asked for: a node needs none of what measures it.
 */
export async function runBench(args: readonly string[]): Promise<number> {
  const { runBenchCommand } = await import('../../bench/commands.ts');
  return runBenchCommand(args);
}
