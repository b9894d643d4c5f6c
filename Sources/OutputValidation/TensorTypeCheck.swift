internal import GGUFFormat
internal import ModelDescriptions
internal import TensorTypes

/// Whether engines compute with the types that tensors have.
struct TensorTypeCheck {
  let tensors: [GGUFTensorInfo]
  let purposes: TensorPurposes

  /// What is wrong: types of other programs in any file, uses that no engine has in those of known architectures.
  func findings(isKnownArchitecture: Bool) -> [Finding] {
    tensors.compactMap { tensor in
      if !tensor.type.isKnown {
        return Finding(
          .error, .wrongTensorType, tensor.name, expected: "a type of llama.cpp", found: tensor.type.name,
          remedy: "llama.cpp refuses the file; its values are not checked, its size is told from offsets")
      }
      let use = purposes[tensor.name].use
      guard isKnownArchitecture, !use.accepts(tensor.type) else { return nil }
      return Finding(
        .error, .wrongTensorType, tensor.name, expected: use.typePhrase, found: tensor.type.name,
        remedy: "llama.cpp refuses the file or ends while it computes; convert the model again")
    }
  }
}
