/**
 * What this node knows of the catalog: descriptors by name and by id, the newest seen. It never says that something
 * does not exist, and it may be behind: every request names the version it was planned with, the fence of the table
 * answers with the one in force, and then what is known here is dropped. Bounded; shared by all sessions of a node.
 */
import type { Descriptor } from './descriptors.ts';

const DESCRIPTORS_MAX = 20000;

export class CatalogCache {
  readonly #byId = new Map<number, Descriptor>();
  readonly #ids = new Map<string, number>();
  /** Raised whenever something known changes: who keeps conclusions compares it first. */
  #generation = 0;

  get generation(): number {
    return this.#generation;
  }

  byId(id: number): Descriptor | undefined {
    return this.#byId.get(id);
  }

  byName(schema: string, name: string): Descriptor | undefined {
    const id = this.#ids.get(`${schema}\0${name}`);
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** Learns a committed descriptor; one older than what is known changes nothing. */
  put(descriptor: Descriptor): void {
    const known = this.#byId.get(descriptor.id);
    if (known !== undefined) {
      if (known.version >= descriptor.version) return;
      this.forget(descriptor.id);
    }
    if (this.#byId.size >= DESCRIPTORS_MAX) this.#clear();
    this.#byId.set(descriptor.id, descriptor);
    this.#ids.set(`${descriptor.schema}\0${descriptor.name}`, descriptor.id);
    this.#generation++;
  }

  forget(id: number): void {
    const known = this.#byId.get(id);
    if (known === undefined) return;
    this.#byId.delete(id);
    const name = `${known.schema}\0${known.name}`;
    if (this.#ids.get(name) === id) this.#ids.delete(name);
    this.#generation++;
  }

  #clear(): void {
    this.#byId.clear();
    this.#ids.clear();
    this.#generation++;
  }
}
