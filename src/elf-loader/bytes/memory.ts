/**
 * Typed views over one stretch of memory, made once and kept: a `new Uint8Array` a record costs more than decoding the
 * record does. Decoders load 32-bit words, because a BPF buffer promises 8-byte alignment of a record but a perf record
 * only 4-byte alignment of its payload.
 */
export class Memory {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly view: DataView;

  /**
   * @param buffer memory to look at; it is not copied
   * @param byteOffset bytes, a multiple of 4
   * @param byteLength bytes, by default up to the end; the 32-bit views leave out what is left over after the last word
   * @throws RangeError when byteOffset is not a multiple of 4 or the stretch lies outside the buffer
   */
  constructor(buffer: ArrayBufferLike, byteOffset = 0, byteLength = buffer.byteLength - byteOffset) {
    this.u8 = new Uint8Array(buffer, byteOffset, byteLength);
    this.i32 = new Int32Array(buffer, byteOffset, byteLength >>> 2);
    this.u32 = new Uint32Array(buffer, byteOffset, byteLength >>> 2);
    this.view = new DataView(buffer, byteOffset, byteLength);
  }

  /** Copies bytes of any alignment into a memory of their own. */
  static from(bytes: Uint8Array): Memory {
    const words = new ArrayBuffer((bytes.byteLength + 3) & ~3);
    new Uint8Array(words).set(bytes);
    return new Memory(words);
  }
}
