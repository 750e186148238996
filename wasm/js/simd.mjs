// @ts-check
// Which vector instructions this engine has.

// A module of one function, () -> v128, whose body is the last argument: the engine has an instruction if it accepts the module.
/** @param {number[]} body */
const accepts = (...body) => {
  const code = [0, ...body, 0x0b];
  const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0];
  return WebAssembly.validate(new Uint8Array([...head, 10, code.length + 2, 1, code.length, ...code]));
};
const ZEROS = [0x41, 0, 0xfd, 0x11]; // i32.const 0, i32x4.splat
export const hasSimd = () => accepts(...ZEROS);
export const hasRelaxedSimd = () => accepts(...ZEROS, ...ZEROS, ...ZEROS, 0xfd, 0x85, 2); // f32x4.relaxed_madd
