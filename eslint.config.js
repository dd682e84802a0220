// Lint as law: typed promise rules, and one home for time, randomness, timers, network and disk.
import tseslint from 'typescript-eslint';

const PORTS_ONLY = [
  'Date',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'process',
  'console',
  'crypto',
  'WeakRef',
  'FinalizationRegistry',
];

export default tseslint.config(
  {
    ignores: ['dist', 'node_modules', 'test/model', 'quorate-data', '**/*.cjs', 'eslint.config.js'],
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: true },
      ],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['src/**/*.ts', 'sql/**/*.ts', 'storage/**/*.ts', 'cluster/**/*.ts'],
    ignores: ['src/env/node/**', 'src/bin/**', 'src/client/**'],
    rules: {
      'no-restricted-globals': ['error', ...PORTS_ONLY],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Take Random from the Env.' },
      ],
    },
  },
  {
    files: ['src/bin/**/*.ts', 'bench/**/*.ts', 'test/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
);
