// Unit files and their like are imported as text: `import unit from '../../units/etcd.service' with { type: 'text' }`.

declare module '*.service' {
  const text: string;
  export default text;
}

declare module '*.timer' {
  const text: string;
  export default text;
}

declare module '*.conf' {
  const text: string;
  export default text;
}

declare module '*.preset' {
  const text: string;
  export default text;
}
