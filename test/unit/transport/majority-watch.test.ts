/** When a node takes itself for cut off. */
import { expect, it } from 'vitest';
import { MajorityWatch } from '../../../cluster/transport/majority-watch.ts';
import { nodeId } from '../../../src/base/ids.ts';

function make(memberCount: number): { watch: MajorityWatch; pass: (ms: number) => void } {
  let now = 0;
  const clock = { monotonicMs: () => now, wallMs: () => 0, bootMs: () => 0 };
  return { watch: new MajorityWatch(clock, memberCount), pass: (ms) => (now += ms) };
}

it('is cut off a second after it has lost its majority, until it has one again', () => {
  const { watch, pass } = make(3);
  pass(500);
  watch.onPeerChange(nodeId(2), true);
  watch.onPeerChange(nodeId(3), true);
  pass(5000);
  expect(watch.isCutOff).toBe(false);
  watch.onPeerChange(nodeId(2), false);
  pass(5000);
  expect(watch.isCutOff).toBe(false);
  watch.onPeerChange(nodeId(3), false);
  pass(600);
  watch.onPeerChange(nodeId(3), false);
  expect(watch.isCutOff).toBe(false);
  pass(600);
  expect(watch.isCutOff).toBe(true);
  watch.onPeerChange(nodeId(3), true);
  expect(watch.isCutOff).toBe(false);
});

it('is cut off when nobody was ever connected', () => {
  const { watch, pass } = make(5);
  expect(watch.isCutOff).toBe(false);
  pass(1001);
  expect(watch.isCutOff).toBe(true);
  watch.onPeerChange(nodeId(2), true);
  expect(watch.isCutOff).toBe(true);
  watch.onPeerChange(nodeId(5), true);
  expect(watch.isCutOff).toBe(false);
});

it('alone it is a majority', () => {
  const { watch, pass } = make(1);
  pass(1e6);
  expect(watch.isCutOff).toBe(false);
});
