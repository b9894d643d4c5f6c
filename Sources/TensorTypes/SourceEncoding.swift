/// How the bytes of a source tensor encode values.
public enum SourceEncoding: Hashable, Sendable {
  case element(ElementType)
  case block(TensorType)

  /// Bytes of `count` values; `count` is a multiple of the block length.
  package func byteCount(ofElements count: Int) -> Int {
    switch self {
    case .element(let type): count * type.bitCount / 8
    case .block(let type): count / type.blockLength * type.blockByteCount
    }
  }

  /// The type in which the same bytes are a tensor of a GGUF file; `nil` when there is none.
  package var tensorType: TensorType? {
    switch self {
    case .element(.f32): .f32
    case .element(.f16): .f16
    case .element(.bf16): .bf16
    case .element: nil
    case .block(let type): type
    }
  }
}
