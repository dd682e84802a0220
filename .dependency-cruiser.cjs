// Who may import whom (docs/architecture.md). Type-only imports count, except for cycles.
const only = (name, from, to) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { pathNot: to },
});

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'nothing-imports-tests',
      severity: 'error',
      from: { pathNot: '^test/' },
      to: { path: '^test/' },
    },
    {
      name: 'bench-is-imported-by-its-command-only',
      severity: 'error',
      from: { pathNot: '^(bench/|test/|src/bin/bench\\.ts)' },
      to: { path: '^bench/' },
    },
    {
      name: 'rules-are-broken-by-the-simulator-only',
      severity: 'error',
      from: { pathNot: '^src/(base/mutant\\.ts|sim/mutants\\.ts)' },
      to: { path: '^src/base/mutant-state' },
    },
    {
      name: 'probes-are-read-by-the-simulator-only',
      severity: 'error',
      from: { pathNot: '^src/(base/probe\\.ts|sim/probes\\.ts)' },
      to: { path: '^src/base/probe-state' },
    },
    only('base', '^src/base/', '^src/base/'),
    only('ports', '^src/env/[^/]+$', '^src/(base|env)/'),
    only('kv', '^src/kv/', '^src/(base|kv)/'),
    only(
      'env-node',
      '^src/env/node/',
      '^(src/(base|env)/|node_modules/(pino|@types)|node:|[a-z0-9_/]+$)',
    ),
    only('raft', '^cluster/raft/', '^(src/base/|src/env/env\\.ts|cluster/raft/)'),
    only(
      'cluster',
      '^cluster/',
      '^(src/(base|env|kv)/|storage/|cluster/|node_modules/(msgpackr|@types))',
    ),
    only('storage', '^storage/', '^(src/(base|env)/|storage/|node_modules/(classic-level|@types))'),
    {
      name: 'one-home-of-classic-level',
      severity: 'error',
      from: { pathNot: '^storage/engine/level-engine\\.ts' },
      to: { path: 'node_modules/classic-level' },
    },
    only('sql', '^sql/', '^(src/(base|kv)/|sql/|node_modules/(chevrotain|@chevrotain|@types))'),
    {
      name: 'one-home-of-chevrotain',
      severity: 'error',
      from: { pathNot: '^sql/parser/' },
      to: { path: 'node_modules/chevrotain' },
    },
    only('pgwire', '^src/pgwire/', '^(src/(base|env|pgwire)/|sql/(session|types|errors)/)'),
    {
      name: 'simulation-is-imported-by-its-command-only',
      severity: 'error',
      from: { pathNot: '^(src/sim/|src/bin/sim\\.ts|test/)' },
      to: { path: '^src/sim/' },
    },
    only(
      'sim',
      '^src/sim/',
      '^(src/(base|env/[^/]+$|kv|check|node|sim)|cluster/|storage/|sql/|[a-z_/]+$|node_modules/@types)',
    ),
    only('client', '^src/client/', '^(src/(base|client)/|node_modules/pg-protocol|[a-z_/]+$)'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
