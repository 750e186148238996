// @ts-check

/** Whether relaxed SIMD can be trusted: V8 of Node 20 has it behind a flag, and computes wrongly with it. */
export const relaxedIsSound = Number.parseInt(process.versions.node, 10) >= 22;
