/** How a workload presents itself to the command line: its name, its parameters with their bounds, and how it is made. */
import { QuorateError } from '../../src/base/errors.ts';
import type { Units } from '../driver/result.ts';
import type { Measure } from '../driver/target.ts';
import type { Workload } from '../workload.ts';

export interface NumberParameter {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly meaning: string;
}

export interface ChoiceParameter {
  readonly default: string;
  readonly choices: readonly string[];
  readonly meaning: string;
}

export type Parameter = NumberParameter | ChoiceParameter;

export type Parameters = Readonly<Record<string, Parameter>>;

export type ValuesOf<P extends Parameters> = {
  readonly [K in keyof P]: P[K] extends NumberParameter ? number : string;
};

/** Chosen values by parameter; every parameter of the workload is there. */
export type Values = Readonly<Record<string, number | string>>;

export interface Definition {
  readonly name: string;
  readonly summary: string;
  readonly parameters: Parameters;
  make(values: Values): Workload;
  /** When an operation is more than one statement or row. */
  units(values: Values): Units | undefined;
  /** Measures in its own way instead of by `measure`; undefined: not with these values. */
  measureBy(values: Values): Measure | undefined;
}

export interface TypedDefinition<P extends Parameters> {
  readonly name: string;
  readonly summary: string;
  readonly parameters: P;
  readonly make: (values: ValuesOf<P>) => Workload;
  readonly units?: (values: ValuesOf<P>) => Units | undefined;
  readonly measureBy?: (values: ValuesOf<P>) => Measure | undefined;
}

export function define<const P extends Parameters>(typed: TypedDefinition<P>): Definition {
  const { name, summary, parameters, make, units, measureBy } = typed;
  return {
    ...{ name, summary, parameters },
    make: (values) => make(values as ValuesOf<P>),
    units: (values) => units?.(values as ValuesOf<P>),
    measureBy: (values) => measureBy?.(values as ValuesOf<P>),
  };
}

/** Values from texts; what is absent has its default. Throws a `QuorateError` that names the flag and its bounds. */
export function parseValues(
  parameters: Parameters,
  texts: Readonly<Record<string, string | undefined>>,
): Values {
  const values: Record<string, number | string> = {};
  for (const [name, parameter] of Object.entries(parameters)) {
    const text = texts[name];
    values[name] = text === undefined ? parameter.default : parseValue(name, parameter, text);
  }
  return values;
}

function parseValue(name: string, parameter: Parameter, text: string): number | string {
  if ('choices' in parameter) {
    if (parameter.choices.includes(text)) return text;
    throw new QuorateError('config', `--${name} takes ${parameter.choices.join(' or ')}`);
  }
  const { min, max } = parameter;
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= min && value <= max) {
    return value;
  }
  const message = `--${name} takes a whole number from ${min} to ${max}, not "${text}"`;
  throw new QuorateError('config', message);
}
