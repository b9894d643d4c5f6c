/// How the bytes of a source tensor encode values.
package enum SourceEncoding: Hashable, Sendable {
  case element(ElementType)
  case block(TensorType)
  /// Codes whose scales are stored apart.
  case codes(PackedCodes)

  /// Bytes of `count` values; `count` is a multiple of the block length, or of the codes in a byte.
  package func byteCount(ofElements count: Int) -> Int {
    switch self {
    case .element(let type): count * type.bitCount / 8
    case .block(let type): count / type.blockLength * type.blockByteCount
    case .codes(let codes): count * codes.bitCount / 8
    }
  }

  /// Values in elements that the header of a checkpoint calls `count` elements of `type`.
  package func valueCount(of count: Int, _ type: ElementType) -> Int {
    guard case .codes(let codes) = self else { return count }
    return count * type.bitCount / codes.bitCount
  }

  /// The type in which the same bytes are a tensor of a GGUF file; `nil` when there is none.
  package var tensorType: TensorType? {
    switch self {
    case .element(.f32): .f32
    case .element(.f16): .f16
    case .element(.bf16): .bf16
    case .element, .codes: nil
    case .block(let type): type
    }
  }
}
