package import TensorTypes

/// Which type a tensor is stored with when a checkpoint becomes a plain (not quantized) GGUF.
package enum StorageRule: Hashable, Sendable {
  /// Always f32: vectors, norms, routers, convolutions.
  case alwaysF32
  /// The requested output type.
  case requested
}

/// One tensor of the GGUF that a checkpoint becomes.
package struct OutputTensor: Hashable, Sendable {
  /// The GGUF name, such as `blk.0.ffn_down_exps.weight`.
  package var name: String
  /// What it is for.
  package var slot: TensorSlot
  /// The number of its block; `nil` outside of blocks.
  package var block: Int?
  /// The shape in GGUF order, fastest dimension first.
  package var ggmlShape: [Int]
  /// Where its values come from.
  package var content: TensorContent

  /// Creates a description.
  package init(name: String, slot: TensorSlot, block: Int?, ggmlShape: [Int], content: TensorContent) {
    self.name = name
    self.slot = slot
    self.block = block
    self.ggmlShape = ggmlShape
    self.content = content
  }

  /// Which type it has before quantization.
  package var storage: StorageRule { slot.storage }
  /// What it is for, and in which block.
  package var purpose: TensorPurpose { TensorPurpose(slot, block: block) }
}
