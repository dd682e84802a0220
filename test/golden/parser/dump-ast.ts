/**
 * Syntax trees as indented text: a node is its kind and its scalar fields on one line, its children below. What is
 * undefined, false or empty is left out, and positions unless asked for.
 */
type Fields = Readonly<Record<string, unknown>>;

export interface DumpOptions {
  readonly positions: boolean;
}

export function dumpAst(value: unknown, options: DumpOptions): string {
  return lines('', value, '', options).join('\n');
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === false || (Array.isArray(value) && value.length === 0);
}

/** In quotes unless a word or number; what is not ASCII as escapes. */
function scalar(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  if (/^[\w$.]+$/.test(value)) return value;
  const escape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replaceAll(/[^\x20-\x7e]/g, escape);
}

function lines(label: string, value: unknown, indent: string, options: DumpOptions): string[] {
  if (isScalar(value)) return [`${indent}${label}${scalar(value)}`];
  if (Array.isArray(value)) {
    return value.flatMap((item) =>
      Array.isArray(item)
        ? [`${indent}-`, ...lines('', item, `${indent}  `, options)]
        : lines('- ', item, indent, options),
    );
  }
  const fields = value as Fields;
  const position = options.positions ? `@${String(fields['position'])}` : '';
  const head = [typeof fields['kind'] === 'string' ? `(${fields['kind']})${position}` : position];
  const below: string[] = [];
  for (const [name, field] of Object.entries(fields)) {
    if (name === 'kind' || name === 'position') continue;
    // A value of false is one; a flag of false is none.
    if (isEmpty(field) && (name !== 'value' || field !== false)) continue;
    if (isScalar(field)) head.push(`${name}=${scalar(field)}`);
    else if (isName(field)) head.push(`${name}=${scalar(qualified(field))}`);
    else if (Array.isArray(field) && field.every((item) => isScalar(item) || isName(item))) {
      const items = field.map((item) => scalar(isName(item) ? qualified(item) : (item as string)));
      head.push(`${name}=[${items.join(' ')}]`);
    } else if (Array.isArray(field)) {
      below.push(`${indent}  ${name}`, ...lines('', field, `${indent}    `, options));
    } else below.push(...lines(`${name}: `, field, `${indent}  `, options));
  }
  const text = head.filter((part) => part !== '').join(' ');
  return [`${indent}${label}${text}`.trimEnd(), ...below];
}

/** An identifier or qualified name: nothing but names and its place. */
function isName(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const names = ['catalog', 'schema', 'name', 'position'];
  return 'name' in value && Object.keys(value).every((key) => names.includes(key));
}

function qualified(name: Fields): string {
  return [name['catalog'], name['schema'], name['name']]
    .filter((part) => typeof part === 'string')
    .join('.');
}
