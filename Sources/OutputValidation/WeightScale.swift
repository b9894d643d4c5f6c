internal import GGUFFormat
internal import ModelDescriptions

/// A factor for a whole matrix, or for each expert's, that llama.cpp takes beside weights in 4-bit floats.
enum WeightScale {
  /// The matrices that may have one.
  private static let slots: Set<TensorSlot> = [
    .query, .key, .value, .attentionOutput, .queryKeyValue, .deltaNetInput, .deltaNetGate, .deltaNetInputGate,
    .deltaNetOutput, .deltaNetAlpha, .deltaNetBeta, .gate, .up, .down, .sharedGate, .sharedUp, .sharedDown,
    .expertGate, .expertUp, .expertDown, .nextTokenProjection, .nextTokenHead,
  ]

  /// Whether a tensor is such a factor of a matrix of the model.
  ///
  /// - Parameters:
  ///   - tensor: The tensor, such as `blk.3.ffn_up_exps.scale`.
  ///   - present: All tensors by name.
  ///   - purposes: What they are for.
  /// - Returns: `true` for a factor beside its matrix.
  static func isOne(
    _ tensor: GGUFTensorInfo, present: [String: GGUFTensorInfo], _ purposes: TensorPurposes
  ) -> Bool {
    let parts = tensor.name.split(separator: ".")
    guard let last = parts.last, last == "scale" || last == "input_scale",
      let weights = present[parts.dropLast().joined(separator: ".") + ".weight"],
      let slot = purposes[weights.name].slot, slots.contains(slot)
    else { return false }
    let matrices = weights.ggmlShape.dropFirst(2).reduce(1, *)
    return tensor.elementCount == matrices && TensorSetCheck.trimmed(tensor.ggmlShape).count == 1
  }
}
