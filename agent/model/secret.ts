// A secret value has a type that cannot be printed: every way to text gives its fingerprint-free placeholder.

const placeholder = '[secret]';

/** Holds a secret; `reveal` is the only way to the text, and is easy to search for. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return placeholder;
  }

  toJSON(): string {
    return placeholder;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return placeholder;
  }
}
