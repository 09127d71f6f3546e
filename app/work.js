// The work that a study may ask of a browser before its tester begins: a number for which the SHA-256 of
// `challenge:token:number` (`challenge:token:code:number` where a code was typed) begins with so many zero bits
// (feedback/entry.py checks it with one hash). Of our own making,
// since `crypto.subtle` is there on https alone, and waits for each hash. In slices, so that a phone's page goes on.
(() => {
  const SLICE_MS = 12;
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  const fraction = (value) => ((value % 1) * 0x100000000) | 0;
  const ROUND = primes.map((prime) => fraction(Math.cbrt(prime)));
  const START = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
  const turned = (value, by) => (value >>> by) | (value << (32 - by));

  const schedule = new Int32Array(64);
  // FIPS 180-4, 6.2.2: the state after a block of 64 bytes.
  const compress = (state, bytes, at) => {
    for (let i = 0; i < 16; i++, at += 4) schedule[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    for (let i = 16; i < 64; i++) {
      const [a, b] = [schedule[i - 15], schedule[i - 2]];
      const small = turned(a, 7) ^ turned(a, 18) ^ (a >>> 3);
      const large = turned(b, 17) ^ turned(b, 19) ^ (b >>> 10);
      schedule[i] = (schedule[i - 16] + small + schedule[i - 7] + large) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const first = (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[i] + schedule[i]) | 0;
      const second = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    return [state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e, state[5] + f, state[6] + g, state[7] + h].map((word) => word | 0);
  };
  const hash = (text) => {
    const length = text.length;
    const bytes = new Uint8Array(((length + 8) >> 6 << 6) + 64);
    for (let i = 0; i < length; i++) bytes[i] = text.charCodeAt(i);
    bytes[length] = 0x80;
    new DataView(bytes.buffer).setUint32(bytes.length - 4, length * 8);
    let state = START;
    for (let at = 0; at < bytes.length; at += 64) state = compress(state, bytes, at);
    return state;
  };

  window.diptych.sha256 = (text) => hash(text).map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  window.diptych.solve = async (challenge, token, code = "") => {
    const bits = Number(challenge.split(".")[0]);
    const asked = String.fromCharCode(...new TextEncoder().encode([challenge, token, code].filter(Boolean).join(":")));
    for (let number = 0; ; ) {
      for (const until = performance.now() + SLICE_MS; performance.now() < until; number++)
        if (hash(`${asked}:${number}`)[0] >>> (32 - bits) === 0) return String(number);
      await new Promise((resolve) => setTimeout(resolve));
    }
  };
})();
