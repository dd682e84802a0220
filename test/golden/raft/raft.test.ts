/** The stories of the consensus core: one script each. */
import { describeScripts } from '../../support/goldenscript.ts';
import { raftInterpreter } from './raft-interpreter.ts';

describeScripts('raft', import.meta.dirname, raftInterpreter);
